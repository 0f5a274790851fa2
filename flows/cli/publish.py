"""`tandem publish`, `promote`, `versions` and `rollback`: which version is champion."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from flows.cli.console import ROOT, console, read_settings

if TYPE_CHECKING:
    from flows.promote.publish import PublishOutcome


def publish_bundle() -> None:
    """Validate the bundle as it lies here and publish it.

    Example: [bold]tandem publish[/]
    """
    from flows.promote.publish import publish_candidate

    print_outcome(publish_candidate(ROOT.resolve(), read_settings()))


def promote_version(
    version: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "challenger",
) -> None:
    """Make a version champion by hand: the challenger, or any other.

    Example: [bold]tandem promote 3[/]
    """
    from flows.promote.registry import Registry

    registry = Registry(read_settings().registered_model, ROOT)
    chosen = str(
        registry.get_version(version).version
    )  # an alias moves while it is promoted; a number does not
    registry.promote(chosen)
    console.print(f"Champion is version {chosen}.")


def print_versions() -> None:
    """Show the registered versions, the latest first, and the state of each.

    Example: [bold]tandem versions[/]
    """
    from flows.promote.registry import Registry, read_state

    registry = Registry(read_settings().registered_model, ROOT)
    champion = registry.get_champion()
    table = Table("version", "state", "commit", "alias", box=None)
    for version in registry.list_versions():
        alias = "champion" if champion and version.version == champion.version else ""
        table.add_row(str(version.version), read_state(version), version.tags.get("commit", "")[:10], alias)
    console.print(table)


def rollback_champion() -> None:
    """Make the previous champion the champion again.

    Example: [bold]tandem rollback[/]
    """
    from flows.promote.registry import Registry

    before, now = Registry(read_settings().registered_model, ROOT).rollback()
    console.print(f"Champion was version {before}, is version {now}.")


def print_outcome(outcome: "PublishOutcome") -> None:
    """Print the gate's table, and whether the candidate is published and why."""
    from flows.cli.rich_tables import verdict_table

    name = f"{read_settings().registered_model}@champion"
    if outcome.verdict is not None:
        console.print(verdict_table(outcome.verdict, "champion", "candidate"))
    if outcome.published:
        message = f"[green]Published[/] {name}, version {outcome.version}: {outcome.reason}."
    elif outcome.version is None:
        message = f"[red]Nothing is published[/]: {outcome.reason}."
    else:
        message = f"{name} stays version {outcome.version}: {outcome.reason}."
    console.print(message, soft_wrap=True)
