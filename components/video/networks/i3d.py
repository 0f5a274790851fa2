"""I3D (Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017), RGB, Kinetics-400, up to its 1024 features.

The network's shape is read from its weights, whose names are those of the reference implementation's parameters. Batch
normalisation is folded into the kernels, and a pixel's channels lie side by side in memory, which takes half the time.
A GPU computes in half precision and takes several clips at once; on a CPU neither is faster.
"""

from math import ceil
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import conv3d, linear, pad

EPSILON = 1e-3
HEAD = "Logits/Conv3d_0c_1x1"
POOLS = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
MIXED = (
    "Mixed_3b",
    "Mixed_3c",
    "Mixed_4b",
    "Mixed_4c",
    "Mixed_4d",
    "Mixed_4e",
    "Mixed_4f",
    "Mixed_5b",
    "Mixed_5c",
)
Size = tuple[int, int, int]


class I3d:
    """The network, ready to describe clips.

    at_once: how many clips it is best given together.
    """

    model = "i3d-kinetics-400-rgb"

    def __init__(self, weights: Path) -> None:
        on_gpu = torch.cuda.is_available()
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.precision = torch.float16 if on_gpu else torch.float32
        self.at_once = 8 if on_gpu else 1
        arrays = {
            name: array.to(self.device) for name, array in load_file(weights / "model.safetensors").items()
        }
        suffix = ".Conv_0.kernel"
        names = [name[len("params.") : -len(suffix)] for name in arrays if name.endswith(suffix)]
        self.kernels, self.biases = dict[str, Tensor](), dict[str, Tensor]()
        for name in names:
            kernel, bias = _folded(arrays, name)
            self.kernels[name], self.biases[name] = kernel.to(self.precision), bias.to(self.precision)

    @torch.inference_mode()
    def features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by (b, 1024): what the reference's logits are made of.

        Two steps in time are averaged before all are, as the reference does, so that the ends weigh half; f >= 8.
        """
        x = clips.to(self.device, self.precision) / 127.5 - 1
        x = self._unit(x, "Conv3d_1a_7x7", (2, 2, 2))
        x = _max_pool(x, (1, 3, 3), (1, 2, 2))
        x = self._unit(self._unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
        for name in MIXED:
            if name in POOLS:
                x = _max_pool(x, *POOLS[name])
            x = self._mixed(x, name)
        steps = x.float().mean(dim=(2, 3))
        return (steps if steps.shape[1] == 1 else (steps[:, 1:] + steps[:, :-1]) / 2).mean(dim=1)

    @torch.inference_mode()
    def logits(self, features: Tensor) -> Tensor:
        """Kinetics-400 logits (b, 400) of features (b, 1024); the logits are linear, so their mean over time is that of the features."""
        return linear(features, self.kernels[HEAD].flatten(1).float(), self.biases[HEAD].float())

    def _mixed(self, x: Tensor, name: str) -> Tensor:
        """The four branches of an inception module, side by side."""
        branches = [
            self._unit(x, f"{name}.Branch_0/Conv3d_0a_1x1"),
            self._unit(self._unit(x, f"{name}.Branch_1/Conv3d_0a_1x1"), f"{name}.Branch_1/Conv3d_0b_3x3"),
            self._unit(self._unit(x, f"{name}.Branch_2/Conv3d_0a_1x1"), f"{name}.Branch_2/Conv3d_0b_3x3"),
            self._unit(_max_pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.Branch_3/Conv3d_0b_1x1"),
        ]
        return torch.cat(branches, dim=-1)

    def _unit(self, x: Tensor, name: str, stride: Size = (1, 1, 1)) -> Tensor:
        """Convolution and the positive part of x (b, f, h, w, c)."""
        kernel, bias = self.kernels[name], self.biases[name]
        size = (kernel.shape[2], kernel.shape[3], kernel.shape[4])
        if size == (1, 1, 1):
            return linear(x, kernel.flatten(1), bias).relu_()
        x = _same(x, size, stride).permute(0, 4, 1, 2, 3)
        return conv3d(x, kernel, bias, stride=stride).permute(0, 2, 3, 4, 1).relu_()


def _folded(arrays: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Kernel (out, in, f, h, w) and bias (out,) of a convolution with its batch normalisation, which has no scale."""
    kernel = arrays[f"params.{name}.Conv_0.kernel"].permute(4, 3, 0, 1, 2)
    if name == HEAD:
        return kernel.contiguous(), arrays[f"params.{name}.Conv_0.bias"]
    mean, variance = (arrays[f"batch_stats.{name}.BatchNorm_0.{part}"].flatten() for part in ("mean", "var"))
    scale = torch.rsqrt(variance + EPSILON)
    folded = (kernel * scale[:, None, None, None, None]).contiguous(memory_format=torch.channels_last_3d)
    return folded, arrays[f"params.{name}.BatchNorm_0.bias"].flatten() - mean * scale


def _same(x: Tensor, size: Size, stride: Size) -> Tensor:
    """Pad x (b, f, h, w, c) as TensorFlow's SAME does: the odd one goes behind."""
    amounts = [0, 0]
    for length, window, step in reversed(list(zip(x.shape[1:4], size, stride, strict=True))):
        whole = max((ceil(length / step) - 1) * step + window - length, 0)
        amounts += [whole // 2, whole - whole // 2]
    return pad(x, amounts)


def _max_pool(x: Tensor, size: Size, stride: Size) -> Tensor:
    """Max-pool with SAME padding, one axis after the other; zero is as good as minus infinity: nothing is negative here."""
    x = _same(x, size, stride)
    for axis, (window, step) in enumerate(zip(size, stride, strict=True), start=1):
        if window > 1:
            length = (x.shape[axis] - window) // step * step + 1
            shifted = [x.narrow(axis, begin, length).unfold(axis, 1, step)[..., 0] for begin in range(window)]
            x = torch.maximum(shifted[0], shifted[1])
            for other in shifted[2:]:
                x = torch.maximum(x, other)
    return x
