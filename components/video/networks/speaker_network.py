"""Voice embeddings of each shot (GE2E: Wan et al., Generalized End-to-End Loss for Speaker Verification, 2018).

A shot is described by windows of 1.6 s. They are spread evenly over it, the first at its beginning and the last at its
end, and as few as keep them no further than 0.8 s apart. A shot shorter than a window has one about its middle, which
covers what is before and after it too. So every sample of a shot is in a window of it. A window counts for its shot where
it holds sound of that shot, and has zeros where it reaches beyond the film's sound. The network was trained on sound of
-30 dBFS. A softer window is amplified by itself, because a stream has no volume of the whole.
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

from components.video.decode import SAMPLE_RATE, Floats
from components.video.mel_filters import HOP_SAMPLES, WINDOW_SAMPLES, mel_filters

MEL_BANDS, HIDDEN_SIZE, LSTM_LAYERS, UTTERANCE_STEPS = 40, 256, 3, 160
UTTERANCE_SAMPLES = HOP_SAMPLES * UTTERANCE_STEPS
UTTERANCE_SECONDS = UTTERANCE_SAMPLES / SAMPLE_RATE
MAX_APART_SECONDS = 0.8  # half a window, so that windows of a long shot overlap
BATCH_SIZE = 64
TRAINED_RMS = 10 ** (-30 / 20)  # -30 dBFS
SILENT_RMS = 10 ** (-80 / 20)  # amplifying what is softer would make a voice of noise
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class SpeakerNetwork:
    """The GE2E network with loaded weights."""

    def __init__(self, weights: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        tensors = load_file(weights / "model.safetensors", device=str(self.device))
        self.lstm = LSTM(MEL_BANDS, HIDDEN_SIZE, num_layers=LSTM_LAYERS, batch_first=True).to(self.device)
        self.lstm.load_state_dict({name: tensors[f"lstm.{name}"] for name in self.lstm.state_dict()})
        self.weight, self.bias = tensors["linear.weight"], tensors["linear.bias"]
        self.filters = torch.from_numpy(mel_filters(MEL_BANDS, "slaney")).to(self.device)
        self.hann = torch.hann_window(WINDOW_SAMPLES, device=self.device)

    @torch.inference_mode()
    def embed_windows(self, windows: Tensor) -> Tensor:
        """Return embeddings (b, 256) of windows (b, 25600), of unit length, or zeros for one below -80 dBFS."""
        windows = windows.to(self.device)
        rms = windows.square().mean(dim=1, keepdim=True).sqrt()
        # Loud windows stay as they are, as the reference only ever amplifies
        louder = windows * (TRAINED_RMS / rms.clamp(min=SILENT_RMS)).clamp(min=1)
        _, (hidden, _) = self.lstm(self.mel_energies(louder))
        embeddings = normalize(linear(hidden[-1], self.weight, self.bias).relu())
        return embeddings * (rms > SILENT_RMS)

    def mel_energies(self, windows: Tensor) -> Tensor:
        """Return mel energies (b, 160, 40) of windows (b, 25600), without the logarithm of log-mel."""
        # Padded by half a step on each side, as librosa centres its frames, which gives one step too many
        half = WINDOW_SAMPLES // 2
        steps = pad(windows, (half, half)).unfold(1, WINDOW_SAMPLES, HOP_SAMPLES)[:, :UTTERANCE_STEPS]
        return torch.fft.rfft(steps * self.hann).abs().square() @ self.filters.T


def spread_windows(starts: Doubles, ends: Doubles) -> tuple[Integers, Integers]:
    """Return the sample at which each window begins (w,), ascending, and its shot (w,).

    The first may begin before the film.
    """
    seconds, shots = list[float](), list[int]()
    for shot, (start, free) in enumerate(zip(starts, ends - starts - UTTERANCE_SECONDS, strict=True)):
        count = ceil(free / MAX_APART_SECONDS) + 1 if free > 0 else 1
        seconds += np.linspace(start, start + free, count).tolist() if free > 0 else [start + free / 2]
        shots += [shot] * count
    begins = np.round(np.array(seconds) * SAMPLE_RATE).astype(np.int64)
    # Windows of a short shot begin before those of the shot before it
    order = np.argsort(begins, kind="stable")
    return begins[order], np.array(shots, dtype=np.int64)[order]


class SpeakerEmbedder:
    """Describes the shots of a film while its sound passes, of which only what later windows need is in memory."""

    def __init__(self, network: SpeakerNetwork, starts: Doubles, ends: Doubles) -> None:
        self.network = network
        self.begins, self.shots = spread_windows(starts, ends)
        self.bounds = np.ceil(np.stack([starts, ends], axis=1) * SAMPLE_RATE).astype(np.int64)
        self.sums, self.has_sound = np.zeros((len(starts), HIDDEN_SIZE)), np.zeros(len(starts), dtype=bool)
        self.next, self.batch = 0, list[tuple[int, Floats]]()

    def pass_through(self, blocks: Iterable[tuple[float, Floats]]) -> Iterator[tuple[float, Floats]]:
        """Yield blocks of sound as they come, each with its second, and describe the shots that they belong to."""
        buffer, offset = np.empty(0, dtype=np.float32), 0
        for seconds, block in blocks:
            offset, buffer = round(seconds * SAMPLE_RATE) - len(buffer), np.concatenate([buffer, block])
            end = offset + len(buffer)
            whole = int(np.searchsorted(self.begins, end - UTTERANCE_SAMPLES, side="right"))
            self._cut_windows(buffer, offset, until=whole)
            needed = self.begins[self.next] if self.next < len(self.begins) else end
            passed = int(np.clip(needed - offset, 0, len(buffer)))
            buffer, offset = buffer[passed:], offset + passed
            yield seconds, block
        self._cut_windows(buffer, offset, until=len(self.begins))
        self._embed_batch()

    def shot_embeddings(self) -> Floats:
        """Return the embedding of each shot (s, 256).

        It has unit length, is zeros where the shot is silent, and NaN where it has no sound.
        """
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        embeddings = self.sums / np.maximum(lengths, np.finfo(np.float64).tiny)
        return np.where(self.has_sound[:, None], embeddings, np.nan).astype(np.float32)

    def _cut_windows(self, buffer: Floats, offset: int, until: int) -> None:
        """Cut the windows up to a number out of the buffer, whose first sample is sample `offset` of the film."""
        for begin, shot in zip(self.begins[self.next : until], self.shots[self.next : until], strict=True):
            first, last = max(begin, offset), min(begin + UTTERANCE_SAMPLES, offset + len(buffer))
            start, end = self.bounds[shot]
            if max(first, start) < min(last, end):
                window = np.zeros(UTTERANCE_SAMPLES, dtype=np.float32)
                window[first - begin : last - begin] = buffer[first - offset : last - offset]
                self.batch.append((shot, window))
            if len(self.batch) == BATCH_SIZE:
                self._embed_batch()
        self.next = max(self.next, until)

    def _embed_batch(self) -> None:
        """Add the embeddings of the windows of the batch to their shots."""
        if self.batch:
            shots, windows = zip(*self.batch, strict=True)
            embeddings = self.network.embed_windows(torch.from_numpy(np.stack(windows))).cpu().numpy()
            # add.at, as several windows of a batch may be of one shot
            np.add.at(self.sums, list(shots), embeddings)
            self.has_sound[list(shots)] = True
            self.batch = []
