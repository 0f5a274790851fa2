"""Judge a text by the votes of banned and benign sentences, each as strong as it is like the text."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from components.ethics.head import likeness, worst
from components.ethics.readings import readings
from components.ethics.settings import EthicsError
from components.ethics.spelling import Spelling
from components.language.encoder import Encoder, Vectors

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """Whether a text is blocked, its score, and the banned sentence that is nearest."""

    blocked: bool
    category: str | None
    score: float
    threshold: float
    sentence: str | None


@dataclass(frozen=True)
class EthicsFilter:
    """Vectors (n, d) of sentences, the b banned ones first, the weights (n,) of their votes, and the threshold."""

    vectors: Vectors
    weights: Vectors
    sentences: list[str]
    categories: list[str]
    sharpness: float
    threshold: float
    window_words: int
    worst_share: float
    log_blocked_texts: bool
    spelling: Spelling

    @classmethod
    def load(cls, folder: Path) -> "EthicsFilter":
        """Read what `save` wrote.

        Raises EthicsError where a file is missing.
        """
        rest, arrays = folder / "filter.json", folder / "votes.safetensors"
        for file in (rest, arrays):
            if not file.is_file():
                raise EthicsError(f"{file} is missing. Make it again: dvc repro ethics")
        values = json.loads(rest.read_text(encoding="utf-8"))
        votes, spelling = load_file(arrays), Spelling(values.pop("spelling"))
        # Number by number, as a product with one text then reads memory in half the time
        return cls(np.asfortranarray(votes["vectors"]), votes["weights"], **values, spelling=spelling)

    def save(self, folder: Path) -> None:
        """Write vectors and weights as safetensors and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        # Text by text, as safetensors writes memory as it lies
        arrays = {"vectors": np.ascontiguousarray(self.vectors), "weights": self.weights}
        save_file(arrays, folder / "votes.safetensors")
        rest = {key: value for key, value in vars(self).items() if key not in arrays}
        (folder / "filter.json").write_text(
            json.dumps(rest | {"spelling": self.spelling.words}, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )

    def judge(self, text: str, encoder: Encoder) -> Verdict:
        """Judge a text by its worst readings, and log it where it is blocked."""
        verdict = self.verdict_on(text, encoder)
        if verdict.blocked:
            shown = f": {text!r}" if self.log_blocked_texts else ""
            LOG.warning(
                "blocked a text%s (%s, score %.2f, near to %r)",
                shown, verdict.category, verdict.score, verdict.sentence,
            )  # fmt: skip
        return verdict

    def verdict_on(self, text: str, encoder: Encoder) -> Verdict:
        """Judge a text by its worst readings, and log nothing."""
        return self.verdict(encoder.encode(self.readings(text, encoder)))

    def readings(self, text: str, encoder: Encoder) -> list[str]:
        """Each way to read a text."""
        return readings(text, self.window_words, self.spelling, encoder.knows)

    def scores(self, vectors: Vectors) -> Vectors:
        """Sum of all votes on each reading (r, d): about 1 for what is banned, -1 for what is not."""
        votes: Vectors = likeness(vectors, self.vectors, self.sharpness) @ self.weights
        return votes

    def verdict(self, vectors: Vectors) -> Verdict:
        """Judge a text by the vectors of its readings (r, d)."""
        scores = self.scores(vectors)
        score = round(worst(scores, self.worst_share), 6)
        if score <= self.threshold:
            return Verdict(False, None, score, self.threshold, None)
        nearest = int((self.vectors[: len(self.sentences)] @ vectors[scores.argmax()]).argmax())
        return Verdict(True, self.categories[nearest], score, self.threshold, self.sentences[nearest])
