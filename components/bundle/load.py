"""Verify a bundle's hashes, then load it."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.films import Films
from components.bundle.histories import Histories
from components.bundle.latest import Latest
from components.bundle.query_encoder import QueryEncoder
from components.bundle.settings import BundleError, BundleSettings
from components.bundle.shelf import Shelf
from components.ethics.filter import EthicsFilter
from components.index.growing import Growing
from components.index.live import LiveSegment
from components.index.segment import Segment
from components.language.lexical import Lexical
from components.language.live_words import LiveWords
from components.language.understanding import Understanding
from components.language.vocabulary import Vocabulary
from components.recommender.factors import Factors
from components.stage import hash_file

FORMAT = 9
MANIFEST = "manifest.json"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest.

    Raises BundleError where it is missing, broken or of another format.
    """
    manifest = _read_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {manifest.get('format')}, not {FORMAT}. Assemble it again: tandem run"
        )
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as fault:
        raise BundleError(
            f"{folder / MANIFEST} cannot be read: {fault}. Assemble the bundle again."
        ) from None
    return manifest


def read_figures(folder: Path) -> dict[str, float]:
    """The figures of a bundle of whatever format, by which another is compared with it.

    Raises BundleError where its manifest cannot be read.
    """
    return dict(_read_manifest(folder).get("metrics", {}))


def read_format(folder: Path) -> int | None:
    """The format of a bundle, of whatever format.

    Raises BundleError where its manifest cannot be read.
    """
    found = _read_manifest(folder).get("format")
    return found if isinstance(found, int) else None


def identity_of(folder: Path) -> str:
    """A bundle is known by its manifest, which holds the hash of every file."""
    return hash_file(folder / MANIFEST)


def verify(folder: Path) -> None:
    """Compare every file with the manifest's hash.

    Raises BundleError naming the first file that is missing or has other bytes.
    """
    for name, expected in read_manifest(folder)["files"].items():
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder / name} is missing. Assemble the bundle again, or fetch the version again."
            )
        if hash_file(folder / name) != expected:
            raise BundleError(f"{folder / name} has changed since it was assembled. Fetch the version again.")


@dataclass(frozen=True)
class Text:
    """A text that was judged harmless: what it means by a vocabulary, and its vector (d,)."""

    meant: Understanding
    vector: NDArray[np.float32]
    vocabulary: Vocabulary


@dataclass(repr=False, eq=False)
class Bundle:
    """A published model in memory: items in order, and everything that ranks them; it takes what changes since.

    identity: the manifest's SHA-256, by which the registry knows the bundle too. encoder_identity: of the text model,
    by which vectors are known. popularity: (i,), the largest is 1. most_popular: the bundle's items in that order.
    texts: the latest that people asked.
    """

    identity: str
    encoder_identity: str
    manifest: dict[str, Any]
    settings: BundleSettings
    shelf: Shelf
    histories: Histories
    films: Films
    encoder: QueryEncoder
    words: LiveWords
    vocabulary: Vocabulary
    ethics: EthicsFilter
    factors: Factors
    text: LiveSegment
    taste: LiveSegment
    popularity: Growing[np.float32]
    most_popular: NDArray[np.int64]
    texts: Latest[Text] = field(default_factory=Latest)

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Verify, then load; what grows with items and people stays memory-mapped.

        Raises BundleError where the bundle is not whole.
        """
        verify(folder)
        manifest = read_manifest(folder)
        factors = Factors.load(folder / "item_factors")
        popularity = factors.relative_popularity
        return cls(
            identity_of(folder),
            _encoder_identity(manifest),
            manifest,
            BundleSettings(**manifest["settings"]),
            Shelf.load(folder / "shelf"),
            Histories.load(folder / "histories"),
            Films.load(folder / "films"),
            QueryEncoder.load(folder / "query_model"),
            LiveWords(Lexical.load(folder / "lexical")),
            Vocabulary.load(folder / "vocabulary.json"),
            EthicsFilter.load(folder / "ethics"),
            factors,
            LiveSegment(Segment.open(folder / "index", "text")),
            LiveSegment(Segment.open(folder / "index", "taste")),
            Growing(popularity),
            np.argsort(-popularity, kind="stable"),
        )

    @property
    def lexical_weight(self) -> float:
        """The share of words in a language score, as it was chosen on validation queries."""
        return float(self.manifest["metrics"]["search.hybrid_weight"])

    @property
    def taste_weight(self) -> float:
        """How much a person's taste counts beside language, as it was chosen on validation people."""
        return float(self.manifest["metrics"]["fusion.taste_weight"])

    @property
    def popularity_weight(self) -> float:
        """How much popularity counts beside language, as it was chosen on validation people."""
        return float(self.manifest["metrics"]["fusion.popularity_weight"])

    @property
    def cold_length(self) -> float:
        """How long the factors of an item are that nobody has met, as it was chosen on validation users."""
        return float(self.manifest["metrics"].get("cold_start.cold_length", 1.0))

    @property
    def learnt_items(self) -> int:
        """How many items the bundle was made with; rows from there on were put since."""
        return len(self.most_popular)


def _encoder_identity(manifest: dict[str, Any]) -> str:
    files = {name: content for name, content in manifest["files"].items() if name.startswith("query_model/")}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
