"""Verify a bundle's hashes, then load it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bundle.histories import Histories
from components.bundle.query_encoder import QueryEncoder
from components.bundle.settings import BundleError, BundleSettings
from components.bundle.shelf import Shelf
from components.catalogue.tables import read_interactions, read_items
from components.ethics.filter import EthicsFilter
from components.index.segment import Segment
from components.language.lexical import Lexical
from components.language.understanding import Vocabulary
from components.recommender.factors import Factors

FORMAT = 1
MANIFEST = "manifest.json"


def hash_file(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest.

    Raises BundleError where it is missing, broken or of another format.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as fault:
        raise BundleError(
            f"{folder / MANIFEST} cannot be read: {fault}. Assemble the bundle again."
        ) from None
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{folder / MANIFEST} has format {manifest.get('format')}, not {FORMAT}. Assemble it again."
        )
    return manifest


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


@dataclass(frozen=True, repr=False)
class Bundle:
    """A published model in memory: items in order, and everything that ranks them.

    identity: the manifest's SHA-256, by which the registry knows the bundle too. popularity: (i,), the largest is 1.
    """

    identity: str
    manifest: dict[str, Any]
    settings: BundleSettings
    shelf: Shelf
    histories: Histories
    encoder: QueryEncoder
    lexical: Lexical
    vocabulary: Vocabulary
    ethics: EthicsFilter
    factors: Factors
    text: Segment
    taste: Segment
    popularity: NDArray[np.float32]

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Verify, then load; the indexes stay memory-mapped.

        Raises BundleError where the bundle is not whole.
        """
        verify(folder)
        manifest = read_manifest(folder)
        settings = BundleSettings(**manifest["settings"])
        items = read_items(folder / "catalogue")
        interactions = read_interactions(folder / "catalogue")
        factors = Factors.load(folder / "item_factors")
        return cls(
            hash_file(folder / MANIFEST),
            manifest,
            settings,
            Shelf.of(items),
            Histories.of(interactions, items["item_id"].tolist(), settings.minimum_rating),
            QueryEncoder.load(folder / "query_model"),
            Lexical.load(folder / "lexical"),
            Vocabulary.of(items),
            EthicsFilter.load(folder / "ethics"),
            factors,
            Segment.open(folder / "index", "text"),
            Segment.open(folder / "index", "taste"),
            factors.popularity / max(float(factors.popularity.max(initial=0)), 1e-9),
        )

    @property
    def lexical_weight(self) -> float:
        """The share of words in a language score, as it was chosen on validation queries."""
        return float(self.manifest["metrics"]["search.hybrid_weight"])
