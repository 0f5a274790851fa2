"""Processes that hang, crash or meet strange films cost the film that they are at, and no other."""

import os
import signal
import time

import numpy as np
import pytest

from components.video.feature_cache import FeatureCache, FilmInput
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import describe_films
from tests.video.conftest import sha256

SETTINGS = VideoSettings(decode_seconds=4)


def behave(film, tell):
    """Do what a film's name says."""
    if film.video_id == "hangs":
        time.sleep(3600)
    elif film.video_id == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif film.video_id == "strange":
        raise ValueError("a number of frames below zero")
    elif film.video_id == "slow":
        for second in range(10):
            tell(float(second))
            time.sleep(0.6)
    return {"length": np.array(len(film.path))}


def prepare():
    return behave


def refuse():
    raise VideoError("The weights are missing. Fetch them.")


@pytest.fixture
def described(tmp_path):
    """What becomes of one film of each name."""

    def describe(*names, change=lambda path: None):
        films = []
        for name in names:
            path = tmp_path / f"{name}.mp4"
            path.write_text(name)
            films.append(FilmInput(name, str(path), sha256(path)))
            change(path)
        parts = FeatureCache(tmp_path / "parts", {})
        return {film.video_id: answer for film, answer in describe_films(films, prepare, parts, SETTINGS)}

    return describe


def test_films_that_hang_crash_or_are_strange_have_their_reason_and_the_rest_go_on(described):
    found = described("whole", "hangs", "crashes", "strange", "another")
    assert list(found) == ["whole", "hangs", "crashes", "strange", "another"]
    reasons = {name: str(answer) for name, answer in found.items() if isinstance(answer, VideoError)}
    assert set(reasons) == {"hangs", "crashes", "strange"}
    assert "nothing came in 4 s" in reasons["hangs"]
    assert "crashed" in reasons["crashes"]
    assert "ValueError (a number of frames below zero)" in reasons["strange"]


def test_a_film_that_is_slow_but_alive_is_waited_for(described):
    assert not isinstance(described("slow")["slow"], VideoError)


def test_a_film_that_left_or_changed_since_the_catalogue_was_read_is_set_aside(described):
    assert "cannot be read (No such file" in str(described("left", change=lambda path: path.unlink())["left"])
    assert "has changed" in str(described("other", change=lambda path: path.write_text("new"))["other"])


def test_a_part_that_is_cut_short_is_made_anew_and_what_killed_runs_left_is_removed(described, tmp_path):
    wanted = described("whole")["whole"]["length"]
    (part,) = (tmp_path / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-30])
    (tmp_path / "parts" / ".part-1-abandoned.npz").write_text("half")
    assert described("whole")["whole"]["length"] == wanted
    assert list((tmp_path / "parts").iterdir()) == [part]


def test_what_keeps_processes_from_being_ready_ends_the_run(tmp_path):
    (tmp_path / "film.mp4").write_text("film")
    film = FilmInput("film", str(tmp_path / "film.mp4"), sha256(tmp_path / "film.mp4"))
    with pytest.raises(VideoError, match="weights are missing"):
        list(describe_films([film], refuse, FeatureCache(tmp_path / "parts", {}), SETTINGS))
