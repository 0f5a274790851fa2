"""`tandem compare`, `sweep` and `reproduce`: ask why versions differ, try settings, make a version again."""

from typing import Annotated

import typer

from flows.cli.console import ROOT, console, read_settings


def print_comparison(
    before: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "champion",
    after: Annotated[str, typer.Argument(help="Another version's number, or an alias")] = "challenger",
) -> None:
    """Compare two versions: figures with intervals, settings, data and answers that differ.

    Example: [bold]tandem compare 3 4[/]
    """
    from flows.cli.rich_tables import difference_table, verdict_table
    from flows.experiments.compare import compare_versions

    found = compare_versions(ROOT.resolve(), read_settings(), before, after)
    console.print(verdict_table(found.validation.verdict, found.before, found.after))
    console.print(difference_table(found.settings, found.before, found.after))
    verdict = found.validation.refusal or "Every rule of the gate holds"
    console.print(f"{verdict}.\nWith the data and the answers that differ: {found.page}", soft_wrap=True)


def print_sweep(
    stage: Annotated[str, typer.Argument(help="A stage that conf/sweep.yaml has a search for")],
    trials: Annotated[int | None, typer.Option(min=1, help="How many in all")] = None,
) -> None:
    """Try other settings of a stage, chosen by validation data; the graph's outputs stay as they are.

    Example: [bold]tandem sweep elsa --trials 20[/]
    """
    from flows.cli.rich_tables import trials_table
    from flows.experiments.sweep import sweep_stage

    found = sweep_stage(ROOT.resolve(), stage, trials)
    console.print(trials_table(found.trials))
    changes = []
    for name, value in found.best.items():
        if value != found.now[name]:
            changes.append(f"{name}: {value} (now {found.now[name]})")
    if changes:
        console.print(
            f"Best: {', '.join(changes)}. To use it, write it into {found.settings}, then: tandem run"
        )
    else:
        console.print("The settings as they are serve best.")


def print_reproduction(
    version: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "champion",
) -> None:
    """Make a version again from its commit, in `.tandem/reproduce`, and compare its figures with the published ones.

    Example: [bold]tandem reproduce 3[/]
    """
    from flows.experiments.reproduce import reproduce_version

    found = reproduce_version(ROOT.resolve(), read_settings(), version)
    for metric in found.metrics:
        if not metric.is_same:
            console.print(
                f"{metric.name}: published {metric.published}, now {metric.reproduced}", style="red"
            )
    for name in found.as_published:
        console.print(f"Stage {name} was taken as published: its inputs are no longer as they were.")
    for package in found.other_packages:
        console.print(f"Made with {package}")
    n_same_files = found.n_files - len(found.other_files)
    # Only figures fail the command: another processor may round the last digits of the weights in a file.
    console.print(
        f"{found.n_same} of {len(found.metrics)} figures and {n_same_files} of {found.n_files} files are the same; "
        f"it lies in {found.folder}.",
        style="green" if found.is_same else "red",
        soft_wrap=True,
    )
    if not found.is_same:
        raise typer.Exit(1)
