"""A cache of the arrays already made from films, so that a killed run continues where it stopped."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from components.core.content_cache import ArrayCache, Arrays, cache_key
from components.core.content_hash import hash_modules
from components.core.settings import Settings

Shot = tuple[int, int, float, float]
# A new release of one of these may decode or round differently, so arrays of the old one are not reused
LIBRARIES = ("av", "decord", "numpy", "onnxruntime", "torch")


@dataclass(frozen=True)
class FilmInput:
    """A film as a stage reads it; its shots are (first frame, one past the last, start, end in seconds)."""

    video_id: str
    path: str
    sha256: str
    frames: int = 0
    shots: tuple[Shot, ...] = ()


class FeatureCache:
    """Arrays of films, addressed by a film's content and shots, and by settings, code, weights and libraries."""

    def __init__(self, folder: Path, made_from: dict[str, Any]) -> None:
        self.arrays, self.made_from = ArrayCache(folder), made_from

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        modules: Iterable[str],
        settings: Settings,
        keys: Iterable[str],
        weights: str = "",
    ) -> Self:
        """Open the cache of what these modules make with these keys of the settings and these weights."""
        made_from = {
            "code": hash_modules(*modules),
            "settings": {key: getattr(settings, key) for key in keys},
            "weights": weights,
            "libraries": dict(zip(LIBRARIES, map(version, LIBRARIES), strict=True)),
        }
        return cls(folder, made_from)

    def film_key(self, film: FilmInput) -> str:
        """Return the key of a film, which does not depend on its path and its id."""
        content = asdict(film)
        # A film that moved or belongs to another item is the same film, and is not decoded again
        del content["video_id"], content["path"]
        return cache_key(self.made_from, content)

    def __contains__(self, film: FilmInput) -> bool:
        return self.film_key(film) in self.arrays

    def read(self, film: FilmInput) -> Arrays:
        """Read the arrays of a film."""
        return self.arrays.read(self.film_key(film))

    def write(self, film: FilmInput, arrays: Arrays) -> None:
        """Store the arrays of a film."""
        self.arrays.write(self.film_key(film), arrays)

    def keep_only(self, films: Iterable[FilmInput]) -> None:
        """Remove the arrays of all other films."""
        self.arrays.keep_only(map(self.film_key, films))
