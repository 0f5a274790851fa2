"""Judge a text by the votes of banned and benign sentences, each as strong as it is like the text."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.ethics.compact import CompactVectors
from components.ethics.head import likeness, worst
from components.ethics.readings import readings
from components.ethics.settings import EthicsError
from components.ethics.spelling import Spelling
from components.language.encoder import Encoder, Vectors

LOG = logging.getLogger(__name__)
FILES = "filter.json", "vectors.onnx", "weights.npy"


@dataclass(frozen=True)
class Verdict:
    """Whether a text is blocked, its score, and of the banned sentence that is nearest its category and severity, 1 to 3."""

    blocked: bool
    category: str | None
    severity: int | None
    score: float
    threshold: float
    sentence: str | None


@dataclass(frozen=True)
class EthicsFilter:
    """Vectors (n, d) of sentences, the b banned ones first, the weights (n,) of their votes, and the threshold."""

    vectors: CompactVectors
    weights: Vectors
    sentences: list[str]
    categories: list[str]
    severities: list[int]
    sharpness: float
    threshold: float
    window_words: int
    worst_share: float
    log_blocked_texts: bool
    spelling: Spelling

    @classmethod
    def load(cls, folder: Path) -> "EthicsFilter":
        """Read what `save` wrote.

        Raises EthicsError where a file is missing or is not what `save` wrote.
        """
        rest, vectors, weights = (folder / name for name in FILES)
        for file in (rest, vectors, weights):
            if not file.is_file():
                raise EthicsError(f"{file} is missing. Make it again: dvc repro ethics")
        try:
            values = json.loads(rest.read_text(encoding="utf-8"))
            spelling = Spelling(values.pop("spelling"))
            return cls(CompactVectors.load(vectors), np.load(weights), **values, spelling=spelling)
        except Exception as fault:  # onnxruntime raises bare exceptions
            raise EthicsError(f"{folder} cannot be read: {fault}. Make it again: dvc repro ethics") from None

    def save(self, folder: Path) -> None:
        """Write the vectors as ONNX, the weights as an array and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        rest, vectors, weights = (folder / name for name in FILES)
        self.vectors.save(vectors)
        np.save(weights, self.weights)
        others = {key: value for key, value in vars(self).items() if key not in ("vectors", "weights")}
        rest.write_text(
            json.dumps(others | {"spelling": self.spelling.words}, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )

    def judge(self, text: str, encoder: Encoder, searched: Vectors | None = None) -> Verdict:
        """Judge a text by its worst readings, and log it where it is blocked.

        searched: the vector (d,) with which items are searched for it, judged too: search leaves out words that could
        hide a request, such as refused colours.
        """
        verdict = self.verdict_on(text, encoder, searched)
        if verdict.blocked:
            shown = f": {text!r}" if self.log_blocked_texts else ""
            LOG.warning(
                "blocked a text%s (%s, severity %d, score %.2f, near to %r)",
                shown, verdict.category, verdict.severity, verdict.score, verdict.sentence,
            )  # fmt: skip
        return verdict

    def verdict_on(self, text: str, encoder: Encoder, searched: Vectors | None = None) -> Verdict:
        """Judge a text as `judge` does, and log nothing."""
        return self.verdict(encoder.encode(self.readings(text, encoder)), searched)

    def readings(self, text: str, encoder: Encoder) -> list[str]:
        """Each way to read a text."""
        return readings(text, self.window_words, self.spelling, encoder)

    def scores(self, vectors: Vectors) -> Vectors:
        """Sum of all votes on each reading (r, d): about 1 for what is banned, -1 for what is not."""
        return self._votes(self.vectors.cosines(vectors))

    def verdict(self, vectors: Vectors, searched: Vectors | None = None) -> Verdict:
        """Judge a text by the vectors of its readings (r, d), and by the one (d,) with which items are searched for it."""
        cosines = self.vectors.cosines(vectors if searched is None else np.vstack([vectors, searched]))
        scores = self._votes(cosines)
        highest = [worst(scores[: len(vectors)], self.worst_share), *map(float, scores[len(vectors) :])]
        score = round(max(highest), 6)
        if score <= self.threshold:
            return Verdict(False, None, None, score, self.threshold, None)
        nearest = int(cosines[scores.argmax(), : len(self.sentences)].argmax())
        return Verdict(
            True,
            self.categories[nearest],
            self.severities[nearest],
            score,
            self.threshold,
            self.sentences[nearest],
        )

    def _votes(self, cosines: Vectors) -> Vectors:
        votes: Vectors = likeness(cosines, self.sharpness) @ self.weights
        return votes
