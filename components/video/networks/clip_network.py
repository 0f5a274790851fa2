"""The 3D network that describes clips: I3D, or any other that a folder holds as an ONNX graph with what it is given.

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
from components.video.decode import CROP
from components.video.networks.i3d import I3d
from components.video.settings import VideoError

PINNED, FACTS, GRAPH = "i3d", "network.json", "model.onnx"
Positive = Annotated[float, Field(gt=0)]


class ClipNetwork(Protocol):
    """What describes clips; it is given `at_once` of them together."""

    model: str
    at_once: int

    def features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by numbers (b, d)."""
        ...


class NetworkFacts(Conf):
    """What stands in `network.json`."""

    model: str = Field(description="Name of the network and of what it learnt from")
    side: int = Field(ge=16, le=CROP, description="Height and width of the frames that it is given")
    mean: tuple[float, float, float] = Field(description="What is taken from red, green and blue")
    deviation: tuple[Positive, Positive, Positive] = Field(description="What they are divided by then")
    dimensions: int = Field(ge=1, description="Numbers that it gives a clip")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Hash of the graph")


class OnnxNetwork:
    """A network of a folder, on one thread of a CPU or on what else its ONNX Runtime knows.

    Raises VideoError where the folder does not hold what `network.json` says.
    """

    at_once = 1

    def __init__(self, folder: Path) -> None:
        self.facts, graph = NetworkFacts.read(folder / FACTS), folder / GRAPH
        self.model = self.facts.model
        if not graph.is_file():
            raise VideoError(f"{graph} is missing. Export the network there.")
        if (found := hash_file(graph)) != self.facts.sha256:
            raise VideoError(
                f"{graph} has hash {found}, not that of {FACTS}. Export it again, or mend {FACTS}."
            )
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(
                str(graph), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as fault:  # onnxruntime raises bare exceptions
            raise VideoError(f"{graph} cannot be read ({fault}). Export it again.") from None

    def features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by numbers (b, d).

        Raises VideoError where the graph does not take them, or gives another shape.
        """
        given = {self.session.get_inputs()[0].name: self._given(clips).numpy()}
        try:
            found = torch.from_numpy(self.session.run(None, given)[0])
        except Exception as fault:  # onnxruntime raises bare exceptions
            raise VideoError(
                f"{self.model} does not take such clips ({' '.join(str(fault).split())}). Mend {FACTS}."
            ) from None
        if found.shape != (len(clips), self.facts.dimensions):
            raise VideoError(
                f"{self.model} gives {tuple(found.shape)} for {len(clips)} clips, "
                f"not {self.facts.dimensions} numbers each. Mend {FACTS}."
            )
        return found

    def _given(self, clips: Tensor) -> Tensor:
        """Clips as the network knows them, (b, 3, f, side, side)."""
        pixels, side = clips.permute(0, 4, 1, 2, 3).float() / 255, self.facts.side
        scaled = interpolate(pixels, (clips.shape[1], side, side), mode="area")
        mean, deviation = (
            torch.tensor(part).view(3, 1, 1, 1) for part in (self.facts.mean, self.facts.deviation)
        )
        return ((scaled - mean) / deviation).contiguous()


def find_network(name: str, weights: Path) -> Path:
    """The folder of a network: I3D's among the packages' weights, or the one that is named.

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


def model_of(folder: Path) -> str:
    """What the network of a folder is called."""
    return NetworkFacts.read(folder / FACTS).model if (folder / FACTS).is_file() else I3d.model


def open_network(folder: Path, length: int) -> ClipNetwork:
    """The network of a folder, ready for clips of some frames: what `network.json` says where there is one, else I3D.

    Raises VideoError where it does not take such clips.
    """
    if not (folder / FACTS).is_file():
        return I3d(folder)
    network = OnnxNetwork(folder)
    network.features(torch.zeros(1, length, CROP, CROP, 3, dtype=torch.uint8))
    return network
