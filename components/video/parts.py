"""Arrays already made of films, one file a film, so that a run goes on where another was ended."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.stage import Settings, digest

Arrays = dict[str, NDArray[Any]]
Shot = tuple[int, int, float, float]
LIBRARIES = ("av", "decord", "numpy", "onnxruntime", "torch")


@dataclass(frozen=True)
class Film:
    """A film as a stage meets it; its shots are (first frame, one past the last, start, end in seconds)."""

    video_id: str
    path: str
    sha256: str
    frames: int = 0
    shots: tuple[Shot, ...] = ()


class Parts:
    """A folder of arrays, named by all that they were made from: a film's content, shots, settings, code, libraries."""

    def __init__(self, folder: Path, made_from: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.made_from = folder, dict(made_from)

    @classmethod
    def of(
        cls, folder: Path, modules: list[str], settings: Settings, keys: list[str], weights: str = ""
    ) -> Self:
        """The parts that these modules (their files) make with these keys of the settings and these weights."""
        return cls(
            folder,
            {
                "code": digest(Path(module) for module in modules),
                "settings": {key: getattr(settings, key) for key in keys},
                "weights": weights,
                "libraries": {name: version(name) for name in LIBRARIES},
            },
        )

    def name(self, film: Film) -> str:
        """Digest of all that the arrays of a film are made from; where it lies and what it is called are not."""
        given = {name: value for name, value in asdict(film).items() if name not in ("video_id", "path")}
        return hashlib.sha256(json.dumps([self.made_from, given], sort_keys=True).encode()).hexdigest()

    def __contains__(self, film: Film) -> bool:
        return zipfile.is_zipfile(self._file(film))

    def read(self, film: Film) -> Arrays:
        """The arrays of a film."""
        with np.load(self._file(film), allow_pickle=False) as file:
            return dict(file)

    def write(self, film: Film, arrays: Arrays) -> None:
        """Keep the arrays of a film; they appear whole or not at all."""
        part = self.folder / f".part-{os.getpid()}-{self.name(film)}.npz"
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._file(film))

    def forget_all_but(self, films: list[Film]) -> None:
        """Remove what no film here is described by, and what ended runs have left half-written."""
        kept = {self._file(film) for film in films}
        for file in set(self.folder.iterdir()) - kept:
            file.unlink()

    def _file(self, film: Film) -> Path:
        return self.folder / f"{self.name(film)}.npz"
