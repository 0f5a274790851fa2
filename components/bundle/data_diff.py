"""What differs between two bundles: their items, and what they answer to the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import ks_2samp
from tqdm import tqdm

from components.bundle.bundle import Bundle
from components.bundle.query import Answer, Query
from components.bundle.searcher import Searcher

SHOWN = 10


@dataclass(frozen=True)
class DataDifference:
    """Items and interactions of two bundles: how many each has, and how many are in only one of them.

    drift: of prices and of items' shares of interactions, the largest distance of the two distributions (Kolmogorov
    and Smirnov), 0 to 1; None where one bundle has no such figures.
    """

    items: tuple[int, int]
    items_in: int
    items_out: int
    items_changed: int
    interactions: tuple[int, int]
    price_drift: float | None
    popularity_drift: float | None


def data_difference(before: Path, after: Path) -> DataDifference:
    """Compare the catalogues that two bundles were made of."""
    old, new = (
        pd.read_parquet(folder / "catalogue" / "items.parquet").set_index("item_id")
        for folder in (before, after)
    )
    acts = [
        pd.read_parquet(folder / "catalogue" / "interactions.parquet", columns=["item_id"])["item_id"]
        for folder in (before, after)
    ]
    both = old.index.intersection(new.index)
    was, now = (table.loc[both].astype(str) for table in (old, new))
    return DataDifference(
        (len(old), len(new)),
        len(new.index.difference(old.index)),
        len(old.index.difference(new.index)),
        int((was != now.reindex(columns=was.columns)).any(axis=1).sum()),
        (len(acts[0]), len(acts[1])),
        _drift(old["price"].dropna(), new["price"].dropna()),
        _drift(*(act.value_counts(normalize=True) for act in acts)),
    )


def changed_answers(before: Bundle, after: Bundle, texts: Sequence[str]) -> pd.DataFrame:
    """Ask both the same, and put first what they answer most differently.

    Returns query, shared (share of the first ten that both show), before and after (what only one of them shows).
    """
    searchers, rows = (Searcher(before), Searcher(after)), []
    for text in tqdm(list(dict.fromkeys(texts)), desc="shadow: queries", unit="query"):
        one, other = (searcher.search(Query(text, k=SHOWN)) for searcher in searchers)
        old, new = ({hit.item_id: hit.title for hit in answer.hits} for answer in (one, other))
        most = max(len(old), len(new))
        rows.append(
            {
                "query": text,
                "shared": round(len(old.keys() & new.keys()) / most, 2) if most else 1.0,
                "before": _only(one, old, new),
                "after": _only(other, new, old),
            }
        )
    frame = pd.DataFrame(rows, columns=["query", "shared", "before", "after"])
    return frame.sort_values("shared", kind="stable", ignore_index=True)


def _only(answer: Answer, shown: dict[str, str], others: dict[str, str]) -> str:
    if answer.blocked:
        return f"not answered ({answer.blocked.category})"
    return ", ".join(title for item, title in shown.items() if item not in others)


def _drift(old: pd.Series, new: pd.Series) -> float | None:
    return round(float(ks_2samp(old, new).statistic), 4) if len(old) and len(new) else None
