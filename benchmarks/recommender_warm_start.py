"""Tomorrow's training from today's factors: epochs to 99 % of the final NDCG@100, after a day's new items and actions.

python benchmarks/recommender_warm_start.py --json benchmarks/results/recommender_warm_start.json
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from recommender_data import read_interactions, split

from components.core.arrays import Csr
from components.recommender.settings import RecommenderSettings
from components.recommender.train import fit, start_from

NEW_ITEMS, NEW_INTERACTIONS = 0.02, 0.05


def yesterday(users: Csr, seed: int) -> tuple[Csr, np.ndarray]:
    """Users (u, i') before a share of the items and of the interactions came, and the columns that were there."""
    draw = np.random.default_rng(seed)
    old = np.sort(draw.permutation(users.shape[1])[round(NEW_ITEMS * users.shape[1]) :])
    before = users[:, old].copy()
    before.data[draw.random(before.nnz) < NEW_INTERACTIONS] = 0
    before.eliminate_zeros()
    return before, old


def epochs_to(values: list[float], target: float) -> int:
    """The first epoch, from 1, that reaches a value; one more than there are where none does."""
    reached = [number for number, value in enumerate(values, 1) if value >= target]
    return reached[0] if reached else len(values) + 1


def main(
    data: Annotated[str, typer.Option(help="onlineretail, goodbooks or ml100k")] = "onlineretail",
    movielens: Annotated[Path, typer.Option(help="Folder of ml-100k.inter")] = Path(
        "data/packages/movielens"
    ),
    seeds: int = 3,
    quick: Annotated[bool, typer.Option(help="One seed, three epochs")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Count the epochs that a cold and a warm start take."""
    parts = split(read_interactions(data, movielens).matrix)
    reports = []
    for seed in range(1 if quick else seeds):
        epochs = 3 if quick else 20
        settings = RecommenderSettings(
            dimensions=128, epochs=epochs, patience=epochs, batch_size=256, learning_rate=0.01, neighbours=0, seed=seed
        )  # fmt: skip
        before, old = yesterday(parts.train, seed)
        known = fit(before, parts.validation[:, old], settings).factors
        rows = np.full(parts.train.shape[1], -1)
        rows[old] = np.arange(len(old))
        curves = {
            "cold": fit(parts.train, parts.validation, settings),
            "warm": fit(parts.train, parts.validation, settings, start_from(known, rows, seed)),
        }
        ndcg = {name: curve.history["validation_ndcg_100"].tolist() for name, curve in curves.items()}
        target = 0.99 * max(ndcg["cold"])
        epochs_needed = {name: epochs_to(values, target) for name, values in ndcg.items()}
        reports.append({"target": round(target, 4), "epochs": epochs_needed, "validation_ndcg_100": ndcg})
        typer.echo(json.dumps(reports[-1]["epochs"]))
    if file:
        file.write_text(json.dumps({"data": data, "seeds": reports}, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
