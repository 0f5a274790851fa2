"""Who likes what, over the items' texts: what the recommender's loss learns from."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from components.search.item_text import item_texts

Csr = sparse.csr_matrix


def likers(items: pd.DataFrame, interactions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each item that somebody likes, from interactions that count as liking: its text, and the people (numbers from 0) who like it.

    Only people who like two items or more are counted: one item tells of no taste.
    """
    told = interactions.drop_duplicates(["user_id", "item_id"])
    told = told[told["item_id"].isin(items["item_id"])]
    told = told[told.groupby("user_id")["item_id"].transform("size") > 1]
    numbers = pd.Series(np.unique(told["user_id"], return_inverse=True)[1], index=told.index, dtype="int32")
    people = numbers.groupby(told["item_id"]).agg(lambda each: np.sort(each.to_numpy()))
    met = items[items["item_id"].isin(people.index)]
    return pd.DataFrame({"text": item_texts(met), "people": people.loc[met["item_id"]].to_numpy()})


def read_taste(file: Path) -> tuple[list[str], Csr]:
    """Texts of the items (i,), and who likes which (u, i), as 0 and 1."""
    table = pd.read_parquet(file)
    people = np.concatenate([np.zeros(0, np.int32), *table["people"]])
    columns = np.repeat(np.arange(len(table)), [len(each) for each in table["people"]])
    shape = (int(people.max(initial=-1)) + 1, len(table))
    return table["text"].tolist(), Csr((np.ones(len(people), np.float32), (people, columns)), shape=shape)
