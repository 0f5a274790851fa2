"""Build the bundle: one folder with all that serving needs, and a manifest of hashes."""

import json
import os
import shutil
from pathlib import Path

from components.bundle.manifest import write_manifest
from components.bundle.settings import BundleSettings
from components.bundle.stores.film_store import write_films
from components.bundle.stores.item_store import ItemStore
from components.bundle.stores.user_histories import UserHistories
from components.catalogue.data_profile import PROFILE_FILE
from components.catalogue.settings import DEFAULTS, CatalogueSettings
from components.catalogue.tables import read_interaction_batches, read_shop
from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.query_model.query_words import list_query_words
from components.query_model.vocabulary import Vocabulary
from components.search.bm25 import BM25Index
from components.search.item_text import matched_texts
from components.search.spelling import SpellingCorrector
from components.video.html_report import make_film_previews

REPORTS = (
    "catalogue",
    "enrichment",
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


def link_file(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # resolved, since DVC's outputs may be symbolic links into its cache
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def link_files(source: Path, target: Path) -> None:
    """Link a file, or every file of a folder."""
    if not source.is_dir():
        link_file(source, target)
        return
    for file in sorted(source.rglob("*")):
        if file.is_file():
            link_file(file, target / file.relative_to(source))


def collect_metrics(folder: Path) -> dict[str, float]:
    """Return every metric of every report, by `report.metric`."""
    metrics: dict[str, float] = {}
    for report in REPORTS:
        for name, value in json.loads((folder / f"{report}.json").read_text()).items():
            metrics[f"{report}.{name}"] = value
    return metrics


def write_stores(catalogue: Path, descriptions: Path, bundle: Path, minimum_rating: float) -> int:
    """Write what serving reads about a catalogue's items and users; return the number of items."""
    items = read_enriched_items(catalogue, descriptions)
    ItemStore.from_items(items).save(bundle / "items")
    Vocabulary.from_items(items).save(bundle / "vocabulary.json")
    texts = matched_texts(items)
    BM25Index.from_texts(texts).save(bundle / "bm25")
    SpellingCorrector.from_texts(texts, list_query_words()).save(bundle / "spelling.json")
    interactions = read_interaction_batches(catalogue)
    histories = UserHistories.from_interactions(interactions, items["item_id"].tolist(), minimum_rating)
    histories.save(bundle / "histories")
    return len(items)


@stage(BundleSettings)
def main(
    catalogue: Input,
    descriptions: Input,
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
    """Write the bundle and its manifest."""
    for name in ("items.parquet", "interactions.parquet", "shop.json", PROFILE_FILE):
        link_file(catalogue / name, bundle / "catalogue" / name)
    parts = {
        "query_model": query_model,
        "judged_queries.parquet": queries,
        "ethics": ethics,
        "item_factors": item_factors,
        "test_users.parquet": test_users,
        "index": index,
    }
    for name, source in parts.items():
        link_files(source, bundle / name)
    n_items = write_stores(
        catalogue, descriptions, bundle=bundle, minimum_rating=catalogue_settings.minimum_rating
    )
    write_films(bundle / "films", make_film_previews(films, neighbours))
    n_files, n_bytes = write_manifest(
        bundle,
        shop=read_shop(catalogue),
        items=n_items,
        text_dimensions=json.loads((index / "index.json").read_text())["segments"]["text"]["dims"],
        # the settings travel with the bundle, so that an older one is served as it was measured
        settings=settings.model_dump(),
        minimum_rating=catalogue_settings.minimum_rating,
        metrics=collect_metrics(metrics),
    )
    return {"files": n_files, "megabytes": round(n_bytes / 1e6, 1)}


if __name__ == "__main__":
    main.cli()
