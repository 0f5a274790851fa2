"""Runs that are killed go on where they were, films that are done are not opened again, and nobody is left behind."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest

from components.video.settings import VideoSettings
from tests.video.conftest import PROJECT, write_videos
from tests.video.test_stages import run, run_stages

NAMES = ("cuts", "tone", "silence", "uneven")


def same(one: Path, other: Path) -> None:
    """Hold that two HDF5 files have the same groups, attributes and arrays, bit by bit."""
    with h5py.File(one) as first, h5py.File(other) as second:
        names, others = list[str](), list[str]()
        first.visit(names.append)
        second.visit(others.append)
        assert names == others
        for name in names:
            assert dict(first[name].attrs) == dict(second[name].attrs)
            if isinstance(first[name], h5py.Dataset):
                np.testing.assert_array_equal(first[name][:], second[name][:])


def commands(out: Path, weights: Path) -> list[list[str]]:
    """The stages that open films, as DVC calls them."""
    conf = out / "video.yaml"
    conf.write_text("clip_frames: 8\n")
    shots, parts = out / "shots.parquet", out / "parts"
    stages = {
        "shots": [out / "catalogue", weights, parts, shots, out / "unread.parquet"],
        "clip_features": [shots, weights, parts, out / "clips.h5"],
        "audio_features": [shots, weights, parts, out / "audio.h5"],
    }
    return [
        [sys.executable, "-m", f"components.video.{name}", *map(str, paths), "--conf", str(conf)]
        for name, paths in stages.items()
    ]


def start(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.DEVNULL)


@pytest.fixture
def copies(tmp_path, films):
    """Films of this test alone, and their catalogue."""
    (tmp_path / "films").mkdir()
    (tmp_path / "catalogue").mkdir()
    made = {name: Path(shutil.copy(films[name], tmp_path / "films")) for name in NAMES}
    write_videos(tmp_path / "catalogue", made)
    return made


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.endurance)]
)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_nobody_disturbed(
    kills, tmp_path, copies, weights
):
    (tmp_path / "undisturbed").mkdir()
    wanted = run(tmp_path / "undisturbed", copies, weights)
    chance, left = random.Random(0), kills
    for command in commands(tmp_path, weights):
        done = False
        while not done:
            process = start(command)
            try:
                process.wait(chance.uniform(1, 6) if left else None)
                done = True
            except subprocess.TimeoutExpired:
                process.kill()
                left -= 1
        assert process.returncode == 0
    assert left < kills
    same(tmp_path / "clips.h5", wanted / "clips.h5")
    same(tmp_path / "audio.h5", wanted / "audio.h5")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "shots.parquet"), pd.read_parquet(wanted / "shots.parquet")
    )
    assert not list(tmp_path.glob("parts/*/.part-*"))


def test_films_that_are_done_are_not_opened_again(tmp_path, copies, weights):
    run_stages(tmp_path, weights)
    before = shutil.copy(tmp_path / "films.h5", tmp_path / "before.h5")
    for path in copies.values():
        path.unlink()
    run_stages(tmp_path, weights)
    same(tmp_path / "films.h5", before)


def test_other_settings_describe_films_anew_and_old_parts_are_forgotten(tmp_path, copies, weights):
    run_stages(tmp_path, weights)
    before = {path.name for path in (tmp_path / "parts" / "clip_features").iterdir()}
    run_stages(tmp_path, weights, VideoSettings(clip_frames=9))
    after = {path.name for path in (tmp_path / "parts" / "clip_features").iterdir()}
    assert len(before) == len(after) == len(NAMES) and not before & after


def test_films_of_the_same_content_are_described_once(tmp_path, films, weights):
    twin = Path(shutil.copy(films["tone"], tmp_path / "twin.mp4"))
    out = run(tmp_path, {"one": films["tone"], "other": twin}, weights)
    assert len(list((out / "parts" / "shots").iterdir())) == 1
    with h5py.File(out / "films.h5") as store:
        np.testing.assert_array_equal(store["one/clip_features"][:], store["other/clip_features"][:])
        assert store["other"].attrs["item_id"] == "item-other"


def test_the_number_of_processes_changes_nothing(tmp_path, copies, weights):
    run_stages(tmp_path, weights)
    before = shutil.copy(tmp_path / "films.h5", tmp_path / "before.h5")
    shutil.rmtree(tmp_path / "parts")
    run_stages(tmp_path, weights, VideoSettings(clip_frames=8))
    same(tmp_path / "films.h5", before)


def test_no_process_outlives_a_stage_that_is_killed(tmp_path, copies, weights):
    process = start(commands(tmp_path, weights)[0])
    family = list[psutil.Process]()
    while len(family) < 3:
        assert process.poll() is None
        family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert psutil.wait_procs(family, timeout=60)[1] == []
