"""The 3D network that describes clips: I3D, or another one that a folder holds as an ONNX graph with its properties.

`network.json` names the model, the side of its frames, the mean and deviation of their colours between 0 and 1, how many
numbers it gives, and the hash of `model.onnx` beside it, whose one input is clips (b, 3, f, side, side).
"""

from pathlib import Path
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from components.core.content_hash import hash_file
from components.core.settings import Conf
from components.video.decode import CROP_SIDE
from components.video.networks.i3d import I3d
from components.video.settings import VideoError

PINNED, FACTS, GRAPH = "i3d", "network.json", "model.onnx"
Positive = Annotated[float, Field(gt=0)]


class ClipNetwork(Protocol):
    """A network that describes clips, in batches of `batch_size`."""

    model: str
    batch_size: int

    def extract_features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by features (b, d)."""
        ...


class NetworkFacts(Conf):
    """The content of `network.json`."""

    model: str = Field(description="Name of the network and of its training data")
    side: int = Field(ge=16, le=CROP_SIDE, description="Height and width of its frames")
    mean: tuple[float, float, float] = Field(description="Subtracted from red, green and blue")
    deviation: tuple[Positive, Positive, Positive] = Field(description="Then divides red, green and blue")
    dimensions: int = Field(ge=1, description="Number of features of a clip")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Hash of the graph")


class OnnxNetwork:
    """A network of a folder, on one thread of a CPU or on another device that its ONNX Runtime supports.

    Raises VideoError where the folder does not hold what `network.json` says.
    """

    batch_size = 1

    def __init__(self, folder: Path) -> None:
        self.facts, graph = NetworkFacts.read(folder / FACTS), folder / GRAPH
        self.model = self.facts.model
        if not graph.is_file():
            raise VideoError(f"{graph} is missing. Export the network there.")
        # Cached features are named by this hash, so another graph under it would mix two networks' features
        if (sha256 := hash_file(graph)) != self.facts.sha256:
            raise VideoError(
                f"{graph} has hash {sha256}, not that of {FACTS}. Export it again, or correct {FACTS}."
            )
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # as torch in every worker, so that their number changes no result
        try:
            self.session = onnxruntime.InferenceSession(
                str(graph), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime raises bare exceptions
            raise VideoError(f"{graph} cannot be read ({error}). Export it again.") from None

    def extract_features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by features (b, d).

        Raises VideoError where the graph does not take them, or gives another shape.
        """
        inputs = {self.session.get_inputs()[0].name: self._normalize_clips(clips).numpy()}
        try:
            features = torch.from_numpy(self.session.run(None, inputs)[0])
        except Exception as error:  # onnxruntime raises bare exceptions, of several lines
            raise VideoError(
                f"{self.model} does not take such clips ({' '.join(str(error).split())}). Correct {FACTS}."
            ) from None
        if features.shape != (len(clips), self.facts.dimensions):
            raise VideoError(
                f"{self.model} gives {tuple(features.shape)} for {len(clips)} clips, "
                f"not {self.facts.dimensions} numbers each. Correct {FACTS}."
            )
        return features

    def _normalize_clips(self, clips: Tensor) -> Tensor:
        """Return clips in the size and colours of the network's training, (b, 3, f, side, side)."""
        pixels, side = clips.permute(0, 4, 1, 2, 3).float() / 255, self.facts.side
        scaled = interpolate(pixels, (clips.shape[1], side, side), mode="area")
        mean = torch.tensor(self.facts.mean).view(3, 1, 1, 1)
        deviation = torch.tensor(self.facts.deviation).view(3, 1, 1, 1)
        return ((scaled - mean) / deviation).contiguous()


def find_network(name: str, weights: Path) -> Path:
    """Return the folder of a network: I3D's among the packages' weights, or the named folder.

    Raises VideoError where there is none.
    """
    folder = weights / name if name == PINNED else Path(name)
    if name == PINNED and not folder.is_dir():
        raise VideoError(f"{folder} is missing. Make it: dvc repro packages")
    if name != PINNED and not (folder / FACTS).is_file():
        raise VideoError(
            f"clip_network is {name}, which has no {FACTS}. Name {PINNED}, or a folder with one."
        )
    return folder


def read_model_name(folder: Path) -> str:
    """Return the name of the network of a folder."""
    return NetworkFacts.read(folder / FACTS).model if (folder / FACTS).is_file() else I3d.model


def open_network(folder: Path, length: int) -> ClipNetwork:
    """Load the network of a folder for clips of `length` frames: the one of `network.json` if it is there, else I3D.

    Raises VideoError where it does not take such clips.
    """
    if not (folder / FACTS).is_file():
        return I3d(folder)
    network = OnnxNetwork(folder)
    # A network that does not fit must end the stage here, rather than set every film aside
    network.extract_features(torch.zeros(1, length, CROP_SIDE, CROP_SIDE, 3, dtype=torch.uint8))
    return network
