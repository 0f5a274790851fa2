"""A folder of unfinished work beside an output, which outlives a kill and is found again by what the work depends on."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from components.compute import device_name
from components.stage import digest

Arrays = dict[str, NDArray[np.floating]]


def fingerprint(settings: str, inputs: Iterable[str]) -> str:
    """All that numbers depend on: settings, digests of the inputs, this room's code, libraries and processor."""
    code = Path(__file__).parent.glob("*.py")
    parts = [
        settings,
        *inputs,
        digest(code),
        *(version(name) for name in ("torch", "transformers", "sentence-transformers")),
        f"{torch.get_num_threads()} {torch.backends.cpu.get_cpu_capability()}",
        device_name(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def workplace(output: Path, name: str, key: str) -> Path:
    """The folder beside an output where work of this key goes on; those of other keys are dropped.

    It is no output: whatever it holds, what a stage writes has the same bytes as without it.
    """
    folder = output.parent / f".{name}-{key}"
    for other in output.parent.glob(f".{name}-*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def once(file: Path, make: Callable[[], Arrays]) -> Arrays:
    """What `make` gives; from the file where it was made before."""
    if not file.is_file():
        part = file.with_name(f"{uuid4().hex}.part")
        save_file(make(), part)
        part.replace(file)
    arrays: Arrays = load_file(file)
    return arrays
