"""`tandem enrich`: let a language model describe the items that have no description yet, or say what that will cost."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from components.core.errors import TandemError
from flows.cli.console import ROOT, console
from flows.run.prefect_api import prefect_api

STAGE = "enrich"


def enrich_items(
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what the missing descriptions will cost; ask nothing")
    ] = False,
    merge: Annotated[
        Path | None,
        typer.Option(help="Take over the answers of another machine's answers.jsonl; ask nothing"),
    ] = None,
) -> None:
    """Describe the items that have no description yet, within tonight's budget of conf/enrichment.yaml.

    Example: [bold]tandem enrich --estimate[/]
    """
    if merge is not None:
        _merge_answers(merge)
    elif estimate:
        _print_estimate()
    else:
        with prefect_api(ROOT) as wait:
            from flows.run.nightly import nightly

            wait()
            nightly(ROOT, publishing=False, only=["packages", "catalogue", STAGE])


def _stage_paths() -> dict[str, Path]:
    """Return the paths that the stage is given in dvc.yaml, by the names of its parameters.

    Raises TandemError where the catalogue has not been read yet.
    """
    from components.enrichment.enrich import main as stage
    from flows.run.graph import read_graph

    node = next(node for node in read_graph(ROOT) if node.name == STAGE)
    paths = dict(zip(stage.paths, (ROOT / argument for argument in node.arguments), strict=True))
    if not paths["catalogue"].is_dir():
        raise TandemError(
            "The catalogue has not been read yet. Run first: tandem run --only packages --only catalogue"
        )
    return paths


def _print_estimate() -> None:
    from components.enrichment.enrich import estimate_stage
    from components.enrichment.settings import EnrichmentSettings

    settings = EnrichmentSettings.read_in(ROOT)
    found = estimate_stage(_stage_paths(), settings)
    table = Table("what", "estimate", box=None)
    table.add_row("items of the catalogue", f"{found.items:,}")
    table.add_row("without a description", f"{found.requests:,}")
    table.add_row("tokens read", f"{found.input_tokens:,}")
    table.add_row("tokens written", f"{found.output_tokens:,}")
    table.add_row("cost", f"{found.cost:,.2f}")
    table.add_row("nights within the budget", f"{found.nights:,}")
    table.add_row("minutes at requests_per_minute, at least", f"{found.minutes:,.1f}")
    console.print(table)
    if settings.engine == "shipped" and found.requests:
        console.print("Nobody is asked: engine is shipped in conf/enrichment.yaml.")


def _merge_answers(file: Path) -> None:
    from components.enrichment.enrich import open_answers

    if not file.is_file():
        raise TandemError(f"{file} is no file. Name the answers.jsonl of another machine.")
    added = open_answers(**_stage_paths()).merge(file)
    console.print(f"New answers: {added}. They are used from the next run on.")
