"""How many of a history's best items its neighbours speak for, and the trees of tastes find: python benchmarks/taste.py

ELSA with its sparse part over Goodbooks (ratings of 4 and 5). Validation people chose how many nodes are inspected; test
people are told beside them. The trees alone are asked over mixes of each book with one of its 50 nearest, too.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from index import catalogue
from numpy.typing import NDArray
from recommender import Task, settings_of
from recommender_data import read_interactions, split

from components.bundle.settings import BundleSettings
from components.core.arrays import Csr
from components.index.annoy_index import AnnoyVectors
from components.index.build_index import write_index
from components.index.settings import IndexSettings
from components.recommender.factors import ItemFactors
from components.recommender.train import fit

NODES, DEPTHS = (1000, 3000, 9000, 14000), (12, 50, 100, 200)
NEIGHBOURS, RIDGE, LEARNING_RATE = 50, 0.3, 0.03
Vectors = NDArray[np.float32]


def learn(people: int) -> tuple[ItemFactors, dict[str, Csr]]:
    """Factors of all books, and so many people of each part who did not teach them."""
    parts = split(read_interactions("goodbooks", Path()).matrix)
    settings = settings_of(Task("goodbooks", Path(), 256, 5, 1024, 1, False), 0, LEARNING_RATE)
    settings = settings.model_copy(update={"neighbours": NEIGHBOURS, "neighbour_ridge": RIDGE})
    trained = fit(parts.train, parts.validation, settings)
    books = np.arange(len(trained.factors)).astype(str).astype(object)
    liked = np.asarray(parts.train.sum(axis=0), np.int64).ravel()
    factors = ItemFactors(books, trained.factors, liked, np.zeros(len(books), bool), trained.neighbours)
    return factors, {"validation": parts.validation[:people], "test": parts.test[:people]}


def opened(vectors: Vectors, folder: str) -> AnnoyVectors:
    """Trees as the stage grows them."""
    write_index({"taste": vectors}, Path(folder), IndexSettings())
    return AnnoyVectors.open_segment(Path(folder), "taste")


def found(factors: ItemFactors, segment: AnnoyVectors, people: Csr) -> dict[str, Any]:
    """Shares of the exact best that are ranked, of people for whose histories many and few items are spoken."""
    wanted = BundleSettings().candidates
    shares: dict[tuple[str, str], dict[int, list[float]]] = {}
    for row in people:
        scores = factors.predict(row).ravel()
        scores[row.indices] = -np.inf
        best, vector = np.argsort(-scores)[: max(DEPTHS)], (row @ factors.matrix)[0]
        allowed = np.isfinite(scores)
        spoken, _ = factors.score_neighbours(row.indices, row.data.astype(np.float32))
        spoken = spoken[allowed[spoken]]
        who = f"{wanted} spoken for" if len(spoken) >= wanted else f"fewer than {wanted} spoken for"
        ranked = {"neighbours alone": spoken}
        for nodes in NODES:
            near, _ = segment.search_trees(vector, wanted, allowed, float(allowed.mean()), nodes)
            ranked[f"with {nodes} nodes"] = np.append(spoken, near)
        for name, rows in ranked.items():
            for depth in DEPTHS:
                held = shares.setdefault((who, name), {}).setdefault(depth, [])
                held.append(float(np.isin(best[:depth], rows).mean()))
    return {
        f"{who}, {name}": {"people": len(of[DEPTHS[0]])}
        | {d: round(float(np.mean(of[d])), 4) for d in DEPTHS}
        for (who, name), of in sorted(shares.items())
    }


def alone(factors: ItemFactors, people: Csr, rows: int, seed: int) -> dict[str, float]:
    """Recall@10 of the trees over mixed books."""
    vectors, _ = catalogue(np.asarray(factors.matrix), rows, 0, seed)
    wanted = BundleSettings().candidates
    with tempfile.TemporaryDirectory() as folder:
        segment, recall = opened(vectors, folder), dict.fromkeys(NODES, 0.0)
        for query in people @ factors.matrix:
            truth, _ = segment.search_exact(query, 10)
            for nodes in NODES:
                near, _ = segment.search_trees(query, wanted, nodes=nodes)
                recall[nodes] += len(np.intersect1d(near[:10], truth)) / 10 / people.shape[0]
    return {f"{nodes} nodes": round(share, 4) for nodes, share in recall.items()}


def main(
    people: Annotated[int, typer.Option(help="People of each part")] = 500,
    rows: Annotated[int, typer.Option(help="Books and mixes of books")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the mixes")] = 42,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the result is written")] = None,
) -> None:
    """Print JSON."""
    torch.set_num_threads(1)
    factors, parts = learn(people)
    with tempfile.TemporaryDirectory() as folder:
        segment = opened(np.asarray(factors.matrix), folder)
        result: dict[str, Any] = {name: found(factors, segment, part) for name, part in parts.items()}
    result["median history"] = {name: float(np.median(np.diff(part.indptr))) for name, part in parts.items()}
    result[f"the trees alone, {rows} rows"] = {
        name: alone(factors, part, rows, seed) for name, part in parts.items()
    }
    print(json.dumps(result, indent=1))
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
