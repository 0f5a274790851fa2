"""Put all that serving needs into one folder, with a manifest of hashes."""

import json
import os
import shutil
from pathlib import Path

from components.bundle.manifest import FORMAT, MANIFEST
from components.bundle.settings import BundleSettings
from components.bundle.stores.film_store import write_films
from components.bundle.stores.item_store import ItemStore
from components.bundle.stores.user_histories import UserHistories
from components.catalogue.data_profile import PROFILE
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import interaction_parts, read_items, read_shop
from components.core.content_hash import hash_file
from components.core.stage import Counts, Input, Output, stage
from components.query_model.query_words import query_words
from components.query_model.vocabulary import Vocabulary
from components.search.bm25 import BM25Index
from components.search.item_text import matched_texts
from components.search.spelling import SpellingCorrector
from components.video.html_report import carried

REPORTS = (
    "catalogue",
    "video",
    "finetune",
    "export",
    "search",
    "ethics",
    "cold_start",
    "recommender",
    "tune_weights",
    "index",
)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or a copy where the disk cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def take(source: Path, target: Path) -> None:
    """Link a file or everything in a folder."""
    for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
        if file.is_file():
            link(file, target / file.relative_to(source) if source.is_dir() else target)


def collect_metrics(folder: Path) -> dict[str, float]:
    """Every figure of every report, named by report and figure."""
    metrics: dict[str, float] = {}
    for report in REPORTS:
        figures = json.loads((folder / f"{report}.json").read_text())
        metrics |= {f"{report}.{name}": value for name, value in figures.items()}
    return metrics


@stage(BundleSettings)
def main(
    catalogue: Input,
    query_model: Input,
    queries: Input,
    ethics: Input,
    item_factors: Input,
    test_users: Input,
    films: Input,
    neighbours: Input,
    index: Input,
    metrics: Input,
    bundle: Output,
    settings: BundleSettings,
    catalogue_settings: CatalogueSettings = DEFAULTS,
) -> Counts:
    """Write the bundle."""
    parts = {
        "catalogue/items.parquet": catalogue / "items.parquet",
        "catalogue/interactions.parquet": catalogue / "interactions.parquet",
        "catalogue/shop.json": catalogue / "shop.json",
        "catalogue/profile.json": catalogue / PROFILE,
        "query_model": query_model,
        "judged_queries.parquet": queries,
        "ethics": ethics,
        "item_factors": item_factors,
        "test_users.parquet": test_users,
        "index": index,
    }
    for name, source in parts.items():
        take(source, bundle / name)
    items = read_items(catalogue)
    ItemStore.from_items(items).save(bundle / "items")
    Vocabulary.of(items).save(bundle / "vocabulary.json")
    texts = matched_texts(items)
    BM25Index.build(texts).save(bundle / "bm25")
    SpellingCorrector.from_texts(texts, query_words()).save(bundle / "spelling.json")
    acts = interaction_parts(catalogue)
    UserHistories.from_interactions(acts, items["item_id"].tolist(), catalogue_settings.minimum_rating).save(
        bundle / "histories"
    )
    write_films(bundle / "films", carried(films, neighbours))
    files = sorted(file for file in bundle.rglob("*") if file.is_file())
    manifest = {
        "format": FORMAT,
        "shop": read_shop(catalogue),
        "items": len(items),
        "text_dimensions": json.loads((index / "index.json").read_text())["segments"]["text"]["dims"],
        "settings": settings.model_dump(),
        "minimum_rating": catalogue_settings.minimum_rating,
        "metrics": collect_metrics(metrics),
        "files": {str(file.relative_to(bundle)): hash_file(file) for file in files},
    }
    (bundle / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return {"files": len(files), "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 1)}


if __name__ == "__main__":
    main.cli()
