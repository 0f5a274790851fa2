"""Any 3D network of a folder describes clips; a folder that is not what it says is refused before a film is opened."""

import json

import h5py
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from components.core.content_hash import hash_file
from components.core.errors import SettingsError
from components.video import clip_features
from components.video.networks.clip_network import OnnxNetwork, open_network
from components.video.settings import VideoError, VideoSettings
from components.video.signatures import signed_root

SIDE, MEAN, DEVIATION, DIMENSIONS = 112, (0.4, 0.5, 0.6), (0.2, 0.25, 0.5), 6
KERNEL = np.random.default_rng(0).normal(size=(DIMENSIONS, 3, 2, 4, 4)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """A network of one convolution over space and time, and the mean of it."""
    clips = helper.make_tensor_value_info("clips", TensorProto.FLOAT, ["b", 3, "f", SIDE, SIDE])
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Conv", ["clips", "kernel"], ["seen"], strides=[2, 4, 4]),
        helper.make_node("GlobalAveragePool", ["seen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    graph = helper.make_graph(nodes, "small", [clips], [given], [numpy_helper.from_array(KERNEL, "kernel")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "small").mkdir()
    onnx.save(made, tmp_path / "small/model.onnx")
    tell(tmp_path / "small")
    return tmp_path / "small"


def tell(folder, **others):
    facts = {"model": "one convolution", "side": SIDE, "mean": MEAN, "deviation": DEVIATION}
    facts |= {"dimensions": DIMENSIONS, "sha256": hash_file(folder / "model.onnx")} | others
    (folder / "network.json").write_text(json.dumps(facts))


def test_a_network_is_given_frames_of_its_size_and_colours(folder):
    clips = torch.randint(0, 256, (2, 8, 224, 224, 3), dtype=torch.uint8)
    halved = clips.float().reshape(2, 8, SIDE, 2, SIDE, 2, 3).mean(dim=(3, 5)) / 255
    wanted = ((halved - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(0, 4, 1, 2, 3)
    conv = torch.nn.functional.conv3d(wanted, torch.from_numpy(KERNEL), stride=(2, 4, 4)).mean(dim=(2, 3, 4))
    torch.testing.assert_close(OnnxNetwork(folder).extract_features(clips), conv, atol=1e-4, rtol=1e-4)


@pytest.fixture
def shots(films, tmp_path):
    """A table of two shots."""
    table = pd.DataFrame(
        {
            "video_id": "cuts", "item_id": "1", "path": str(films["cuts"]), "shot": [0, 1], "start_frame": [0, 25],
            "end_frame": [25, 75], "start_seconds": [0.0, 1.0], "end_seconds": [1.0, 3.0], "frames": 75,
            "sha256": hash_file(films["cuts"]),
        }
    )  # fmt: skip
    table.to_parquet(tmp_path / "shots.parquet")
    return tmp_path / "shots.parquet"


def test_the_stage_describes_films_by_the_network_that_conf_names(folder, shots, tmp_path):
    settings = VideoSettings(clip_network=str(folder), clip_frames=8)
    out = tmp_path / "clips.h5"
    clip_features.main(shots, tmp_path, tmp_path / "parts", out, settings=settings)
    with h5py.File(out) as file:
        assert file.attrs["model"] == "one convolution"
        assert file["cuts/clip_features"].shape == (2, DIMENSIONS)
        assert np.isfinite(signed_root(file["cuts/clip_features"][:])).all()


@pytest.mark.parametrize(
    ("facts", "message"),
    [({"sha256": "0" * 64}, "has hash"), ({"side": 300}, "side"), ({"deviation": [1, 0, 1]}, "deviation")],
)
def test_facts_that_do_not_hold_are_refused_when_the_network_is_opened(folder, facts, message):
    tell(folder, **facts)
    with pytest.raises((VideoError, SettingsError), match=message):
        open_network(folder, 8)


def test_a_graph_that_cannot_be_read_is_named(folder):
    (folder / "model.onnx").write_bytes(b"no graph")
    tell(folder)
    with pytest.raises(VideoError, match=r"model\.onnx cannot be read"):
        open_network(folder, 8)
    (folder / "model.onnx").unlink()
    with pytest.raises(VideoError, match=r"model\.onnx is missing"):
        open_network(folder, 8)


@pytest.mark.parametrize("facts", [{"dimensions": 7}, {"side": 64}])
def test_a_network_that_gives_or_takes_something_else_ends_the_stage_and_no_film_is_set_aside(
    folder, shots, tmp_path, facts
):
    tell(folder, **facts)
    settings, out = VideoSettings(clip_network=str(folder), clip_frames=8), tmp_path / "clips.h5"
    with pytest.raises(VideoError, match=r"one convolution .* Correct network\.json"):
        clip_features.main(shots, tmp_path, tmp_path / "parts", out, settings=settings)
    assert not out.exists()


def test_a_name_without_a_folder_is_refused(shots, tmp_path):
    settings, out = VideoSettings(clip_network="i4d"), tmp_path / "out.h5"
    with pytest.raises(VideoError, match="clip_network is i4d"):
        clip_features.main(shots, tmp_path, tmp_path / "parts", out, settings=settings)
