"""The sentences that the filter learnt from, with their vectors, to explain why a text is blocked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from components.ethics.settings import EthicsError
from components.query_model.onnx_encoder import Vectors

SENTENCES, VECTORS = "sentences.parquet", "vectors.npy"


@dataclass(frozen=True)
class KnownSentences:
    """Sentences (text, kind, banned, category, severity, language) and their unit vectors (n, d)."""

    texts: pd.DataFrame
    vectors: Vectors

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises EthicsError where it is missing.
        """
        if not (folder / SENTENCES).is_file():
            raise EthicsError(f"{folder / SENTENCES} is missing. Make it again: dvc repro ethics")
        return cls(pd.read_parquet(folder / SENTENCES), np.load(folder / VECTORS).astype(np.float32))

    def save(self, folder: Path) -> None:
        """Write the sentences as Parquet and the vectors in 16 bits."""
        folder.mkdir(parents=True, exist_ok=True)
        self.texts.to_parquet(folder / SENTENCES, index=False)
        np.save(folder / VECTORS, self.vectors.astype(np.float16))

    def find_nearest(self, vector: Vectors, banned: bool, count: int) -> list[tuple[str, str, float]]:
        """Return the sentences nearest to a vector (d,), the nearest first: text, category or kind, cosine."""
        rows = np.flatnonzero(self.texts["banned"].to_numpy(bool) == banned)
        cosines = self.vectors[rows] @ vector
        best = np.argsort(-cosines)[:count]
        nearest = self.texts.iloc[rows[best]]
        labels = nearest["category" if banned else "kind"]  # harmless sentences have no category
        return list(zip(map(str, nearest["text"]), map(str, labels), cosines[best].tolist(), strict=True))
