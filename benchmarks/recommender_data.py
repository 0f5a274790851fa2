"""The interactions that the recommender is measured on, from the shared data and from MovieLens-100K."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.core.arrays import Csr, Indices
from components.recommender.interaction_matrix import InteractionMatrix, build_matrix

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
MIN_HISTORY, SHARE, SPLIT_SEED = 5, 0.1, 42


@dataclass(frozen=True)
class Split:
    """Users × items of the three parts; every item has an interaction in `train`. items: columns of the whole, (i,)."""

    train: Csr
    validation: Csr
    test: Csr
    items: Indices


def read_interactions(name: str, movielens: Path) -> InteractionMatrix:
    """Who liked what in `goodbooks` (ratings of 4 and 5), `onlineretail` or `ml100k` (ratings of 4 and 5)."""
    if name == "goodbooks":
        table = pd.read_parquet(SHARED / "goodbooks" / "ratings.parquet")
        columns = {"user_id": "user_id", "book_id": "item_id", "rating": "weight"}
        table, kind = table.rename(columns=columns).assign(timestamp=0), "rating"
    elif name == "onlineretail":
        table = pd.read_parquet(SHARED / "onlineretail" / "lines.parquet").dropna(subset=["CustomerID"])
        columns = {"CustomerID": "user_id", "StockCode": "item_id", "InvoiceDate": "timestamp"}
        table, kind = table.rename(columns=columns).assign(weight=1.0), "purchase"
        table["timestamp"] = table["timestamp"].astype("int64") // 10**6
    else:
        table, kind = pd.read_csv(movielens / "ml-100k.inter", sep="\t"), "rating"
        table.columns = ["user_id", "item_id", "weight", "timestamp"]
    table = table.assign(kind=kind).astype({"user_id": str, "item_id": str})
    return build_matrix(table, sorted(table["item_id"].unique()), minimum_rating=4.0)


def split(matrix: Csr) -> Split:
    """A tenth of the users with five items at least for validation, a tenth for the figures, the others train."""
    eligible = np.flatnonzero(np.diff(matrix.indptr) >= MIN_HISTORY)
    eligible = np.random.default_rng(SPLIT_SEED).permutation(eligible)
    size = int(SHARE * len(eligible))
    validation, test = eligible[:size], eligible[size : 2 * size]
    train = matrix[np.setdiff1d(np.arange(matrix.shape[0]), eligible[: 2 * size])]
    met = np.flatnonzero(np.diff(train.tocsc().indptr))
    return Split(train[:, met], matrix[validation][:, met], matrix[test][:, met], met)
