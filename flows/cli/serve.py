"""`tandem serve`, `serve-flows` and `search`: answer queries, and start runs at their time."""

from typing import Annotated

import typer
from rich.table import Table

from flows.cli.console import ROOT, console
from flows.run.prefect_api import find_prefect


def start_service(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer, one a core")] = 1,
) -> None:
    """Serve the champion, and its successors as they are published: the page and the API.

    Example: [bold]tandem serve --port 8080 --workers 2[/]
    """
    from flows.serve import serve_champion

    serve_champion(host, port, workers)


def start_flows(
    look_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between looks into the inbox")] = 10,
) -> None:
    """Run the deployments of prefect.yaml when their time has come, or the inbox has new files.

    Example: [bold]tandem serve-flows[/]
    """
    from flows.deployments import serve_deployments

    find_prefect()  # a server that does not answer is one message, before anything starts
    serve_deployments(ROOT, look_seconds)


def search_items(
    query: Annotated[str, typer.Argument(help="What a person would type")],
    user: Annotated[str | None, typer.Option(help="User whose interactions the ranking is fitted to")] = None,
    price_min: Annotated[float | None, typer.Option(help="Lowest price")] = None,
    price_max: Annotated[float | None, typer.Option(help="Highest price")] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="How many items")] = 10,
) -> None:
    """Query the champion without a service.

    Example: [bold]tandem search "animated films for small children" --user 42[/]
    """
    from components.bundle.bundle import Bundle
    from components.bundle.query import Query
    from components.bundle.searcher import Searcher
    from flows.serve import find_champion

    _, fetch = find_champion(ROOT)
    question = Query(text=query, user_id=user, price_min=price_min, price_max=price_max, k=k)
    answer = Searcher(Bundle.load(fetch())).search(question)
    if answer.blocked:
        console.print(
            f"No items are shown for this query (category: {answer.blocked.category}).", style="yellow"
        )
        return
    table = Table("", "item", "title", "price", "why", box=None)
    for rank, hit in enumerate(answer.hits, 1):
        price = "" if hit.price is None else f"{hit.price:.2f} {hit.currency or ''}"
        table.add_row(str(rank), hit.item_id, hit.title, price, hit.why)
    console.print(table)
