"""A bundle is put together from what the stages made."""

from pathlib import Path

from components.bundle import build_bundle
from components.bundle.manifest import read_manifest
from components.bundle.settings import BundleSettings


def test_the_same_inputs_make_the_same_bytes(bundle_folder: Path, tmp_path: Path) -> None:
    data = bundle_folder.parent
    counts = build_bundle.main(
        data / "catalogue", data / "enrichment/descriptions.parquet", data / "query_model",
        data / "text_model/queries.parquet", data / "ethics/filter", data / "recommender/item_factors",
        data / "recommender/test_users.parquet", data / "video/films.h5",
        data / "video/similar_films.parquet", data / "index", data / "metrics", tmp_path / "bundle", settings=BundleSettings(),
    )  # fmt: skip
    assert (tmp_path / "bundle/manifest.json").read_bytes() == (bundle_folder / "manifest.json").read_bytes()
    assert counts["files"] == len(read_manifest(bundle_folder)["files"])
