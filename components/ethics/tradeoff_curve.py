"""The cost of a threshold: the share of harmless texts that it blocks, kind by kind, against recall of banned ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.ethics.thresholds import HeldOutScores

CURVE_POINTS = 200
MIN_SHARE = 0.0005  # a logarithmic axis has no 0


def measure_tradeoff(held_out: HeldOutScores, kinds: Sequence[str], banned: str) -> pd.DataFrame:
    """Return, by kind and threshold (line), the share of the kind blocked and of banned texts blocked (recall)."""
    harmful = np.sort(held_out.mean_scores(banned))
    # By quantiles, so that most points lie where the scores do
    quantiles = np.linspace(0.3, 1, CURVE_POINTS)
    lines = np.unique(np.quantile(held_out.scores.mean(axis=1), quantiles).round(4))
    recall = 1 - np.searchsorted(harmful, lines, side="right") / max(1, len(harmful))
    tables = []
    for kind in kinds:
        own = np.sort(held_out.mean_scores(kind))
        if len(own):
            blocked = 1 - np.searchsorted(own, lines, side="right") / len(own)
            tables.append(pd.DataFrame({"kind": kind, "line": lines, "blocked": blocked, "recall": recall}))
    return pd.concat(tables, ignore_index=True).round(5) if tables else pd.DataFrame()


def draw_curve(curve: pd.DataFrame, figures: Mapping[str, float]) -> Any:
    """Return the curve as a figure of matplotlib, with the chosen threshold."""
    # Imported here: the preview of lists imports this module too, and draws nothing
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for kind, table in curve.groupby("kind", sort=False):
        axes.plot(table["blocked"].clip(lower=MIN_SHARE), table["recall"], label=str(kind))
    axes.axhline(figures["held_out_recall"], color="black", linestyle=":", label="chosen line")
    axes.set(
        xscale="log", xlim=(MIN_SHARE, 1), ylim=(0, 1),
        xlabel="harmless texts blocked, not seen in training", ylabel="banned sentences blocked",
        title="What is caught, and what it costs harmless people",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def log_curve(figure: Any) -> None:
    """Log the figure to the MLflow run, where one is active."""
    import mlflow

    if mlflow.active_run():
        mlflow.log_figure(figure, "blocks_and_recall.png")
