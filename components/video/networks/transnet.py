"""TransNetV2 (Souček and Lokoč, 2020), with the weights of its package.

Its (2+1)D convolutions run as two-dimensional ones, over the pixels of each frame and then over time, with batch
normalisation folded into the kernels: a quarter less time on a CPU than as published.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, linear, normalize, pad

WIDTH, HEIGHT = 48, 27  # of the frames that it was trained on
DILATIONS = (1, 2, 4, 8)
REACH = 50  # frames before and behind one that it is compared with
EPSILON = 1e-3
Block = tuple[Tensor, list[Tensor], list[Tensor]]


class TransNet:
    """TransNetV2 with loaded weights."""

    def __init__(self, weights: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.arrays = load_file(weights / "model.safetensors", device=str(self.device))
        names = {name.partition(".Conv3D")[0] for name in self.arrays if ".Conv3D" in name}
        # Sorted by name, blocks follow each other as they run: two for each stage
        self.blocks = [*map(self._fold_block, sorted(names))]

    @torch.inference_mode()
    def predict_transitions(self, frames: Tensor) -> Tensor:
        """Return the probability that each frame (f, 27, 48, 3), bytes, begins or is within a transition (f,)."""
        frames = frames.to(self.device)
        x, means = frames.permute(0, 3, 1, 2).float() / 255, list[Tensor]()
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            shortcut = _convolve_block(x, *first)
            x = avg_pool2d(shortcut + _convolve_block(shortcut, *second), 2)
            means.append(x.mean(dim=(2, 3)))
        features = self._apply_linear(torch.cat(means, dim=1), "frame_sim_layer.projection")
        parts = [
            self._apply_linear(_compare_frames(_colour_histograms(frames)), "color_hist_layer.fc").relu(),
            self._apply_linear(_compare_frames(normalize(features, dim=1)), "frame_sim_layer.fc").relu(),
            x.permute(0, 2, 3, 1).flatten(1),
        ]
        hidden = self._apply_linear(torch.cat(parts, dim=1), "fc1").relu()
        return self._apply_linear(hidden, "cls_layer1").sigmoid()[:, 0]

    def _apply_linear(self, x: Tensor, name: str) -> Tensor:
        return linear(x, self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"])

    def _fold_block(self, name: str) -> Block:
        """Return kernels over pixels of all dilations, concatenated, and a kernel over time and a bias a dilation."""
        norm = f"{name}.bn."
        scale = self.arrays[norm + "weight"] * torch.rsqrt(self.arrays[norm + "running_var"] + EPSILON)
        bias = self.arrays[norm + "bias"] - self.arrays[norm + "running_mean"] * scale
        pixels, times = list[Tensor](), list[Tensor]()
        for dilation, own_scale in zip(DILATIONS, scale.chunk(4), strict=True):
            layers = f"{name}.Conv3D_{dilation}.layers"
            pixels.append(self.arrays[f"{layers}.0.weight"][:, :, 0])
            times.append(self.arrays[f"{layers}.1.weight"][..., 0] * own_scale[:, None, None, None])
        joined = torch.cat(pixels).contiguous(memory_format=torch.channels_last)
        return joined, times, list(bias.chunk(4))


def _convolve_block(x: Tensor, pixels: Tensor, times: list[Tensor], biases: list[Tensor]) -> Tensor:
    """Convolve x (f, c, h, w) over the pixels of each frame, then over frames at each dilation, and rectify."""
    f, _, h, w = x.shape
    # Time becomes the height of one image, whose width is all pixels: a 2D convolution over it
    x = conv2d(x, pixels, padding=1).permute(0, 2, 3, 1).reshape(1, f, h * w, -1).permute(0, 3, 1, 2)
    parts = []
    for part, time, bias, dilation in zip(x.chunk(4, dim=1), times, biases, DILATIONS, strict=True):
        parts.append(conv2d(part, time, bias=bias, padding=(dilation, 0), dilation=(dilation, 1)))
    return torch.cat(parts, dim=1).relu_().permute(0, 2, 3, 1).reshape(f, h, w, -1).permute(0, 3, 1, 2)


def _compare_frames(features: Tensor) -> Tensor:
    """Return the similarity of each frame to those up to 50 before and behind it (f, 101), of unit features (f, d)."""
    similar = pad(features @ features.T, (REACH, REACH))
    # A view of the diagonals: each row starts one column later than the one above
    return similar.as_strided((len(features), 2 * REACH + 1), (similar.stride(0) + 1, 1))


def _colour_histograms(frames: Tensor) -> Tensor:
    """Return the unit histogram of 512 colours of each frame (f, 512)."""
    red, green, blue = (frames.flatten(1, 2).long() >> 5).unbind(dim=2)
    codes = (red << 6) + (green << 3) + blue
    counts = torch.zeros(len(frames), 512, device=frames.device)
    return normalize(counts.scatter_add_(1, codes, torch.ones_like(codes, dtype=counts.dtype)), dim=1)
