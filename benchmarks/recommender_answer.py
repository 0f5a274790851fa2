"""CPU milliseconds of one person's ten recommendations: scoring every item, and as the service answers, through the index.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/recommender_answer.py --factors .tandem/scale

The factors are those that recommender_scale.py kept, or made up; the sparse part is made up.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import typer
from recommender_scale import TASTES
from recommender_scale import made_up as made_up_interactions

from components.bundle.ranking import Ranker
from components.bundle.settings import BundleSettings
from components.core.arrays import Csr
from components.core.linear_algebra import unit_rows
from components.index.annoy_index import AnnoyVectors
from components.index.build_index import write_index
from components.index.live_index import LiveIndex
from components.index.settings import IndexSettings
from components.recommender.factors import ItemFactors
from components.recommender.session_recommender import recommend_items

NEIGHBOURS, HISTORY, TRIALS, TOP_K = 50, 30, 100, 10


def made_up(items: int, dimensions: int) -> ItemFactors:
    """Factors around a thousand tastes."""
    draw = np.random.default_rng(0)
    tastes = draw.standard_normal((TASTES, dimensions), np.float32)
    matrix = tastes[np.arange(items) * TASTES // items] + draw.standard_normal(
        (items, dimensions), np.float32
    )
    ids = np.array([f"i{item}" for item in range(items)], dtype=object)
    return ItemFactors(ids, unit_rows(matrix), np.ones(items, np.int64), np.zeros(items, bool))


def made_up_neighbours(items: int) -> Csr:
    """A random sparse part of small weights."""
    draw = np.random.default_rng(0)
    starts = np.arange(0, items * NEIGHBOURS + 1, NEIGHBOURS, dtype=np.int32)
    columns = draw.integers(0, items, items * NEIGHBOURS).astype(np.int32)
    return Csr((0.1 * draw.random(len(columns), np.float32), columns, starts), shape=(items, items))


def histories(items: int) -> list[list[str]]:
    """What a hundred people did, as recommender_scale.py draws it."""
    table = next(made_up_interactions(TRIALS, items, TRIALS * HISTORY)).to_pandas()
    return [list(dict.fromkeys(rows)) for _, rows in table.groupby("user_id")["item_id"]]


def through_index(factors: ItemFactors, index: AnnoyVectors, history: list[str]) -> list[str]:
    """The service's answer."""
    known = factors.user_row(history).indices
    allowed = np.ones(len(factors.item_ids), bool)
    allowed[known] = False
    bundle: Any = SimpleNamespace(
        factors=factors,
        factor_index=LiveIndex(index),
        settings=BundleSettings(),
        n_trained_items=len(allowed),
    )
    ranking = Ranker(bundle).by_history(known, np.ones(len(known), np.float32), allowed, TOP_K)
    return [str(item) for item in factors.item_ids[ranking.rows[:TOP_K]]]


def exactly(factors: ItemFactors, history: list[str]) -> list[str]:
    """The answer from every item's score."""
    return [item for item, _ in recommend_items(factors, history, TOP_K)]


def timed(people: list[list[str]], answer: Callable[[list[str]], list[str]]) -> tuple[list[list[str]], Any]:
    """Answers, and the median and the 99th percentile of their CPU milliseconds."""
    answer(people[0])
    answers, spent = [], []
    for history in people:
        started = time.process_time()
        answers.append(answer(history))
        spent.append(1000 * (time.process_time() - started))
    return answers, {
        name: round(float(np.percentile(spent, at)), 2) for name, at in (("p50_ms", 50), ("p99_ms", 99))
    }


def compare(factors: ItemFactors, index: AnnoyVectors, people: list[list[str]]) -> dict[str, Any]:
    """Both ways' milliseconds, and the share of the exact ten that the index finds."""
    truth, exact = timed(people, lambda history: exactly(factors, history))
    found, near = timed(people, lambda history: through_index(factors, index, history))
    met = [len(set(one) & set(other)) / TOP_K for one, other in zip(truth, found, strict=True)]
    return {"exact": exact, "index": near, "recall_10": round(float(np.mean(met)), 4)}


def main(
    items: Annotated[int, typer.Option(help="Items of made-up factors")] = 300_000,
    dimensions: Annotated[int, typer.Option(help="Length of made-up factors")] = 256,
    factors: Annotated[Path | None, typer.Option(help="Folder of factors, instead of made-up ones")] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Time both ways with the factors alone and with a sparse part; set OMP_NUM_THREADS=1 for one core."""
    known = ItemFactors.load(factors) if factors else made_up(items, dimensions)
    items, dimensions = known.matrix.shape
    people = histories(items)
    report: dict[str, Any] = {"items": items, "dimensions": dimensions, "trained": factors is not None}
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        write_index({"taste": known.matrix}, Path(folder), IndexSettings())
        report["index_cpu_seconds"] = round(time.process_time() - started, 1)
        index = AnnoyVectors.open_segment(Path(folder), "taste")
        report["factors"] = compare(known, index, people)
        both = replace(known, neighbours=made_up_neighbours(items))
        report["factors_and_sparse"] = compare(both, index, people)
    typer.echo(json.dumps(report, indent=2))
    if file:
        file.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
