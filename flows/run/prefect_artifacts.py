"""What a run leaves in Prefect's page of it: its stages with their MLflow runs, plots, metrics beside the champion's."""

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
    faults: Mapping[str, Exception | None],
    started: float,
) -> None:
    """Make a table of the run's stages; those that were trained since `started` lead to their MLflow run."""
    runs = _runs_since(started)
    lines = ["| stage | room | state | seconds | MLflow run |", "|---|---|---|--:|---|"]
    for node in chosen:
        result = results.get(node.name)
        state = result.state if result else "failed" if faults.get(node.name) else "not run"
        seconds = f"{result.seconds:.1f}" if result else ""
        lines.append(
            f"| {node.name} | {node.room} | {state} | {seconds} | {runs.get(node.module or node.name, '')} |"
        )
    create_markdown_artifact("\n".join(lines), key="stages", description="What became of each stage")


def show_plots(root: Path, chosen: Sequence[StageNode], results: Mapping[str, StageResult]) -> None:
    """Draw the plots that dvc.yaml names of the stages that made something new."""
    images = [
        f"### {plot.title or node.name}\n\n![{node.name}]({_draw(root / plot.path, plot)})"
        for node in chosen
        if node.name in results and results[node.name].state != "cached"
        for plot in node.plots
    ]
    if images:
        create_markdown_artifact("\n\n".join(images), key="plots", description="Plots of what is new")


def show_metrics(folder: Path, registry: Registry) -> None:
    """Make a table of a bundle's metrics beside the champion's."""
    champion, figures = registry.champion(), read_metrics(folder)
    standing = registry.figures(champion) if champion else {}
    rows = [
        {"metric": name, "candidate": figures.get(name), "champion": standing.get(name)}
        for name in sorted({*figures, *standing})
    ]
    version = f"version {champion.version}" if champion else "none yet"
    create_table_artifact(rows, key="metrics", description=f"The bundle beside the champion ({version})")


def _runs_since(started: float) -> dict[str, str]:
    """MLflow runs by the module of their stage: a link where the tracking server has pages, or else the number.

    None where MLflow does not answer: then that is what failed the stages, whose faults matter more.
    """
    server = mlflow.get_tracking_uri()
    try:
        found = mlflow.search_runs(
            search_all_experiments=True,
            filter_string=f"attributes.start_time >= {int(started * 1000)}",
            order_by=["attributes.start_time ASC"],
            output_format="list",
        )
    except MlflowException:
        return {}
    links = {}
    for run in found:
        if "stage" in run.data.tags:
            page = f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
            link = f"[{run.info.run_id}]({page})" if server.startswith("http") else run.info.run_id
            links[run.data.tags["stage"]] = link
    return links


def _draw(file: Path, plot: StagePlot) -> str:
    """A plot as an image that stands in the text itself."""
    from matplotlib.figure import Figure

    table = pd.read_csv(file)
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
