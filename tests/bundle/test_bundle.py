"""A bundle is loaded only where every file is what its manifest says."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.bundle.bundle import Bundle
from components.bundle.manifest import read_manifest, verify_files
from components.bundle.settings import BundleError


@pytest.fixture
def copied(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle of one's own; its files are links until one is written anew."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle", copy_function=os.link))


def rewrite(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["index/text.ann", "ethics/filter.json", "query_model/tokenizer.json"])
def test_one_changed_byte_is_found_and_the_file_is_named(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(copied / name, bytes(content))
    with pytest.raises(BundleError, match=f"{name} has changed"):
        Bundle.load(copied)


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "catalogue/items.parquet").unlink()
    with pytest.raises(BundleError, match=r"catalogue/items\.parquet is missing"):
        Bundle.load(copied)


def test_a_bundle_of_another_format_is_refused_before_its_files_are_read(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    rewrite(copied / "manifest.json", json.dumps(manifest | {"format": 99}).encode())
    with pytest.raises(BundleError, match="format 99, this version reads 10"):
        Bundle.load(copied)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_broken_manifest_is_a_message(copied: Path, content: bytes) -> None:
    rewrite(copied / "manifest.json", content)
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(copied)


def test_a_folder_that_is_no_bundle_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json cannot be read"):
        Bundle.load(tmp_path)


def test_the_manifest_names_every_file_and_carries_every_figure(bundle_folder: Path) -> None:
    manifest = read_manifest(bundle_folder)
    files = {str(file.relative_to(bundle_folder)) for file in bundle_folder.rglob("*") if file.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    reports = {name.split(".")[0] for name in manifest["metrics"]}
    assert reports == {
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
    }
    assert manifest["text_dimensions"] == 256
    verify_files(bundle_folder)


def test_a_bundle_goes_where_it_is_copied(copied: Path, bundle: Bundle) -> None:
    moved = Bundle.load(copied)
    assert moved.identity == bundle.identity
    every = np.arange(len(bundle.items))
    assert moved.items.records(every) == bundle.items.records(every)
    assert moved.vocabulary == bundle.vocabulary
