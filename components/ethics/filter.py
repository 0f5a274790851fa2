"""Judge a text by its likeness to banned sentences, pulled back by its likeness to benign ones."""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from components.ethics.settings import EthicsError
from components.language.encoder import Encoder, Vectors

LEET = str.maketrans("013457@$!|", "oieastasil")
SPACED = re.compile(r"\b(?:\w[\s.\-_*]){3,}\w\b")


@dataclass(frozen=True)
class Verdict:
    """Whether a text is blocked, how near it came, and to which sentence."""

    blocked: bool
    category: str | None
    score: float
    threshold: float
    sentence: str | None


@dataclass(frozen=True)
class EthicsFilter:
    """Banned (b, d) and benign (n, d) vectors, how strongly the benign pull back, and the threshold."""

    banned: Vectors
    benign: Vectors
    sentences: list[str]
    categories: list[str]
    contrast: float
    threshold: float
    window_words: int
    maximum_windows: int

    @classmethod
    def load(cls, folder: Path) -> "EthicsFilter":
        """Read what `save` wrote.

        Raises EthicsError where a file is missing.
        """
        if not (folder / "filter.json").is_file():
            raise EthicsError(f"{folder / 'filter.json'} is missing. Run the stage ethics again.")
        arrays = load_file(folder / "vectors.safetensors")
        return cls(arrays["banned"], arrays["benign"], **json.loads((folder / "filter.json").read_text()))

    def save(self, folder: Path) -> None:
        """Write vectors as safetensors and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"banned": self.banned, "benign": self.benign}, folder / "vectors.safetensors")
        rest = {key: value for key, value in vars(self).items() if key not in ("banned", "benign")}
        (folder / "filter.json").write_text(json.dumps(rest, indent=1, ensure_ascii=False) + "\n")

    def judge(self, text: str, encoder: Encoder) -> Verdict:
        """Judge a text as it is written and as it may be meant, long ones window by window."""
        readings = list(dict.fromkeys([*self.windows(text), *self.windows(plain(text))]))
        return self.judge_vectors(encoder.encode(readings))

    def judge_vectors(self, vectors: Vectors) -> Verdict:
        """Judge one text by the vectors (readings, d) of its readings: the worst of them counts."""
        near = vectors @ self.banned.T
        scores = score(near.max(axis=1), (vectors @ self.benign.T).max(axis=1), self.contrast)
        worst = int(scores.argmax())
        nearest = int(near[worst].argmax())
        blocked = bool(scores[worst] > self.threshold)
        category, sentence = (self.categories[nearest], self.sentences[nearest]) if blocked else (None, None)
        return Verdict(blocked, category, round(float(scores[worst]), 6), self.threshold, sentence)

    def windows(self, text: str) -> list[str]:
        """A text, or its overlapping windows if it is long, spread over all of it if they are many."""
        words = text.split()
        if len(words) <= self.window_words:
            return [text[:2000]]
        starts = list(range(0, len(words) - self.window_words // 2, self.window_words // 2))
        chosen = np.unique(
            np.linspace(0, len(starts) - 1, min(len(starts), self.maximum_windows)).astype(int)
        )
        return [" ".join(words[starts[n] : starts[n] + self.window_words])[:2000] for n in chosen]


def score(banned: Vectors, benign: Vectors, contrast: float) -> Vectors:
    """Likeness to banned sentences less a share of what a benign look-alike exceeds it by, or comes near it."""
    pulled: Vectors = banned - contrast * np.maximum(benign - banned + 0.1, 0)
    return pulled


def plain(text: str) -> str:
    """A text without disguise: look-alike letters, digits for letters, letters spaced out."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or text
    joined = SPACED.sub(lambda found: re.sub(r"[\s.\-_*]", "", found[0]), folded)
    words = [word.translate(LEET) if re.search(r"[a-zA-Z]", word) else word for word in joined.split()]
    return " ".join(words).lower()
