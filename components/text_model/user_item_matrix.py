"""Who likes what, over the items' texts: what the recommender's loss learns from."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from components.search.item_text import item_texts

Csr = sparse.csr_matrix


def tabulate_likes(items: pd.DataFrame, interactions: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each item that somebody likes: its text, and the users (numbers from 0) who like it.

    interactions: those that count as liking.
    """
    likes = interactions.drop_duplicates(["user_id", "item_id"])
    likes = likes[likes["item_id"].isin(items["item_id"])]
    # After the items, because users who like one item of these alone teach the loss nothing
    likes = likes[likes.groupby("user_id")["item_id"].transform("size") > 1]
    numbers = pd.Series(np.unique(likes["user_id"], return_inverse=True)[1], index=likes.index, dtype="int32")
    people = numbers.groupby(likes["item_id"]).agg(lambda users: np.sort(users.to_numpy()))
    liked = items[items["item_id"].isin(people.index)]
    return pd.DataFrame({"text": item_texts(liked), "people": people.loc[liked["item_id"]].to_numpy()})


def read_user_items(file: Path) -> tuple[list[str], Csr]:
    """Return the texts of the items (i,), and which user likes which (u, i), as 0 and 1."""
    table = pd.read_parquet(file)
    # The empty array, because numpy concatenates no empty list
    people = np.concatenate([np.zeros(0, np.int32), *table["people"]])
    columns = np.repeat(np.arange(len(table)), list(map(len, table["people"])))
    shape = (int(people.max(initial=-1)) + 1, len(table))
    return table["text"].tolist(), Csr((np.ones(len(people), np.float32), (people, columns)), shape=shape)
