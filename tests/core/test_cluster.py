"""Work spread over a real Ray cluster of two machines' processes ends as on one machine, also when one is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import ray
import torch
from ray.cluster_utils import Cluster

from components.catalogue.tables import write_table
from components.core.arrays import Csr
from components.core.cluster import ClusterError, map_on_cluster
from components.core.compute import LAPTOP, ComputeSettings
from components.recommender.elsa import RecommenderError
from components.recommender.settings import RecommenderSettings
from components.recommender.train import fit
from components.text_model import encode
from components.text_model.settings import TextModelSettings
from components.video.feature_cache import FeatureCache, FilmInput
from components.video.settings import VideoError, VideoSettings
from components.video.worker_pool import describe_films
from tests.descriptions import write_descriptions
from tests.text_model.conftest import garments
from tests.video.conftest import fetched_weights, sha256, tone, write_film
from tests.video.test_worker_pool import prepare, refuse

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
VIDEO = VideoSettings(decode_seconds=4)
MACHINE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A head and one more machine, of one processor each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        cluster = Cluster(initialize_head=True, head_node_args=MACHINE | {"include_dashboard": False})
        cluster.add_node(**MACHINE)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture
def both(machines: Cluster) -> ComputeSettings:
    return ComputeSettings(kind="cluster", ray=machines.address, nodes=2, devices=1)


def described(folder: Path, names: list[str], compute: ComputeSettings) -> Iterator[tuple[FilmInput, Any]]:
    """What becomes of films that do what their name says."""
    folder.mkdir(exist_ok=True)
    films = []
    for name in names:
        path = folder / f"{name}.mp4"
        path.write_text(name)
        films.append(FilmInput(name.split("_")[0], str(path), sha256(path)))
    yield from describe_films(films, prepare, FeatureCache(folder / "parts", {}), VIDEO, compute)


def test_films_are_described_as_on_one_machine_and_bad_ones_have_the_same_reasons(tmp_path, both):
    names = ["whole", "crashes", "strange", "hangs", "another"]
    found, wanted = (
        {film.video_id: str(answer) for film, answer in described(tmp_path, names, compute)}
        for compute in (both, LAPTOP)
    )
    assert found == wanted and "crashed" in found["crashes"] and "length" in found["whole"]


def test_what_keeps_processes_from_being_ready_ends_the_run_with_its_own_message(tmp_path, both):
    (tmp_path / "film.mp4").write_text("film")
    film = FilmInput("film", str(tmp_path / "film.mp4"), sha256(tmp_path / "film.mp4"))
    with pytest.raises(VideoError, match="weights are missing"):
        list(describe_films([film], refuse, FeatureCache(tmp_path / "parts", {}), VIDEO, both))


def test_a_stage_started_as_a_command_takes_the_cluster_from_its_settings(tmp_path, both):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/compute.yaml").write_text(f"kind: cluster\nray: {both.ray}\n")
    (tmp_path / "conf/video.yaml").write_text("mel_bands: 32\n")
    film = write_film(tmp_path / "tone.mp4", 75, sound=tone(3))
    shot = {"start_frame": 0, "end_frame": 75, "start_seconds": 0.0, "end_seconds": 3.0}
    row = {"video_id": "tone", "path": str(film), "sha256": sha256(film), "frames": 75} | shot
    pd.DataFrame([row]).to_parquet(tmp_path / "shots.parquet")
    arguments = tmp_path / "shots.parquet", fetched_weights(), tmp_path / "parts", tmp_path / "audio.h5"
    subprocess.run(
        [sys.executable, "-m", "components.video.audio_features", *arguments], cwd=tmp_path, check=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    with h5py.File(tmp_path / "audio.h5") as file:
        assert np.isfinite(file["tone"]["audio_features"][:]).all()
        assert np.isfinite(file["tone"]["voice_features"][:]).all()


@pytest.fixture
def one_thread():
    """As many threads in this process as Ray gives its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_texts_have_the_same_bytes_as_on_one_machine(tmp_path, small_encoder_folder, both, one_thread):
    settings, written = TextModelSettings(encode_batch_size=4), []
    for name, compute in (("one", LAPTOP), ("two", both)):
        write_table("items", garments(), tmp_path / name / "catalogue")
        out = tmp_path / name / "vectors.npy"
        descriptions = write_descriptions(tmp_path / name / "descriptions.parquet", {})
        encode.main(
            tmp_path / name / "catalogue", descriptions, small_encoder_folder, out, tmp_path / name / "wishes.npy",
            settings=settings, compute=compute,
        )  # fmt: skip
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_elsa_trains_on_two_machines_as_on_one_and_says_what_is_wrong(both):
    taste = np.arange(60) % 6
    near = np.where(taste == (np.arange(300) % 6)[:, None], 0.5, 0.02)
    users = Csr((np.random.default_rng(0).random((300, 60)) < near).astype(np.float32))
    settings = RecommenderSettings(dimensions=8, epochs=4, batch_size=40, neighbours=0)
    one, two = (fit(users[:240], users[240:], settings, None, compute) for compute in (LAPTOP, both))
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], atol=1e-4)
    np.testing.assert_allclose(one.factors, two.factors, atol=1e-3)
    users.data[:] = np.nan
    with pytest.raises(RecommenderError, match="the loss is nan"):
        fit(users, users[:0], settings, None, both)
    with pytest.raises(ClusterError, match="2 machines with 1 processors or more; training needs 3"):
        fit(users, users[:0], settings, None, both.model_copy(update={"nodes": 3}))


def work(number: int, begun: Path, lost: str) -> int:
    """Work that does not end on the machine that will be lost, and on others not before it has begun there."""
    here = ray.get_runtime_context().get_node_id()
    (begun / f"{number}-{here}").touch()
    while here == lost or not list(begun.glob(f"*-{lost}")):
        time.sleep(0.1)
    return number


def test_work_of_a_machine_that_is_lost_is_done_by_another(tmp_path, machines, both):
    lost = machines.add_node(**MACHINE)
    answers = map_on_cluster(work, ((number, tmp_path, lost.node_id) for number in range(6)), both)
    first = next(answers)
    (there,) = (file.name.split("-")[0] for file in tmp_path.glob(f"*-{lost.node_id}"))
    machines.remove_node(lost, allow_graceful=False)
    assert sorted([first, *answers]) == list(range(6))
    assert len(list(tmp_path.glob(f"{there}-*"))) == 2, "begun on the lost machine, and done elsewhere"


def test_a_cluster_that_is_not_there_is_named_with_how_to_start_it():
    with pytest.raises(ClusterError, match="No Ray cluster answers"):
        list(map_on_cluster(len, [("film",)], ComputeSettings(kind="cluster", ray="127.0.0.1:1")))
