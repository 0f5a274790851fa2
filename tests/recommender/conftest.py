"""A small catalogue with three tastes, and MovieLens-100K where the packages stage has fetched it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

TASTES, ITEMS_A_TASTE, USERS = 3, 20, 90


def write_catalogue(folder: Path, interactions: pd.DataFrame, n_items: int) -> None:
    folder.mkdir()
    ids = [f"i{number}" for number in range(n_items)]
    pd.DataFrame(
        {
            "item_id": ids, "title": ids, "text": "", "category": None, "brand": None, "price": np.nan,
            "price_original": np.nan, "currency": None, "year": None, "image": None, "available": True,
            "attributes": "{}",
        }
    ).to_parquet(folder / "items.parquet")  # fmt: skip
    interactions.to_parquet(folder / "interactions.parquet")


def tasteful_interactions() -> pd.DataFrame:
    """Each user rates ten items of one taste with 5 and three others with 1."""
    draw = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        own = np.arange(ITEMS_A_TASTE) + ITEMS_A_TASTE * (user % TASTES)
        others = np.setdiff1d(np.arange(TASTES * ITEMS_A_TASTE), own)
        liked = draw.choice(own, 10, replace=False)
        rows += [(f"u{user}", f"i{item}", 100 + number, 5.0, "rating") for number, item in enumerate(liked)]
        rows += [(f"u{user}", f"i{item}", 0, 1.0, "rating") for item in draw.choice(others, 3, replace=False)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "weight", "kind"])


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Catalogue of 60 met items and 3 new ones, split, text vectors that tell tastes, one film."""
    folder = tmp_path_factory.mktemp("recommender")
    write_catalogue(folder / "catalogue", tasteful_interactions(), TASTES * ITEMS_A_TASTE + 3)
    parts = ["train"] * 60 + ["validation"] * 15 + ["test"] * 15
    pd.DataFrame({"user_id": [f"u{user}" for user in range(USERS)], "part": parts}).to_parquet(
        folder / "split.parquet"
    )
    draw = np.random.default_rng(1)
    taste = np.append(np.repeat(np.arange(TASTES), ITEMS_A_TASTE), np.arange(TASTES))
    text = np.eye(16)[taste] + 0.1 * draw.normal(size=(len(taste), 16))
    np.save(folder / "text.npy", (text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float32))
    film = pd.DataFrame({"item_id": ["i60"], "video_id": ["v"], "vector": [np.ones(4, np.float32) / 2]})
    film.to_parquet(folder / "films.parquet")
    return folder
