"""The store's commands: what is there, whether it is whole, and its arrays as files."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.video.conftest import PROJECT
from tests.video.test_stages import run


@pytest.fixture(scope="module")
def store(tmp_path_factory, films, weights):
    out = run(tmp_path_factory.mktemp("store"), {name: films[name] for name in ("cuts", "tone")}, weights)
    return out / "films.h5"


def ask(*words):
    command = [Path(sys.executable).with_name("tandem"), "video", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_films_are_listed_and_shown(store):
    listed = ask("ls", store).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["cuts", "tone"]
    assert "3.0 s" in listed[0] and "no sound" in listed[0] and "no sound" not in listed[1]
    shown = ask("show", store, "tone").stdout
    assert "clip_model: i3d-kinetics-400-rgb" in shown and "scene 0: 0.00-" in shown


def test_a_whole_store_verifies(store):
    done = ask("verify", store)
    assert (done.returncode, done.stdout) == (0, "2 films are whole\n")


def test_a_changed_byte_and_a_missing_array_are_found(store, tmp_path):
    changed = tmp_path / "films.h5"
    shutil.copy(store, changed)
    with h5py.File(changed, "a") as file:
        place, size = (
            file["cuts/clip_features"].id.get_chunk_info(0).byte_offset,
            file["cuts/clip_features"].id.get_chunk_info(0).size,
        )
        del file["tone/audio_features"]
    content = bytearray(changed.read_bytes())
    content[place + size // 2] ^= 255
    changed.write_bytes(content)
    done = ask("verify", changed)
    assert done.returncode == 1
    assert "cuts cannot be read" in done.stdout and "tone lacks audio_features" in done.stdout


def test_an_exported_film_is_the_stored_one(store, tmp_path):
    assert ask("export", store, "tone", tmp_path).returncode == 0
    with h5py.File(store) as file:
        for name in ("clip_features", "voice_features"):
            np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), file[f"tone/{name}"][:])
        assert len(list(tmp_path.glob("clip-*.jpg"))) == len(file["tone/clip_shot"])
    assert Image.open(tmp_path / "clip-0000.jpg").size == (112, 112)


def test_a_film_or_file_that_is_not_there_is_one_message(store, tmp_path):
    for done in (ask("show", store, "absent"), ask("ls", tmp_path / "absent.h5")):
        assert done.returncode == 2 and done.stderr.count("\n") == 1
