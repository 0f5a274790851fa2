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

EPSILON = 1e-3  # the reference's batch normalisation; torch's default is 1e-5
GPU_BATCH_SIZE = 8  # 243 clips a second on an H200, 112 one by one, 252 at 32 with four times the memory
HEAD = "Logits/Conv3d_0c_1x1"
MODULES = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
# Window and stride (time, height, width) of the pool before a module
POOLS = {"3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
Size = tuple[int, int, int]


class I3d:
    """I3D with loaded weights; it describes clips fastest in batches of `batch_size`."""

    model = "i3d-kinetics-400-rgb"

    def __init__(self, weights: Path) -> None:
        on_gpu = torch.cuda.is_available()
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.precision = torch.float16 if on_gpu else torch.float32
        self.batch_size = GPU_BATCH_SIZE if on_gpu else 1
        arrays = load_file(weights / "model.safetensors", device=str(self.device))
        self.kernels, self.biases = dict[str, Tensor](), dict[str, Tensor]()
        suffix = ".Conv_0.kernel"
        for key in arrays:
            if key.endswith(suffix):
                name = key.removeprefix("params.").removesuffix(suffix)
                kernel, bias = _fold_kernel(arrays, name)
                self.kernels[name], self.biases[name] = kernel.to(self.precision), bias.to(self.precision)

    @torch.inference_mode()
    def extract_features(self, clips: Tensor) -> Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by (b, 1024): the input of the reference's logits; f >= 8."""
        x = clips.to(self.device, self.precision) / 127.5 - 1
        x = self._convolve_unit(x, "Conv3d_1a_7x7", stride=(2, 2, 2))
        x = _max_pool(x, (1, 3, 3), stride=(1, 2, 2))
        x = self._convolve_unit(self._convolve_unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
        for module in MODULES:
            if module in POOLS:
                x = _max_pool(x, *POOLS[module])
            x = self._run_inception(x, f"Mixed_{module}")
        steps = x.float().mean(dim=(2, 3))
        # The reference averages two steps in time before all, so the ends weigh half
        if steps.shape[1] > 1:
            steps = (steps[:, 1:] + steps[:, :-1]) / 2
        return steps.mean(dim=1)

    @torch.inference_mode()
    def logits(self, features: Tensor) -> Tensor:
        """Return the Kinetics-400 logits (b, 400) of features (b, 1024)."""
        # Logits are linear, so the logits of the mean over time are the mean of the logits
        return linear(features, self.kernels[HEAD].flatten(1).float(), self.biases[HEAD].float())

    def _run_inception(self, x: Tensor, name: str) -> Tensor:
        """Return the four branches of an inception module, concatenated."""
        first, second, third = f"{name}.Branch_0/", f"{name}.Branch_1/", f"{name}.Branch_2/"
        pooled = _max_pool(x, (3, 3, 3), stride=(1, 1, 1))
        branches = [
            self._convolve_unit(x, first + "Conv3d_0a_1x1"),
            self._convolve_unit(self._convolve_unit(x, second + "Conv3d_0a_1x1"), second + "Conv3d_0b_3x3"),
            self._convolve_unit(self._convolve_unit(x, third + "Conv3d_0a_1x1"), third + "Conv3d_0b_3x3"),
            self._convolve_unit(pooled, f"{name}.Branch_3/Conv3d_0b_1x1"),
        ]
        return torch.cat(branches, dim=-1)

    def _convolve_unit(self, x: Tensor, name: str, stride: Size = (1, 1, 1)) -> Tensor:
        """Return the convolution of x (b, f, h, w, c), rectified."""
        kernel, bias = self.kernels[name], self.biases[name]
        size = (kernel.shape[2], kernel.shape[3], kernel.shape[4])
        if size == (1, 1, 1):
            return linear(x, kernel.flatten(1), bias).relu_()
        x = _pad_same(x, size, stride=stride).permute(0, 4, 1, 2, 3)
        return conv3d(x, kernel, bias, stride=stride).permute(0, 2, 3, 4, 1).relu_()


def _fold_kernel(arrays: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Return kernel (out, in, f, h, w) and bias (out,) of a convolution with its batch normalisation."""
    kernel = arrays[f"params.{name}.Conv_0.kernel"].permute(4, 3, 0, 1, 2)
    if name == HEAD:  # the only convolution without batch normalisation
        return kernel.contiguous(), arrays[f"params.{name}.Conv_0.bias"]
    mean = arrays[f"batch_stats.{name}.BatchNorm_0.mean"].flatten()
    # The reference's normalisation has a bias but no scale of its own
    scale = torch.rsqrt(arrays[f"batch_stats.{name}.BatchNorm_0.var"].flatten() + EPSILON)
    folded = (kernel * scale[:, None, None, None, None]).contiguous(memory_format=torch.channels_last_3d)
    return folded, arrays[f"params.{name}.BatchNorm_0.bias"].flatten() - mean * scale


def _pad_same(x: Tensor, size: Size, stride: Size) -> Tensor:
    """Pad x (b, f, h, w, c) as TensorFlow's SAME does: the odd one goes behind."""
    amounts = [0, 0]
    # torch's pad wants the last axis first
    for length, window, step in reversed(list(zip(x.shape[1:4], size, stride, strict=True))):
        total = max((ceil(length / step) - 1) * step + window - length, 0)
        amounts += [total // 2, total - total // 2]
    return pad(x, amounts)


def _max_pool(x: Tensor, size: Size, stride: Size) -> Tensor:
    """Max-pool x (b, f, h, w, c) with SAME padding, one axis after the other."""
    # Zero padding is as good as minus infinity, as nothing is negative after a rectifier
    x = _pad_same(x, size, stride=stride)
    for axis, (window, step) in enumerate(zip(size, stride, strict=True), start=1):
        length = (x.shape[axis] - window) // step * step + 1
        pooled = x.narrow(axis, 0, length).unfold(axis, 1, step)[..., 0]
        for begin in range(1, window):
            pooled = torch.maximum(pooled, x.narrow(axis, begin, length).unfold(axis, 1, step)[..., 0])
        x = pooled
    return x
