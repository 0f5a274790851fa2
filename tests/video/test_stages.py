"""The way of films through all stages: whole ones to vectors, damaged ones to quarantine, and nothing at all."""

import json
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.core.content_hash import hash_paths
from components.video import (
    audio_features,
    clip_features,
    film_vectors,
    html_report,
    merge_features,
    scenes,
    shots,
    similar_films,
)
from components.video.settings import VideoSettings
from tests.video.conftest import write_videos

SETTINGS = VideoSettings(clip_frames=8)
WHOLE = (
    "cuts",
    "tone",
    "silence",
    "one_frame",
    "edit_list",
    "three_a_second",
    "many_a_second",
    "odd",
    "ten_bit",
    "misnamed",
)


def run(out: Path, paths: dict[str, Path], weights: Path, settings: VideoSettings = SETTINGS) -> Path:
    """Take a catalogue of films through every stage."""
    (out / "catalogue").mkdir()
    write_videos(out / "catalogue", paths)
    return run_stages(out, weights, settings)


def run_stages(out: Path, weights: Path, settings: VideoSettings = SETTINGS) -> Path:
    """Every stage in turn, from the catalogue in a folder to film vectors beside it."""
    catalogue = out / "catalogue"
    found, unread, parts = out / "shots.parquet", out / "unread.parquet", out / "parts"
    shots.main(catalogue, weights, parts, found, unread, settings=settings)
    clip_features.main(found, weights, parts, out / "clips.h5", settings=settings)
    audio_features.main(found, weights, parts, out / "audio.h5", settings=settings)
    scenes.main(found, out / "clips.h5", out / "audio.h5", out / "scenes.parquet", settings=settings)
    merge_features.main(
        found, out / "scenes.parquet", unread, out / "clips.h5", out / "audio.h5", out / "films.h5",
        out / "quarantine.parquet", out / "video.json", settings=settings,
    )  # fmt: skip
    film_vectors.main(out / "films.h5", out / "film_vectors.parquet", settings=settings)
    similar_films.main(
        out / "films.h5", out / "film_vectors.parquet", out / "neighbours.parquet", settings=settings
    )
    html_report.main(out / "films.h5", out / "neighbours.parquet", out / "films.html", settings=settings)
    return out


@pytest.fixture(scope="module")
def done(tmp_path_factory, films, broken, weights):
    paths = {name: films[name] for name in WHOLE} | broken
    return run(tmp_path_factory.mktemp("done"), paths, weights)


def test_damaged_films_go_to_quarantine_with_their_reason_and_the_rest_go_on(done, broken):
    aside = pd.read_parquet(done / "quarantine.parquet").set_index("video_id")
    assert set(aside.index) == set(broken)
    assert "holds no pictures" in aside.loc["sound_alone.mp4", "reason"]
    assert "audio" in aside.loc["damaged_sound.mp4", "reason"]
    assert aside["reason"].str.contains("Replace|Give").all()
    assert set(pd.read_parquet(done / "shots.parquet")["video_id"]) == set(WHOLE)


def test_metrics_count_films_kept_and_set_aside(done, broken):
    counts = json.loads((done / "video.json").read_text())
    assert (counts["films"], counts["films_set_aside"]) == (len(WHOLE), len(broken))
    assert counts["shots"] == counts["clips"] == len(pd.read_parquet(done / "shots.parquet"))


def test_the_store_has_a_group_a_film_with_what_is_known_of_it(done, films, weights):
    shot_table = pd.read_parquet(done / "shots.parquet").groupby("video_id")
    with h5py.File(done / "films.h5") as store:
        assert set(store) == set(WHOLE)
        for name, film in store.items():
            s = len(shot_table.get_group(name))
            assert {key: part.shape for key, part in film.items()} == {
                "shots": (s, 2), "scenes": (len(film["scenes"]), 2), "clip_features": (s, 1024), "clip_shot": (s,),
                "clip_start_seconds": (s,), "audio_features": (s, 128), "voice_features": (s, 256),
                "colours": (s, 64), "thumbnails": (s, film["thumbnails"].shape[1]),
            }  # fmt: skip
            assert film.attrs["item_id"] == f"item-{name}"
            assert film.attrs["clip_model"] == "i3d-kinetics-400-rgb"
            assert film.attrs["clip_weights_sha256"] == hash_paths([weights / "i3d"])
            assert film.attrs["audio_voice_model"] == "ge2e-resemblyzer"
            assert film.attrs["audio_weights_sha256"] == hash_paths([weights / "voices"])
            assert film["scenes"][0, 0] == 0 and film["scenes"][-1, 1] == s - 1
            assert np.isfinite(film["clip_features"]).all()
        assert store["cuts"].attrs["frames"] == 75 and store["cuts"].attrs["fps"] == 25


def test_absent_sound_and_silence_are_told_apart(done):
    with h5py.File(done / "films.h5") as store:
        heard = {name: bool(film.attrs["has_audio"]) for name, film in store.items()}
        assert {name for name in heard if heard[name]} == {"tone", "silence"}
        assert (
            np.isnan(store["cuts"]["audio_features"]).all()
            and np.isnan(store["cuts"]["voice_features"]).all()
        )
        assert np.isfinite(store["silence"]["audio_features"]).all()
        assert not store["silence"]["voice_features"][0].any()
        np.testing.assert_allclose(np.linalg.norm(store["tone"]["voice_features"][0]), 1, atol=1e-5)


def test_a_film_that_a_later_stage_could_not_describe_has_no_scenes_and_others_have_theirs(done, tmp_path):
    for name in ("clips", "audio"):
        shutil.copy(done / f"{name}.h5", tmp_path)
    with h5py.File(tmp_path / "clips.h5", "a") as seen, h5py.File(tmp_path / "audio.h5", "a") as heard:
        for file, name in ((seen, "cuts"), (heard, "tone")):
            del file[name]
            file.create_group(name).attrs["reason"] = "It has gone."
    found = tmp_path / "scenes.parquet"
    scenes.main(
        done / "shots.parquet", tmp_path / "clips.h5", tmp_path / "audio.h5", found, settings=SETTINGS
    )
    every = pd.read_parquet(done / "scenes.parquet")
    left = every[~every["video_id"].isin(["cuts", "tone"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(found), left)


def test_each_film_has_one_unit_vector_for_its_item(done):
    vectors = pd.read_parquet(done / "film_vectors.parquet").set_index("video_id")
    assert set(vectors.index) == set(WHOLE)
    assert vectors.loc["tone", "item_id"] == "item-tone"
    matrix = np.stack(vectors["vector"].to_list())
    assert matrix.shape == (len(WHOLE), 1024 + 64 + 128)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, rtol=1e-5)
    silent = matrix[list(vectors.index).index("cuts"), 1024 + 64 :]
    assert not silent.any()


def test_a_film_and_its_copy_in_another_container_are_each_others_nearest(done):
    found = pd.read_parquet(done / "neighbours.parquet")
    first = found[found["rank"] == 1].drop_duplicates("video_id").set_index("video_id")
    assert first.loc["cuts", "neighbour_id"] == "misnamed" and first.loc["misnamed", "neighbour_id"] == "cuts"
    assert first.loc["cuts", ["similarity", "scene_similarity"]].min() > 0.99
    assert (found["video_id"] != found["neighbour_id"]).all()


def test_the_page_shows_a_picture_of_every_shot_and_what_films_are_alike(done):
    page = (done / "films.html").read_text()
    shots_found = pd.read_parquet(done / "shots.parquet")
    assert page.count("<figcaption>shot ") == len(shots_found)
    assert "<h2>cuts</h2>" in page and "1.00 like misnamed" in page
    with h5py.File(done / "films.h5") as store:
        picture = Image.open(BytesIO(store["cuts/thumbnails"][0].tobytes()))
        assert picture.size == (112, 112)


def test_a_catalogue_without_films_goes_through_every_stage(tmp_path, weights):
    out = run(tmp_path, {}, weights)
    assert json.loads((out / "video.json").read_text()) == {
        "films": 0, "films_set_aside": 0, "shots": 0, "scenes": 0, "clips": 0,
    }  # fmt: skip
    for name in ("shots", "quarantine", "scenes", "film_vectors", "neighbours"):
        assert pd.read_parquet(out / f"{name}.parquet").empty


def test_a_catalogue_of_damaged_films_alone_goes_through_every_stage(tmp_path, weights, broken):
    out = run(tmp_path, {"a": broken["empty.mp4"]}, weights)
    counts = json.loads((out / "video.json").read_text())
    assert (counts["films"], counts["films_set_aside"]) == (0, 1)
    assert pd.read_parquet(out / "film_vectors.parquet").empty


def test_the_same_film_gives_the_same_vector(tmp_path, films, weights, done):
    again = run(tmp_path, {"cuts": films["cuts"]}, weights)
    before = pd.read_parquet(done / "film_vectors.parquet").set_index("video_id").loc["cuts", "vector"]
    after = pd.read_parquet(again / "film_vectors.parquet").loc[0, "vector"]
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_stage_is_a_command_that_says_which_film_it_sets_aside(tmp_path, weights, broken):
    (tmp_path / "catalogue").mkdir()
    write_videos(tmp_path / "catalogue", {"v": broken["empty.mp4"]})
    command = [sys.executable, "-m", "components.video.shots", str(tmp_path / "catalogue"), str(weights),
               str(tmp_path / "parts"), str(tmp_path / "shots.parquet"), str(tmp_path / "unread.parquet")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "set aside v:" in done.stderr and "films_set_aside 1" in done.stderr
