"""`tandem ethics`: why a text is blocked, what was blocked lately, and what people object to."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from components.stage import TandemError

REPORTED = Path("conf/benign/reported.csv")
HEADING = ("sentence", "kind")
SHARP = "sharp"  # what was blocked touches a harm, or seems to
app = typer.Typer(
    help="The filter of harmful queries: try it, see what it blocks, decide on objections.",
    no_args_is_help=True,
)
console = Console(highlight=False)


@app.command("try")
def try_text(text: Annotated[str, typer.Argument(help="What a person would type")]) -> None:
    """Show a text's score beside the line, the nearest sentences on both sides, and the words that tip it.

    Example: [bold]tandem ethics try "a costume sword for my nephew"[/]
    """
    from components.ethics.explain import explain

    guard, known = _output_named("ethics", "filter"), _output_named("ethics", "sentences")
    found = explain(text, guard, known, _output_named("export", "query_model"))
    verdict = found.verdict
    said = (
        f"[red]blocked[/] ({verdict.category}, severity {verdict.severity})"
        if verdict.blocked
        else "[green]answered[/]"
    )
    console.print(f"{said}: score {verdict.score:.2f}, blocked above {verdict.threshold:.2f}")
    for reading in found.readings[1:]:
        console.print(f"read also as: {reading}", markup=False)
    table = Table(box=None)
    for heading in ("nearest", "likeness", "sentence", "from"):
        table.add_column(heading)
    for name, sentences in (("banned", found.banned), ("harmless", found.benign)):
        for sentence, label, likeness in sentences:
            table.add_row(name, f"{likeness:.2f}", sentence, label)
    console.print(table)
    tipping = ", ".join(f"{word} ({fall:+.2f})" for word, fall in found.words)
    console.print(
        f"The score falls most without: {tipping}" if tipping else "There is no word in it.", markup=False
    )


@app.command("log")
def show_log(days: Annotated[int, typer.Option(min=1, help="How many days back")] = 7) -> None:
    """Show how many queries the service blocked lately, by category. The queries themselves are not kept.

    Example: [bold]tandem ethics log --days 30[/]
    """
    from components.serving.blocked_queries import count_blocked
    from flows.service import database

    since = (datetime.now(UTC) - timedelta(days=days - 1)).date().isoformat()
    counts = count_blocked(database(), since)
    if not counts:
        console.print(f"No query was blocked since {since}.")
        return
    table = Table(box=None)
    for heading in ("category", "blocked"):
        table.add_column(heading)
    for category, count in counts:
        table.add_row(category, str(count))
    console.print(table)


@app.command("reports")
def show_reports() -> None:
    """Show the blocked queries that people object to and that nobody has decided on.

    Example: [bold]tandem ethics reports[/]
    """
    from components.serving.blocked_queries import open_reports
    from flows.service import database

    found = open_reports(database())
    if not found:
        console.print("Nobody objects to a block.")
        return
    table = Table(box=None)
    for heading in ("number", "times", "query", "comment", "category", "score"):
        table.add_column(heading)
    for report in found:
        table.add_row(
            str(report.number),
            str(report.times),
            report.query,
            report.comment,
            report.category,
            f"{report.score:.2f}",
        )
    console.print(table)
    console.print(
        "Harmless ones: [bold]tandem ethics accept NUMBER[/]. Others: [bold]tandem ethics reject NUMBER[/]."
    )


@app.command()
def accept(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of reports, as `reports` shows them")],
) -> None:
    """Decide that reported queries are harmless: they join conf/benign/reported.csv, from which the next run learns.

    Example: [bold]tandem ethics accept 3 4[/]
    """
    queries = _decide(numbers, "harmless")
    new = not REPORTED.is_file()
    with REPORTED.open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(HEADING)
        rows.writerows((query, SHARP) for query in queries)
    console.print(f"{len(queries)} added to {REPORTED}. Learn from them with: tandem run")


@app.command()
def reject(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of reports, as `reports` shows them")],
) -> None:
    """Decide that reported queries are blocked rightly.

    Example: [bold]tandem ethics reject 5[/]
    """
    console.print(f"{len(_decide(numbers, 'harmful'))} stay blocked.")


def _output_named(stage: str, name: str) -> Path:
    """Where the graph's last run put an output of a stage.

    Raises TandemError where it has not run.
    """
    from flows.lineage import read_lock

    outs = read_lock(Path()).get(stage, {}).get("outs", [])
    found = [Path(out["path"]) for out in outs if Path(out["path"]).name == name]
    if not found:
        raise TandemError(f"The stage {stage} has not run here. Run it with: tandem run")
    return found[0]


def _decide(numbers: list[int], state: str) -> list[str]:
    """The queries of open reports, now decided on.

    Raises TandemError where a number is of no open report.
    """
    from components.serving.blocked_queries import decide_reports, open_reports
    from flows.service import database

    engine = database()
    found = {report.number: report.query for report in open_reports(engine)}
    for number in numbers:
        if number not in found:
            raise TandemError(f"There is no open report {number}. See them with: tandem ethics reports")
    decide_reports(engine, numbers, "harmless" if state == "harmless" else "harmful")
    return [found[number] for number in numbers]
