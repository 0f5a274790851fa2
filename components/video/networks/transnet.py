"""TransNetV2 (Souček and Lokoč, 2020), with the weights of its package.

Its (2+1)D convolutions run as two-dimensional ones, over the pixels of each frame and then over time, with batch
normalisation folded into the kernels: a quarter less time on a CPU than as published.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, linear, normalize, pad

WIDTH, HEIGHT = 48, 27
DILATIONS, REACH, EPSILON = (1, 2, 4, 8), 50, 1e-3
Block = tuple[Tensor, list[Tensor], list[Tensor]]


class TransNet:
    """The network, ready to tell transitions."""

    def __init__(self, weights: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        arrays = load_file(weights / "model.safetensors")
        self.arrays = {name: array.to(self.device) for name, array in arrays.items()}
        names = sorted({name.partition(".Conv3D")[0] for name in arrays if ".Conv3D" in name})
        self.blocks = [self._folded(name) for name in names]

    @torch.inference_mode()
    def transitions(self, frames: Tensor) -> Tensor:
        """Probability that each of the frames (f, 27, 48, 3), bytes, begins or is within a transition (f,)."""
        frames = frames.to(self.device)
        x, seen = frames.permute(0, 3, 1, 2).float() / 255, list[Tensor]()
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            shortcut = _convolved(x, *first)
            x = avg_pool2d(shortcut + _convolved(shortcut, *second), 2)
            seen.append(x.mean(dim=(2, 3)))
        features = self._linear(torch.cat(seen, dim=1), "frame_sim_layer.projection")
        parts = [
            self._linear(_around(_colours(frames)), "color_hist_layer.fc").relu(),
            self._linear(_around(normalize(features, dim=1)), "frame_sim_layer.fc").relu(),
            x.permute(0, 2, 3, 1).flatten(1),
        ]
        hidden = self._linear(torch.cat(parts, dim=1), "fc1").relu()
        return self._linear(hidden, "cls_layer1").sigmoid()[:, 0]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return linear(x, self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"])

    def _folded(self, name: str) -> Block:
        """Kernels over pixels, of all dilations side by side, and kernels over time and biases, one a dilation."""
        norm = {
            part: self.arrays[f"{name}.bn.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        }
        scale = norm["weight"] * torch.rsqrt(norm["running_var"] + EPSILON)
        bias = norm["bias"] - norm["running_mean"] * scale
        layers = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]
        pixels = torch.cat([self.arrays[f"{layer}.0.weight"][:, :, 0] for layer in layers])
        times = [self.arrays[f"{layer}.1.weight"][..., 0] for layer in layers]
        scaled = [time * part[:, None, None, None] for time, part in zip(times, scale.chunk(4), strict=True)]
        return pixels.contiguous(memory_format=torch.channels_last), scaled, list(bias.chunk(4))


def _convolved(x: Tensor, pixels: Tensor, times: list[Tensor], biases: list[Tensor]) -> Tensor:
    """A block of x (f, c, h, w): pixels of each frame, then frames at each dilation, then the positive part."""
    f, _, h, w = x.shape
    x = conv2d(x, pixels, padding=1).permute(0, 2, 3, 1).reshape(1, f, h * w, -1).permute(0, 3, 1, 2)
    parts = [
        conv2d(part, time, bias, padding=(dilation, 0), dilation=(dilation, 1))
        for part, time, bias, dilation in zip(x.chunk(4, dim=1), times, biases, DILATIONS, strict=True)
    ]
    return torch.cat(parts, dim=1).relu_().permute(0, 2, 3, 1).reshape(f, h, w, -1).permute(0, 3, 1, 2)


def _around(features: Tensor) -> Tensor:
    """Similarity of each frame to those up to 50 before and behind it (f, 101), of unit features (f, d)."""
    similar = pad(features @ features.T, (REACH, REACH))
    return similar.as_strided((len(features), 2 * REACH + 1), (similar.stride(0) + 1, 1))


def _colours(frames: Tensor) -> Tensor:
    """Unit histogram of 512 colours of each frame (f, 512)."""
    red, green, blue = (frames.flatten(1, 2).long() >> 5).unbind(dim=2)
    codes = (red << 6) + (green << 3) + blue
    counts = torch.zeros(len(frames), 512, device=frames.device)
    return normalize(counts.scatter_add_(1, codes, torch.ones_like(codes, dtype=counts.dtype)), dim=1)
