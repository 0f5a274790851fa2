"""I3D (Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017), RGB, Kinetics-400, up to its 1024 features.

The network's shape is read from its weights, whose names are those of the reference implementation's parameters.
"""

from math import ceil
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import batch_norm, conv3d, max_pool3d, pad, relu

EPSILON = 1e-3
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


class I3d:
    """The network, ready to describe clips."""

    def __init__(self, weights: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.arrays = {
            name: array.to(self.device) for name, array in load_file(weights / "model.safetensors").items()
        }

    @torch.inference_mode()
    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Describe clips (b, f, 224, 224, 3) of bytes by (b, 1024): what the reference's logits are made of.

        Two steps in time are averaged before all are, as the reference does, so that the ends weigh half; f >= 8.
        """
        x = clips.to(self.device).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        x = self._unit(x, "Conv3d_1a_7x7", (2, 2, 2))
        x = _max_pool(x, (1, 3, 3), (1, 2, 2))
        x = self._unit(self._unit(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
        for name in MIXED:
            if name in POOLS:
                x = _max_pool(x, *POOLS[name])
            x = self._mixed(x, name)
        x = x.mean(dim=(3, 4))
        return (x if x.shape[2] == 1 else (x[..., 1:] + x[..., :-1]) / 2).mean(dim=2)

    @torch.inference_mode()
    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Kinetics-400 logits (b, 400) of features (b, 1024); the logits are linear, so their mean over time is that of the features."""
        kernel = self.arrays["params.Logits/Conv3d_0c_1x1.Conv_0.kernel"][0, 0, 0]
        return features @ kernel + self.arrays["params.Logits/Conv3d_0c_1x1.Conv_0.bias"]

    def _mixed(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """The four branches of an inception module, side by side."""
        branches = [
            self._unit(x, f"{name}.Branch_0/Conv3d_0a_1x1"),
            self._unit(self._unit(x, f"{name}.Branch_1/Conv3d_0a_1x1"), f"{name}.Branch_1/Conv3d_0b_3x3"),
            self._unit(self._unit(x, f"{name}.Branch_2/Conv3d_0a_1x1"), f"{name}.Branch_2/Conv3d_0b_3x3"),
            self._unit(_max_pool(x, (3, 3, 3), (1, 1, 1)), f"{name}.Branch_3/Conv3d_0b_1x1"),
        ]
        return torch.cat(branches, dim=1)

    def _unit(self, x: torch.Tensor, name: str, stride: tuple[int, int, int] = (1, 1, 1)) -> torch.Tensor:
        """Convolution, batch normalisation without scale, and the positive part."""
        kernel = self.arrays[f"params.{name}.Conv_0.kernel"].permute(4, 3, 0, 1, 2)
        size = (kernel.shape[2], kernel.shape[3], kernel.shape[4])
        x = conv3d(_same(x, size, stride), kernel, stride=stride)
        mean, variance = (
            self.arrays[f"batch_stats.{name}.BatchNorm_0.{part}"].flatten() for part in ("mean", "var")
        )
        bias = self.arrays[f"params.{name}.BatchNorm_0.bias"].flatten()
        return relu(batch_norm(x, mean, variance, bias=bias, eps=EPSILON))


def _same(x: torch.Tensor, size: tuple[int, int, int], stride: tuple[int, int, int]) -> torch.Tensor:
    """Pad as TensorFlow's SAME does: the odd one goes behind."""
    amounts: list[int] = []
    for length, window, step in reversed(list(zip(x.shape[2:], size, stride, strict=True))):
        whole = max((ceil(length / step) - 1) * step + window - length, 0)
        amounts += [whole // 2, whole - whole // 2]
    return pad(x, amounts)


def _max_pool(x: torch.Tensor, size: tuple[int, int, int], stride: tuple[int, int, int]) -> torch.Tensor:
    """Max-pool with SAME padding; padding by zero is that by minus infinity, since nothing is negative here."""
    return max_pool3d(_same(x, size, stride), size, stride)
