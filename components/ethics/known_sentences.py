"""The sentences that the filter learnt from, with their vectors, for people who ask why a text is blocked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from components.ethics.settings import EthicsError
from components.text_model.encoder import Vectors

SENTENCES, VECTORS = "sentences.parquet", "vectors.npy"


@dataclass(frozen=True)
class KnownSentences:
    """Sentences (text, kind, banned, category, severity, language) and their unit vectors (n, d)."""

    texts: pd.DataFrame
    vectors: Vectors

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises EthicsError where it is not there.
        """
        if not (folder / SENTENCES).is_file():
            raise EthicsError(f"{folder / SENTENCES} is missing. Make it again: dvc repro ethics")
        return cls(pd.read_parquet(folder / SENTENCES), np.load(folder / VECTORS).astype(np.float32))

    def save(self, folder: Path) -> None:
        """Write the sentences as Parquet and the vectors in 16 bits."""
        folder.mkdir(parents=True, exist_ok=True)
        self.texts.to_parquet(folder / SENTENCES, index=False)
        np.save(folder / VECTORS, self.vectors.astype(np.float16))

    def nearest(self, vector: Vectors, banned: bool, count: int) -> list[tuple[str, str, float]]:
        """The sentences nearest to a vector (d,), the nearest first: text, category or kind, cosine."""
        rows = np.flatnonzero(self.texts["banned"].to_numpy(bool) == banned)
        cosines = self.vectors[rows] @ vector
        label = "category" if banned else "kind"
        return [
            (
                str(self.texts["text"].iloc[rows[place]]),
                str(self.texts[label].iloc[rows[place]]),
                float(cosines[place]),
            )
            for place in np.argsort(-cosines)[:count]
        ]
