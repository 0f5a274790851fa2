"""Artifacts in Prefect's page of a run: its stages with their MLflow runs, plots, and metrics beside the champion's."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from components.bundle.manifest import read_metrics
from flows.promote.registry import Registry
from flows.run.dvc_runner import StageResult
from flows.run.graph import StageNode, StagePlot


def show_stages(
    chosen: Sequence[StageNode],
    results: Mapping[str, StageResult],
    errors: Mapping[str, Exception | None],
    started: float,
) -> None:
    """Make a table of the run's stages; those that were trained since `started` link to their MLflow run."""
    runs = _find_runs_since(started)
    lines = ["| stage | package | state | seconds | MLflow run |", "|---|---|---|--:|---|"]
    for node in chosen:
        result = results.get(node.name)
        seconds = f"{result.seconds:.1f}" if result else ""
        state = "failed" if errors.get(node.name) else "not run"
        link = runs.get(node.module or node.name, "")
        lines.append(
            f"| {node.name} | {node.package} | {result.state if result else state} | {seconds} | {link} |"
        )
    create_markdown_artifact("\n".join(lines), key="stages", description="The state of each stage")


def show_plots(root: Path, chosen: Sequence[StageNode], results: Mapping[str, StageResult]) -> None:
    """Draw the plots that dvc.yaml names for the stages that made something new."""
    images = []
    for node in chosen:
        if node.name in results and results[node.name].state != "cached":
            for plot in node.plots:
                image = _draw_plot(root / plot.path, plot)
                images.append(f"### {plot.title or node.name}\n\n![{node.name}]({image})")
    if images:
        create_markdown_artifact("\n\n".join(images), key="plots", description="Plots of what is new")


def show_metrics(folder: Path, registry: Registry) -> None:
    """Make a table of a bundle's metrics beside the champion's."""
    champion, new = registry.get_champion(), read_metrics(folder)
    old = registry.fetch_metrics(champion) if champion else {}
    rows = []
    for name in sorted({*new, *old}):
        rows.append({"metric": name, "candidate": new.get(name), "champion": old.get(name)})
    version = f"version {champion.version}" if champion else "none yet"
    create_table_artifact(rows, key="metrics", description=f"The bundle beside the champion ({version})")


def _find_runs_since(started: float) -> dict[str, str]:
    """Return MLflow runs by the module of their stage: a link if the tracking server has pages, else the id."""
    server = mlflow.get_tracking_uri()
    try:
        found = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"attributes.start_time >= {int(started * 1000)}",
            order_by=["attributes.start_time ASC"],
            output_format="list",
        )
    except MlflowException:  # then that is what failed the stages, and their errors matter more
        return {}
    links = {}
    for run in found:
        if "stage" in run.data.tags:
            page = f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
            link = f"[{run.info.run_id}]({page})" if server.startswith("http") else run.info.run_id
            links[run.data.tags["stage"]] = link
    return links


def _draw_plot(file: Path, plot: StagePlot) -> str:
    """Return a plot as a data URL: an artifact of Prefect's is text and has no files beside it."""
    from matplotlib.figure import Figure

    table = pd.read_csv(file)
    # A Figure and not pyplot, which keeps every figure of the process in a global list.
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    if plot.bars:
        axes.barh(table[plot.y], table[plot.x])
    else:
        axes.plot(table[plot.x], table[plot.y])
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
