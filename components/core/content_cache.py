"""Caches whose keys hash everything that the content depends on: settings, inputs, code, libraries, processor.

A cache is no output of a stage: the stage writes the same bytes with it and without it.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.atomic_write import atomic_path
from components.core.compute import device_name, multiplies_bfloat16

Arrays = dict[str, NDArray[Any]]


def cache_key(*parts: Any) -> str:
    """Return a hash of values that JSON can hold."""
    # Sorted, so that dictionaries with the same entries have the same key
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def torch_runtime() -> dict[str, str]:
    """Describe the libraries and the processor that the bits of a tensor depend on."""
    import torch

    libraries = ("torch", "transformers", "sentence-transformers", "onnxruntime")
    return {name: version(name) for name in libraries} | {
        # Threads and vector instructions decide the order in which floats are added, and so the last bits
        "processor": f"{torch.get_num_threads()} {torch.backends.cpu.get_cpu_capability()}",
        "device": device_name(),
        "bfloat16": str(multiplies_bfloat16()),
    }


def cache_folder(output: Path, name: str, key: str) -> Path:
    """Return the folder of a key beside an output, and remove the folders of other keys."""
    folder = output.parent / f".{name}-{key[:16]}"  # 64 bits are enough, since one key's folder remains
    for other in output.parent.glob(f".{name}-*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class ArrayCache:
    """A folder with one file of named arrays for each key; a file is complete or absent."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def __contains__(self, key: str) -> bool:
        # The directory of a zip archive is at its end, so a truncated file has none
        return zipfile.is_zipfile(self._file_path(key))

    def read(self, key: str) -> Arrays:
        """Read the arrays of a key."""
        with np.load(self._file_path(key), allow_pickle=False) as file:
            return dict(file)

    def write(self, key: str, arrays: Arrays) -> None:
        """Store the arrays of a key."""
        with atomic_path(self._file_path(key)) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]

    def read_or_make(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """Read the arrays of a key; make and store them first where the key is new."""
        if key not in self:
            self.write(key, make())
        return self.read(key)

    def keep_only(self, keys: Iterable[str]) -> None:
        """Remove the files of all other keys, and the half-written files of killed processes."""
        for file in set(self.folder.iterdir()).difference(map(self._file_path, keys)):
            file.unlink()

    def _file_path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
