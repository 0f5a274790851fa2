"""Quality against cost, from the figures that recommender.py wrote.

python benchmarks/recommender_picture.py benchmarks/results/recommender_{goodbooks,onlineretail,ml100k}.json \\
    --picture docs/images/recommender.png
"""

import json
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import typer
from matplotlib.ticker import NullFormatter

OWN, PEER = "#c2410c", "#475569"


def draw(axes: Any, report: dict[str, Any]) -> None:
    """One panel: CPU seconds of a fit (log) against NDCG@100 with its 95 % interval."""
    for name, row in report["models"].items():
        if "ndcg_100" not in row or name == "popularity":
            continue
        mean, low, high = row["ndcg_100"]
        colour = OWN if name in ("ELSA", "ELSA + sparse") else PEER
        seconds = max(row["cpu_seconds"], 0.1)
        axes.errorbar(seconds, mean, [[mean - low], [high - mean]], fmt="o", color=colour, capsize=2, lw=1)
        axes.annotate(
            name, (seconds, mean), xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour
        )
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.25)
    axes.set_title(f"{report['data']}: {report['items']} items", fontsize=10)
    axes.set_xlabel("CPU seconds of a fit")
    axes.grid(alpha=0.3)


def main(
    results: Annotated[list[Path], typer.Argument(help="JSON of recommender.py")],
    picture: Annotated[Path, typer.Option(help="PNG to write")],
) -> None:
    """Draw one panel a data set."""
    figure, panels = plt.subplots(1, len(results), figsize=(4.4 * len(results), 3.6), squeeze=False)
    for axes, file in zip(panels[0], results, strict=True):
        draw(axes, json.loads(file.read_text()))
    panels[0][0].set_ylabel("NDCG@100 of held-out users")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    typer.run(main)
