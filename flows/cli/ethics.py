"""`tandem ethics`: why a text is blocked, which queries were blocked lately, and what users object to."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from components.core.errors import TandemError
from flows.cli.console import ROOT, console

REPORTED = ROOT / "conf/benign/reported.csv"
HEADER = ("sentence", "kind")
REPORT_COLUMNS = ("number", "times", "query", "comment", "category", "score")
Numbers = Annotated[list[int], typer.Argument(help="Numbers of reports, as `reports` shows them")]
app = typer.Typer(
    help="The filter of harmful queries: try it, see what it blocks, decide on objections.",
    no_args_is_help=True,
)


@app.command("try")
def try_text(text: Annotated[str, typer.Argument(help="What a person would type")]) -> None:
    """Show a text's score beside the threshold, the nearest sentences on both sides, and the words that tip it.

    Example: [bold]tandem ethics try "a costume sword for my nephew"[/]
    """
    from components.ethics.explain import explain_text
    from flows.promote.lineage import find_output

    classifier, sentences = find_output(ROOT, "ethics"), find_output(ROOT, "ethics", 1)
    found = explain_text(text, classifier, sentences, find_output(ROOT, "export"))
    verdict = found.verdict
    outcome = "[green]answered[/]"
    if verdict.blocked:
        outcome = f"[red]blocked[/] ({verdict.category}, severity {verdict.severity})"
    console.print(f"{outcome}: score {verdict.score:.2f}, blocked above {verdict.threshold:.2f}")
    for reading in found.variants[1:]:  # the first is the text itself
        console.print(f"read also as: {reading}", markup=False)
    table = Table("nearest", "likeness", "sentence", "from", box=None)
    for name, nearest in (("banned", found.banned), ("harmless", found.benign)):
        for sentence, label, likeness in nearest:
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
    from flows.serve import connect_database

    since = (datetime.now(UTC) - timedelta(days=days - 1)).date().isoformat()
    counts = count_blocked(connect_database(), since)
    if not counts:
        console.print(f"No query was blocked since {since}.")
        return
    table = Table("category", "blocked", box=None)
    for category, count in counts:
        table.add_row(category, str(count))
    console.print(table)


@app.command("reports")
def show_reports() -> None:
    """Show the blocked queries that users object to and that nobody has decided on.

    Example: [bold]tandem ethics reports[/]
    """
    from components.serving.storage.blocked_queries import open_reports
    from flows.serve import connect_database

    reports = open_reports(connect_database())
    if not reports:
        console.print("Nobody objects to a block.")
        return
    table = Table(*REPORT_COLUMNS, box=None)
    for report in reports:
        counts = (str(report.number), str(report.times))
        table.add_row(*counts, report.query, report.comment, report.category, f"{report.score:.2f}")
    console.print(table)
    console.print(
        "Harmless ones: [bold]tandem ethics accept NUMBER[/]. Others: [bold]tandem ethics reject NUMBER[/]."
    )


@app.command("accept")
def accept_reports(numbers: Numbers) -> None:
    """Decide that reported queries are harmless: they join conf/benign/reported.csv, from which the next run learns.

    Example: [bold]tandem ethics accept 3 4[/]
    """
    from components.ethics.sentence_lists import SHARP
    from components.serving.storage.blocked_queries import decide_reports
    from flows.serve import connect_database

    queries = _read_queries(numbers)
    is_new = not REPORTED.is_file()
    with REPORTED.open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if is_new:
            rows.writerow(HEADER)
        for query in queries:
            rows.writerow((query, SHARP))  # what was blocked touches a harm, or seems to
    decide_reports(connect_database(), numbers, "harmless")  # only now: a decided report is shown no more
    console.print(f"{len(queries)} added to {REPORTED}. Learn from them with: tandem run")


@app.command("reject")
def reject_reports(numbers: Numbers) -> None:
    """Decide that reported queries are blocked rightly.

    Example: [bold]tandem ethics reject 5[/]
    """
    from components.serving.storage.blocked_queries import decide_reports
    from flows.serve import connect_database

    queries = _read_queries(numbers)
    decide_reports(connect_database(), numbers, "harmful")
    console.print(f"{len(queries)} stay blocked.")


def _read_queries(numbers: list[int]) -> list[str]:
    """Return the queries of open reports.

    Raises TandemError naming a number that no open report has.
    """
    from components.serving.storage.blocked_queries import open_reports
    from flows.serve import connect_database

    queries = {report.number: report.query for report in open_reports(connect_database())}
    for number in numbers:  # all before the first is decided, so that a wrong number decides nothing
        if number not in queries:
            raise TandemError(f"There is no open report {number}. See them with: tandem ethics reports")
    return [*map(queries.__getitem__, numbers)]
