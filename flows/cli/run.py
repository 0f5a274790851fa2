"""`tandem run`, `demo`, `status` and `accept-feed`: bring the graph up to date, or say what is not."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from flows.cli.console import ROOT, console, read_settings
from flows.cli.publish import print_outcome
from flows.cli.serve import start_service
from flows.run.prefect_api import prefect_api, use_prefect_of

MAX_REASONS_SHOWN = 3


def run_graph(
    only: Annotated[
        list[str] | None, typer.Option(help="Run only this stage or package; may be given again")
    ] = None,
    onward: Annotated[
        list[str] | None, typer.Option("--from", help="Run this stage or package, and all that depend on it")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say which stages would run and why; run none")] = False,
    publishing: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Validate and publish the bundle in the end")
    ] = True,
    wait_minutes: Annotated[float, typer.Option(min=0, help="How long to wait for another run's end")] = 0,
) -> None:
    """Run what has changed, validate the result, publish it.

    Example: [bold]tandem run --from text_model[/]
    """
    if dry_run:
        _print_preview(only or [], onward or [])
        return
    with prefect_api(ROOT) as wait:
        # Imported inside the block: Prefect's temporary API starts while this takes its seconds.
        from flows.run.nightly import nightly

        wait()
        outcome = nightly(ROOT, publishing, only, onward=onward, wait_minutes=wait_minutes)
    if outcome is None:
        console.print("The stages asked for are up to date; nothing is validated or published.")
        return
    print_outcome(outcome)
    if outcome.version is None:
        raise typer.Exit(1)
    console.print("Open the page:  [bold]make serve[/]  then  [bold]http://127.0.0.1:8000[/]")
    console.print("Compare runs:   [bold].venv/bin/mlflow ui --backend-store-uri sqlite:///mlflow.db[/]")


def run_demo(
    source: Annotated[str, typer.Argument(help="fashion or movielens")] = "fashion",
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    serving: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve it when it is ready")] = True,
) -> None:
    """Run and serve another catalogue beside this one, in `.tandem/<source>`.

    Example: [bold]tandem demo fashion --port 8001[/]
    """
    from flows.run.workspace import open_workspace

    os.chdir(open_workspace(ROOT.resolve(), source))
    use_prefect_of(Path.cwd())
    os.environ["PYTHONPATH"] = str(
        Path.cwd()
    )  # stages import the workspace's components, as DVC hashes those
    run_graph()
    if serving:
        start_service(host, port)


def print_status() -> None:
    """Show which stages would run and why, and which version is champion.

    Example: [bold]tandem status[/]
    """
    from flows.promote.registry import Registry

    _print_preview([], [])
    champion = Registry(read_settings().registered_model, ROOT).get_champion()
    console.print(f"Champion: version {champion.version}" if champion else "No champion yet: tandem run")


def accept_feed() -> None:
    """Accept the present data as the reference for later feeds: their volume, columns and spread are right.

    Example: [bold]tandem accept-feed[/]
    """
    from flows.run.drift_check import accept_profile
    from flows.run.graph import read_graph

    rows = accept_profile(ROOT.resolve(), read_graph(ROOT))
    counts = ", ".join(f"{count} {name}" for name, count in rows.items() if count)
    console.print(f"Later feeds are compared with this one: {counts}.")


def _print_preview(only: list[str], onward: list[str]) -> None:
    """Print which stages would run and why."""
    from flows.run.graph import explain_changes, read_graph, select_stages

    table = Table("stage", "state", "why it would run", box=None)
    for name, reasons in explain_changes(select_stages(read_graph(ROOT), only, onward)).items():
        state = "[yellow]to run[/]" if reasons else "[green]up to date[/]"
        table.add_row(name, state, "; ".join(reasons[:MAX_REASONS_SHOWN]))
    console.print(table)
