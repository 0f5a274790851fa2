"""`tandem`: the one door to running, publishing, serving and asking."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from components.core.errors import TandemError
from flows.cli.ethics import app as ethics
from flows.cli.video import app as video
from flows.run.prefect_api import find_prefect, prefect_api, use_prefect_of
from flows.settings import NightlySettings

if TYPE_CHECKING:
    from flows.promote.publish import PublishOutcome

app = typer.Typer(
    help="Language models and recommender systems, combined: nightly published models, served by day.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)
SETTINGS = Path("conf/nightly.yaml")
ROOT = Path()


def main() -> None:
    """Answer the command line; faults that a person can mend are one message and exit status 2."""
    if "PREFECT_HOME" not in os.environ:
        use_prefect_of(ROOT)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_ROOT_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    try:
        app()
    except TandemError as fault:
        Console(stderr=True, highlight=False).print(str(fault), style="red", markup=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def run(
    only: Annotated[
        list[str] | None, typer.Option(help="Run only this stage or room; may be given again")
    ] = None,
    onward: Annotated[
        list[str] | None, typer.Option("--from", help="Run this stage or room, and all that hang on it")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say which stages would run and why; run none")] = False,
    publishing: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Judge and publish the bundle in the end")
    ] = True,
    wait_minutes: Annotated[float, typer.Option(min=0, help="How long to wait for another run's end")] = 0,
) -> None:
    """Run what has changed, judge the result, publish it.

    Example: [bold]tandem run --from language[/]
    """
    if dry_run:
        _preview(only or [], onward or [])
        return
    with prefect_api(ROOT) as wait:
        from flows.run.nightly import nightly

        wait()
        outcome = nightly(ROOT, publishing, only, onward, wait_minutes)
    if outcome is None:
        console.print("The stages asked for are up to date; nothing is judged or published.")
        return
    _tell(outcome)
    if outcome.version is None:
        raise typer.Exit(1)
    console.print("Open the page:  [bold]make serve[/]  then  [bold]http://127.0.0.1:8000[/]")
    console.print("Compare runs:   [bold].venv/bin/mlflow ui --backend-store-uri sqlite:///mlflow.db[/]")


@app.command()
def demo(
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
    os.environ["PYTHONPATH"] = str(Path.cwd())
    run(None, None, False, True, 0)
    if serving:
        serve(host, port)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer, one a core")] = 1,
) -> None:
    """Serve the champion, and its successors as they are published: the page and the API.

    Example: [bold]tandem serve --port 8080 --workers 2[/]
    """
    from flows.serve import listen

    listen(host, port, workers)


@app.command()
def serve_flows(
    look_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between looks into the inbox")] = 10,
) -> None:
    """Run the deployments of prefect.yaml when their time has come, or the inbox has new files.

    Example: [bold]tandem serve-flows[/]
    """
    from flows.deployments import serve_flows as serve_deployments

    find_prefect()
    serve_deployments(ROOT, look_seconds)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What a person would type")],
    user: Annotated[str | None, typer.Option(help="Whose taste the answer is fitted to")] = None,
    price_min: Annotated[float | None, typer.Option(help="Lowest price")] = None,
    price_max: Annotated[float | None, typer.Option(help="Highest price")] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="How many items")] = 10,
) -> None:
    """Ask the champion, without a service.

    Example: [bold]tandem search "animated films for small children" --user 42[/]
    """
    from components.bundle.bundle import Bundle
    from components.bundle.query import Query
    from components.bundle.searcher import Searcher
    from flows.serve import champion

    _, fetch = champion(ROOT)
    question = Query(text=query, user_id=user, price_min=price_min, price_max=price_max, k=k)
    found = Searcher(Bundle.load(fetch())).search(question)
    if found.blocked:
        console.print(
            f"No items are shown for this query (category: {found.blocked.category}).", style="yellow"
        )
        return
    table = Table(box=None)
    for heading in ("", "item", "title", "price", "why"):
        table.add_column(heading)
    for place, hit in enumerate(found.hits, 1):
        price = "" if hit.price is None else f"{hit.price:.2f} {hit.currency or ''}"
        table.add_row(str(place), hit.item_id, hit.title, price, hit.why)
    console.print(table)


keys = typer.Typer(
    help="Keys of the service: who may read, write, or see and erase people.", no_args_is_help=True
)
app.add_typer(keys, name="keys")
app.add_typer(ethics, name="ethics")
app.add_typer(video, name="video")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whom it is for")],
    scope: Annotated[str, typer.Option(help="read, write or admin; each holds those before it")] = "write",
) -> None:
    """Make a key and show it, this once.

    Example: [bold]tandem keys create feed --scope write[/]
    """
    from components.serving.storage.api_keys import SCOPES
    from components.serving.storage.api_keys import create_key as create
    from flows.serve import database

    if scope not in SCOPES:
        raise typer.BadParameter(f"{scope} is none of {', '.join(SCOPES)}")
    typer.echo(create(database(), name, scope))


@keys.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="Whose key it is")]) -> None:
    """Make a key worthless at once.

    Example: [bold]tandem keys revoke feed[/]
    """
    from components.serving.storage.api_keys import revoke_key as revoke
    from flows.serve import database

    revoke(database(), name)
    console.print(f"The key {name} is worthless now.")


@keys.command("list")
def list_keys() -> None:
    """Show the keys: name, scope, when they were made and revoked.

    Example: [bold]tandem keys list[/]
    """
    from datetime import UTC, datetime

    from components.serving.storage.api_keys import list_keys as listed
    from flows.serve import database

    table = Table(box=None)
    for heading in ("name", "scope", "made", "revoked"):
        table.add_column(heading)
    for key in listed(database()):
        times = [
            ""
            if key[at] is None
            else datetime.fromtimestamp(float(str(key[at])), UTC).strftime("%Y-%m-%d %H:%M")
            for at in ("created_at", "revoked_at")
        ]
        table.add_row(str(key["name"]), str(key["scope"]), *times)
    console.print(table)


@app.command()
def status() -> None:
    """Show which stages would run and why, and which version is champion.

    Example: [bold]tandem status[/]
    """
    from flows.promote.registry import Registry

    _preview([], [])
    champion = Registry(_settings().registered_model, ROOT).champion()
    console.print(f"Champion: version {champion.version}" if champion else "No champion yet: tandem run")


@app.command()
def publish() -> None:
    """Judge the bundle as it lies here and publish it.

    Example: [bold]tandem publish[/]
    """
    from flows.promote.publish import publish as judge_and_publish

    _tell(judge_and_publish(ROOT.resolve(), _settings()))


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "challenger",
) -> None:
    """Make a version champion by hand: the challenger, or any other.

    Example: [bold]tandem promote 3[/]
    """
    from flows.promote.registry import Registry

    registry = Registry(_settings().registered_model, ROOT)
    chosen = str(registry.version(version).version)
    registry.promote(chosen)
    console.print(f"Champion is version {chosen}.")


@app.command()
def versions() -> None:
    """Show the registered versions, the latest first, and what became of each.

    Example: [bold]tandem versions[/]
    """
    from flows.promote.registry import Registry, state_of

    registry = Registry(_settings().registered_model, ROOT)
    champion = registry.champion()
    table = Table(box=None)
    for heading in ("version", "state", "commit", "alias"):
        table.add_column(heading)
    for version in registry.versions():
        alias = "champion" if champion and version.version == champion.version else ""
        table.add_row(str(version.version), state_of(version), version.tags.get("commit", "")[:10], alias)
    console.print(table)


@app.command()
def compare(
    before: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "champion",
    after: Annotated[str, typer.Argument(help="Another version's number, or an alias")] = "challenger",
) -> None:
    """Hold two versions side by side: figures with intervals, settings, data and answers that differ.

    Example: [bold]tandem compare 3 4[/]
    """
    from flows.cli.tables import difference_table, verdict_table
    from flows.experiments.compare import compare as hold_side_by_side

    found = hold_side_by_side(ROOT.resolve(), _settings(), before, after)
    console.print(verdict_table(found.trial.verdict, found.before, found.after))
    console.print(difference_table(found.settings, found.before, found.after))
    told = found.trial.fault or "Every rule of the gate holds"
    console.print(f"{told}.\nWith the data and the answers that differ: {found.page}", soft_wrap=True)


@app.command()
def sweep(
    stage: Annotated[str, typer.Argument(help="A stage that conf/sweep.yaml has a search for")],
    trials: Annotated[int | None, typer.Option(min=1, help="How many in all")] = None,
) -> None:
    """Try other settings of a stage, chosen by validation data; the graph's outputs stay as they are.

    Example: [bold]tandem sweep elsa --trials 20[/]
    """
    from flows.cli.tables import trials_table
    from flows.experiments.sweep import sweep as search

    found = search(ROOT.resolve(), stage, trials)
    console.print(trials_table(found.trials))
    changed = {name: value for name, value in found.best.items() if value != found.now[name]}
    if changed:
        told = ", ".join(f"{name}: {value} (now {found.now[name]})" for name, value in changed.items())
        console.print(f"Best: {told}. To use it, write it into {found.settings}, then: tandem run")
    else:
        console.print("The settings as they are serve best.")


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(help="A version's number, or an alias")] = "champion",
) -> None:
    """Make a version again from its commit, in `.tandem/reproduce`, and hold its figures against the published ones.

    Example: [bold]tandem reproduce 3[/]
    """
    from flows.experiments.reproduce import reproduce as make_again

    again = make_again(ROOT.resolve(), _settings(), version)
    for figure in (figure for figure in again.figures if not figure.same):
        console.print(f"{figure.name}: published {figure.published}, now {figure.reproduced}", style="red")
    for name in again.as_published:
        console.print(f"Stage {name} was taken as published: its inputs are no longer as they were.")
    for package in again.other_packages:
        console.print(f"Made with {package}")
    same = sum(figure.same for figure in again.figures)
    bytes_same = again.files - len(again.other_files)
    console.print(
        f"{same} of {len(again.figures)} figures and {bytes_same} of {again.files} files are the same; "
        f"it lies in {again.folder}.",
        style="green" if again.same else "red",
        soft_wrap=True,
    )
    if not again.same:
        raise typer.Exit(1)


@app.command()
def rollback() -> None:
    """Give the champion's place back to the version before.

    Example: [bold]tandem rollback[/]
    """
    from flows.promote.registry import Registry

    before, now = Registry(_settings().registered_model, ROOT).rollback()
    console.print(f"Champion was version {before}, is version {now}.")


@app.command()
def accept_feed() -> None:
    """Take the present data for what later feeds are held against: their volume, columns and spread are right.

    Example: [bold]tandem accept-feed[/]
    """
    from flows.run.drift_check import accept_feed as accept
    from flows.run.graph import read_graph

    rows = accept(ROOT.resolve(), read_graph(ROOT))
    told = ", ".join(f"{count} {name}" for name, count in rows.items() if count)
    console.print(f"Later feeds are held against this one: {told}.")


def _preview(only: list[str], onward: list[str]) -> None:
    """Print which stages would run and why."""
    from flows.run.graph import read_graph, select, why

    table = Table(box=None)
    for heading in ("stage", "state", "why it would run"):
        table.add_column(heading)
    for name, reasons in why(select(read_graph(ROOT), only, onward)).items():
        state = "[yellow]to run[/]" if reasons else "[green]up to date[/]"
        table.add_row(name, state, "; ".join(reasons[:3]))
    console.print(table)


def _settings() -> NightlySettings:
    return NightlySettings.read(ROOT / SETTINGS)


def _tell(outcome: "PublishOutcome") -> None:
    from flows.cli.tables import verdict_table

    name = f"{_settings().registered_model}@champion"
    if outcome.verdict is not None:
        console.print(verdict_table(outcome.verdict, "champion", "candidate"))
    if outcome.published:
        told = f"[green]Published[/] {name}, version {outcome.version}: {outcome.reason}."
    elif outcome.version is None:
        told = f"[red]Nothing is published[/]: {outcome.reason}."
    else:
        told = f"{name} stays version {outcome.version}: {outcome.reason}."
    console.print(told, soft_wrap=True)
