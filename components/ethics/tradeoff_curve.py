"""What a line costs: the share of harmless texts that it blocks, kind by kind, against the share of banned ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.ethics.thresholds import HeldOutScores

POINTS = 200
LEAST_SHARE = 0.0005  # of the picture's axis


def trade_off(held_out: HeldOutScores, kinds: Sequence[str], banned: str) -> pd.DataFrame:
    """For lines between the scores: kind, line, share of the kind blocked, share of banned texts blocked (recall)."""
    harmful = np.sort(held_out.of(banned))
    lines = np.unique(np.quantile(held_out.scores.mean(axis=1), np.linspace(0.3, 1, POINTS)).round(4))
    recall = 1 - np.searchsorted(harmful, lines, side="right") / max(1, len(harmful))
    tables = []
    for kind in kinds:
        own = np.sort(held_out.of(kind))
        if len(own):
            blocked = 1 - np.searchsorted(own, lines, side="right") / len(own)
            tables.append(pd.DataFrame({"kind": kind, "line": lines, "blocked": blocked, "recall": recall}))
    return pd.concat(tables, ignore_index=True).round(5) if tables else pd.DataFrame()


def draw_curve(curve: pd.DataFrame, figures: Mapping[str, float]) -> Any:
    """The curve as a picture (matplotlib's Figure), with the line that was chosen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for kind, table in curve.groupby("kind", sort=False):
        axes.plot(table["blocked"].clip(lower=LEAST_SHARE), table["recall"], label=str(kind))
    axes.axhline(figures["held_out_recall"], color="black", linestyle=":", label="chosen line")
    axes.set(
        xscale="log", xlim=(LEAST_SHARE, 1), ylim=(0, 1),
        xlabel="harmless texts blocked, not seen in training", ylabel="banned sentences blocked",
        title="What is caught, and what it costs harmless people",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def log_curve(figure: Any) -> None:
    """Keep the picture in the MLflow run, where one is active."""
    import mlflow

    if mlflow.active_run():
        mlflow.log_figure(figure, "blocks_and_recall.png")
