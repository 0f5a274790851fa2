"""A bundle of any size around a real one: its text model and filter, with items, people and tastes made up.

Texts are words of a made-up language, text vectors and factors lie in clusters, and popularity falls as 1 / rank. What is
measured with it is speed and memory, never quality.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from components.bundle.manifest import MANIFEST, read_manifest
from components.bundle.stores.film_store import write_films
from components.bundle.stores.id_index import sort_ids
from components.bundle.stores.item_store import ItemStore
from components.bundle.stores.user_histories import ARRAYS
from components.core.content_hash import hash_file
from components.index.build_index import write_index
from components.index.settings import IndexSettings
from components.query_model.query_words import list_query_words
from components.query_model.vocabulary import Vocabulary
from components.recommender.factors import ItemFactors
from components.search.bm25 import BM25Index
from components.search.item_text import matched_texts
from components.search.spelling import SpellingCorrector

KEPT = ("query_model", "ethics", "catalogue/interactions.parquet", "catalogue/shop.json")
COLOURS = ("red", "blue", "green", "black", "white", "yellow")
TASTE_DIMENSIONS, NEIGHBOURS, LIKED, CLUSTERS, WORDS = 256, 50, 20, 2000, 20_000
BLOCK = 10_000


def made_up_bundle(real: Path, folder: Path, items: int, people: int, seed: int = 42) -> Path:
    """Write a bundle of so many items and people, each of whom liked 20 items."""
    draw = np.random.default_rng(seed)
    manifest = read_manifest(real)
    for name in KEPT:
        (shutil.copytree if (real / name).is_dir() else _copy)(real / name, folder / name)
    table = made_up_items(items, draw)
    table.to_parquet(folder / "catalogue" / "items.parquet", index=False)
    text = clustered(items, int(manifest["text_dimensions"]), draw)
    taste = clustered(items, TASTE_DIMENSIONS, draw)
    popularity = (1e6 / (1 + draw.permutation(items))).astype(np.int64)
    near = draw.integers(0, items, (items, NEIGHBOURS)).astype(np.int32)
    weights = draw.random((items, NEIGHBOURS), np.float32) * 0.1
    starts = np.arange(items + 1) * NEIGHBOURS
    neighbours = sparse.csr_matrix((weights.ravel(), near.ravel(), starts), shape=(items, items))
    ids = table["item_id"].to_numpy(object)
    ItemFactors(ids, taste, popularity, np.zeros(items, bool), neighbours).save(folder / "item_factors")
    ItemStore.from_items(table).save(folder / "items")
    write_films(folder / "films", [])
    Vocabulary.from_items(table).save(folder / "vocabulary.json")
    texts = matched_texts(table)
    BM25Index.from_texts(texts).save(folder / "bm25")
    SpellingCorrector.from_texts(texts, list_query_words()).save(folder / "spelling.json")
    write_index({"text": text, "taste": taste}, folder / "index", IndexSettings())
    write_histories(folder / "histories", items, people, draw)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    manifest |= {
        "items": items,
        "files": {str(file.relative_to(folder)): hash_file(file) for file in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def made_up_items(items: int, draw: np.random.Generator) -> pd.DataFrame:
    """Items with a title of four words, a text of twelve, a price, a brand and a colour."""
    words = np.array([f"w{word:x}" for word in range(WORDS)], object)
    spoken = words[(WORDS * draw.random((items, 16)) ** 2).astype(int)]
    colours = np.array(COLOURS, object)[draw.integers(0, len(COLOURS), items)]
    return pd.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(items)],
            "title": [" ".join(row[:4]) for row in spoken],
            "text": [" ".join(row[4:]) for row in spoken],
            "category": [f"category {number}" for number in draw.integers(0, 40, items)],
            "brand": [f"brand {number}" for number in draw.integers(0, 500, items)],
            "price": draw.lognormal(3, 1, items).round(2),
            "price_original": np.nan,
            "currency": "EUR",
            "year": pd.array([pd.NA] * items, "Int64"),
            "image": None,
            "available": True,
            "attributes": [json.dumps({"colour": [colour]}) for colour in colours],
        }
    )


def clustered(rows: int, dims: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """Unit rows around cluster centres that have few dimensions of their own."""
    base = draw.normal(size=(64, dims)).astype(np.float32)
    centres = draw.normal(size=(CLUSTERS, 64)).astype(np.float32) @ base
    vectors = np.empty((rows, dims), np.float32)
    for start in range(0, rows, BLOCK):
        part = vectors[start : start + BLOCK]
        part[:] = centres[draw.integers(0, CLUSTERS, len(part))]
        part += 0.5 * draw.normal(size=(len(part), 64)).astype(np.float32) @ base
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def write_histories(folder: Path, items: int, people: int, draw: np.random.Generator) -> None:
    """Histories of people named u0, u1, …, written as the bundle's are."""
    arrays = {
        "keys": sort_ids(f"u{person}" for person in range(people))[0],
        "starts": np.arange(people + 1, dtype=np.int64) * LIKED,
        "items": (items * draw.random(people * LIKED, np.float32) ** 3).astype(np.int32),
        "weights": np.ones(people * LIKED, np.float32),
    }
    folder.mkdir(parents=True)
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", arrays[name], allow_pickle=False)
    (folder / "named.json").write_text(json.dumps([f"u{person}" for person in range(100)]))
