"""Voices in the sound of each shot (GE2E: Wan et al., Generalized End-to-End Loss for Speaker Verification, 2018).

A shot is described by windows of 1.6 s. They are spread evenly over it, the first at its beginning and the last at its
end, and as few as keep them no further than 0.8 s apart; a shot shorter than a window has one, about its middle, which
hears what is before and after it too. So every sample of a shot is in a window of it. A window stands for its shot where
it holds sound of that shot, and has zeros where it reaches beyond the film's sound. The network was trained on sound of
-30 dBFS; a window that is softer is made as loud, by itself, because a stream has no volume of the whole.
"""

from collections.abc import Iterable, Iterator
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import LSTM
from torch.nn.functional import linear, normalize, pad

from components.video.decode import RATE, Floats

BANDS, WIDTH, LAYERS = 40, 256, 3
WINDOW, HOP, STEPS = 400, 160, 160
SECONDS, APART_SECONDS, AT_ONCE = 1.6, 0.8, 64
SAMPLES = HOP * STEPS
LOUDNESS, SILENCE = 10 ** (-30 / 20), 10 ** (-80 / 20)
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class SpeakerNetwork:
    """The network, ready to describe windows of sound."""

    def __init__(self, weights: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tensors = {
            name: tensor.to(self.device) for name, tensor in load_file(weights / "model.safetensors").items()
        }
        self.lstm = LSTM(BANDS, WIDTH, LAYERS, batch_first=True).to(self.device)
        self.lstm.load_state_dict({name: tensors[f"lstm.{name}"] for name in self.lstm.state_dict()})
        self.weight, self.bias = tensors["linear.weight"], tensors["linear.bias"]
        self.filters = torch.from_numpy(slaney_filters(BANDS)).to(self.device)
        self.hann = torch.hann_window(WINDOW, device=self.device)

    @torch.inference_mode()
    def features(self, windows: Tensor) -> Tensor:
        """Describe windows (b, 25600) by (b, 256) of unit length; one below -80 dBFS is silent and has zeros."""
        windows = windows.to(self.device)
        loudness = windows.square().mean(dim=1, keepdim=True).sqrt()
        louder = windows * (LOUDNESS / loudness.clamp(min=SILENCE)).clamp(min=1)
        _, (hidden, _) = self.lstm(self.mel(louder))
        found = normalize(linear(hidden[-1], self.weight, self.bias).relu())
        return found * (loudness > SILENCE)

    def mel(self, windows: Tensor) -> Tensor:
        """Mel energies (b, 160, 40) of windows (b, 25600), in steps of 25 ms about every tenth millisecond."""
        steps = pad(windows, (WINDOW // 2, WINDOW // 2)).unfold(1, WINDOW, HOP)[:, :STEPS]
        return torch.fft.rfft(steps * self.hann).abs().square() @ self.filters.T


def slaney_filters(bands: int) -> Floats:
    """Triangles (bands, frequencies) of equal area, evenly spaced on Slaney's scale: linear to 1 kHz, then logarithmic."""
    per_mel, knee, ratio = 200 / 3, 1000.0, np.log(6.4) / 27
    mels = np.linspace(0, knee / per_mel + np.log(RATE / 2 / knee) / ratio, bands + 2)
    edges = np.where(mels * per_mel < knee, mels * per_mel, knee * np.exp((mels - knee / per_mel) * ratio))
    areas = (edges[2:] - edges[:-2]) / 2
    return (triangles(edges) / areas[:, None]).astype(np.float32)


def triangles(edges: Doubles) -> Doubles:
    """How much each of the frequencies of a window counts between edges (bands + 2,) in Hz, (bands, frequencies)."""
    frequencies, edges = np.fft.rfftfreq(WINDOW, 1 / RATE), edges[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0)


def spread(starts: Doubles, ends: Doubles) -> tuple[Integers, Integers]:
    """The sample at which each window begins (w,), ascending, and its shot (w,); the first may begin before the film."""
    free = ends - starts - SECONDS
    own = [
        np.linspace(start, start + room, ceil(room / APART_SECONDS) + 1) if room > 0 else [start + room / 2]
        for start, room in zip(starts, free, strict=True)
    ]
    begins = np.round(np.concatenate([*own, []]) * RATE).astype(np.int64)
    shots = np.repeat(np.arange(len(own)), [len(part) for part in own])
    order = np.argsort(begins, kind="stable")
    return begins[order], shots[order]


class SpeakerEmbedder:
    """Describes the shots of a film while its sound goes through, of which no more is held than the next windows need."""

    def __init__(self, network: SpeakerNetwork, starts: Doubles, ends: Doubles) -> None:
        self.network = network
        self.begins, self.shots = spread(starts, ends)
        self.bounds = np.ceil(np.stack([starts, ends], axis=1) * RATE).astype(np.int64)
        self.sums, self.heard = np.zeros((len(starts), WIDTH)), np.zeros(len(starts), dtype=bool)
        self.next, self.waiting = 0, list[tuple[int, Floats]]()

    def through(self, blocks: Iterable[tuple[float, Floats]]) -> Iterator[tuple[float, Floats]]:
        """Give on sound that comes in blocks, each with its second, and listen to it."""
        held, at = np.empty(0, dtype=np.float32), 0
        for seconds, block in blocks:
            at, held = round(seconds * RATE) - len(held), np.concatenate([held, block])
            self._cut(held, at, int(np.searchsorted(self.begins, at + len(held) - SAMPLES, side="right")))
            needed = self.begins[self.next] if self.next < len(self.begins) else at + len(held)
            passed = int(np.clip(needed - at, 0, len(held)))
            held, at = held[passed:], at + passed
            yield seconds, block
        self._cut(held, at, len(self.begins))
        self._describe()

    def features(self) -> Floats:
        """Voices of each shot (s, 256), of unit length or, where it is silent, zeros; NaN where a shot has no sound."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        found = self.sums / np.maximum(lengths, np.finfo(np.float64).tiny)
        return np.where(self.heard[:, None], found, np.nan).astype(np.float32)

    def _cut(self, held: Floats, at: int, until: int) -> None:
        """Take the windows before a number out of the samples that are held, the first of which is the film's sample `at`."""
        for begin, shot in zip(self.begins[self.next : until], self.shots[self.next : until], strict=True):
            first, last = max(begin, at), min(begin + SAMPLES, at + len(held))
            start, end = self.bounds[shot]
            if max(first, start) < min(last, end):
                window = np.zeros(SAMPLES, dtype=np.float32)
                window[first - begin : last - begin] = held[first - at : last - at]
                self.waiting.append((shot, window))
            if len(self.waiting) == AT_ONCE:
                self._describe()
        self.next = max(self.next, until)

    def _describe(self) -> None:
        """Add what the network says of the waiting windows to their shots."""
        if self.waiting:
            shots, windows = zip(*self.waiting, strict=True)
            found = self.network.features(torch.from_numpy(np.stack(windows))).cpu().numpy()
            np.add.at(self.sums, list(shots), found)
            self.heard[list(shots)] = True
            self.waiting = []
