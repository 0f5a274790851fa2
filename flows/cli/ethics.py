"""`tandem ethics`: why a text is blocked, what was blocked lately, and what people object to."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from components.core.errors import TandemError

ROOT = Path()
REPORTED = ROOT / "conf/benign/reported.csv"
HEADING = ("sentence", "kind")
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
    from flows.promote.lineage import output_of

    guard, known = (output_of(ROOT, "ethics", place) for place in (0, 1))
    found = explain(text, guard, known, output_of(ROOT, "export"))
    verdict = found.verdict
    said = (
        f"[red]blocked[/] ({verdict.category}, severity {verdict.severity})"
        if verdict.blocked
        else "[green]answered[/]"
    )
    console.print(f"{said}: score {verdict.score:.2f}, blocked above {verdict.threshold:.2f}")
    for reading in found.readings[1:]:
        console.print(f"read also as: {reading}", markup=False)
    table = Table("nearest", "likeness", "sentence", "from", box=None)
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
    from components.serving.storage.blocked_queries import count_blocked
    from flows.serve import database

    since = (datetime.now(UTC) - timedelta(days=days - 1)).date().isoformat()
    counts = count_blocked(database(), since)
    if not counts:
        console.print(f"No query was blocked since {since}.")
        return
    table = Table("category", "blocked", box=None)
    for category, count in counts:
        table.add_row(category, str(count))
    console.print(table)


@app.command("reports")
def show_reports() -> None:
    """Show the blocked queries that people object to and that nobody has decided on.

    Example: [bold]tandem ethics reports[/]
    """
    from components.serving.storage.blocked_queries import open_reports
    from flows.serve import database

    found = open_reports(database())
    if not found:
        console.print("Nobody objects to a block.")
        return
    table = Table("number", "times", "query", "comment", "category", "score", box=None)
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
    from components.ethics.sentence_lists import SHARP
    from components.serving.storage.blocked_queries import decide_reports
    from flows.serve import database

    queries = _open_reports(numbers)
    new = not REPORTED.is_file()
    with REPORTED.open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(HEADING)
        rows.writerows((query, SHARP) for query in queries)  # what was blocked touches a harm, or seems to
    decide_reports(database(), numbers, "harmless")  # only now: a report that is decided is shown no more
    console.print(f"{len(queries)} added to {REPORTED}. Learn from them with: tandem run")


@app.command()
def reject(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of reports, as `reports` shows them")],
) -> None:
    """Decide that reported queries are blocked rightly.

    Example: [bold]tandem ethics reject 5[/]
    """
    from components.serving.storage.blocked_queries import decide_reports
    from flows.serve import database

    queries = _open_reports(numbers)
    decide_reports(database(), numbers, "harmful")
    console.print(f"{len(queries)} stay blocked.")


def _open_reports(numbers: list[int]) -> list[str]:
    """The queries of open reports.

    Raises TandemError where a number is of no open report.
    """
    from components.serving.storage.blocked_queries import open_reports
    from flows.serve import database

    found = {report.number: report.query for report in open_reports(database())}
    for number in numbers:
        if number not in found:
            raise TandemError(f"There is no open report {number}. See them with: tandem ethics reports")
    return [found[number] for number in numbers]
