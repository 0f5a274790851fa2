"""Compare two bundles: their items and interactions, and their answers to the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import ks_2samp
from tqdm import tqdm

from components.bundle.bundle import Bundle
from components.bundle.query import Answer, Query
from components.bundle.searcher import Searcher

TOP_K = 10


@dataclass(frozen=True)
class DataDifference:
    """Numbers of items and interactions of two bundles, and of items that only one of them has.

    price_drift, popularity_drift: the Kolmogorov-Smirnov distance, 0 to 1, of prices and of items' shares of
    interactions; None where one bundle has none.
    """

    items: tuple[int, int]
    items_in: int
    items_out: int
    items_changed: int
    interactions: tuple[int, int]
    price_drift: float | None
    popularity_drift: float | None


def data_difference(before: Path, after: Path) -> DataDifference:
    """Compare the catalogues that two bundles were built from."""
    old, new = _read_items(before), _read_items(after)
    old_interactions, new_interactions = _read_interactions(before), _read_interactions(after)
    common = old.index.intersection(new.index)
    # as text, since missing values are not equal to each other
    old_text, new_text = old.loc[common].astype(str), new.loc[common].astype(str)
    changed = (old_text != new_text.reindex(columns=old_text.columns)).any(axis=1)
    return DataDifference(
        items=(len(old), len(new)),
        items_in=len(new.index.difference(old.index)),
        items_out=len(old.index.difference(new.index)),
        items_changed=int(changed.sum()),
        interactions=(len(old_interactions), len(new_interactions)),
        price_drift=_measure_drift(old["price"].dropna(), new["price"].dropna()),
        popularity_drift=_measure_drift(
            old_interactions.value_counts(normalize=True), new_interactions.value_counts(normalize=True)
        ),
    )


def changed_answers(before: Bundle, after: Bundle, texts: Sequence[str]) -> pd.DataFrame:
    """Answer the same texts from both bundles, and return the answers that differ most first.

    Returns query, shared (share of the first ten hits that both have), before and after (hits that only one of them
    has).
    """
    old_searcher, new_searcher = Searcher(before), Searcher(after)
    rows = []
    for text in tqdm(list(dict.fromkeys(texts)), desc="shadow: queries", unit="query"):
        query = Query(text, k=TOP_K)
        old, new = old_searcher.search(query), new_searcher.search(query)
        old_ids, new_ids = _collect_ids(old), _collect_ids(new)
        most = max(len(old_ids), len(new_ids))
        rows.append(
            {
                "query": text,
                # two answers without hits are the same answer
                "shared": round(len(old_ids & new_ids) / most, 2) if most else 1.0,
                "before": _list_unshared(old, new_ids),
                "after": _list_unshared(new, old_ids),
            }
        )
    frame = pd.DataFrame(rows, columns=["query", "shared", "before", "after"])
    return frame.sort_values("shared", kind="stable", ignore_index=True)


def _read_items(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "catalogue" / "items.parquet").set_index("item_id")


def _read_interactions(folder: Path) -> pd.Series:
    return pd.read_parquet(folder / "catalogue" / "interactions.parquet", columns=["item_id"])["item_id"]


def _collect_ids(answer: Answer) -> set[str]:
    return {hit.item_id for hit in answer.hits}


def _list_unshared(answer: Answer, other_ids: set[str]) -> str:
    """Return the titles of the hits that the other answer lacks, or why there are no hits."""
    if answer.blocked:
        return f"not answered ({answer.blocked.category})"
    return ", ".join(hit.title for hit in answer.hits if hit.item_id not in other_ids)


def _measure_drift(old: pd.Series, new: pd.Series) -> float | None:
    return round(float(ks_2samp(old, new).statistic), 4) if len(old) and len(new) else None
