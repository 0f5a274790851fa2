"""The command `tandem`, put together from the modules beside it."""

import os
import sys
from collections.abc import Callable

import typer
from rich.console import Console

from components.core.errors import TandemError
from flows.cli import enrich, ethics, experiments, keys, publish, run, serve, video
from flows.cli.console import ROOT
from flows.run.prefect_api import use_prefect_of

app = typer.Typer(
    help="Language models and recommender systems, combined: nightly published models, served by day.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # errors of ours are caught in `main`; a bug keeps Python's own traceback
)
# The order is that of `tandem --help`: what a newcomer needs first comes first.
COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run_graph,
    "demo": run.run_demo,
    "serve": serve.start_service,
    "serve-flows": serve.start_flows,
    "search": serve.search_items,
    "status": run.print_status,
    "enrich": enrich.enrich_items,
    "publish": publish.publish_bundle,
    "promote": publish.promote_version,
    "versions": publish.print_versions,
    "compare": experiments.print_comparison,
    "sweep": experiments.print_sweep,
    "reproduce": experiments.print_reproduction,
    "rollback": publish.rollback_champion,
    "accept-feed": run.accept_feed,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
for name, group in {"keys": keys.app, "ethics": ethics.app, "video": video.app}.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line. An error that the user can fix is one message and exit status 2."""
    # Prefect and MLflow read some of these when they are imported, so each command imports them itself, after this.
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
    except TandemError as error:
        # No markup: a message may quote brackets, such as those of a list in a settings file.
        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
        sys.exit(2)
