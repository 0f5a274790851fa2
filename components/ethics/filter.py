"""Judge a text by a classifier of its vector, and of those of its windows, which one pass of the encoder gives."""

import json
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from components.ethics.classifier import LANDMARKS, WEIGHTS, HarmClassifier
from components.ethics.language_detection import is_known
from components.ethics.settings import EthicsError
from components.ethics.spelling import DisguiseSpelling
from components.ethics.text_variants import as_meant, as_written
from components.query_model.onnx_encoder import OnnxEncoder
from components.text_model.encoder import Vectors

LOG = logging.getLogger(__name__)
FILTER = "filter.json"
FILES = FILTER, LANDMARKS, WEIGHTS
EXAMPLES = "examples.csv"  # texts (text, banned) by which filters are compared


@dataclass(frozen=True)
class HarmVerdict:
    """Whether a text is blocked, its score and the line that it was held against; category and severity if it is.

    tipping: the vector (d,) of the part of the text that scores highest.
    """

    blocked: bool
    category: str | None
    severity: int | None
    score: float
    threshold: float
    tipping: Vectors


@dataclass(frozen=True)
class EthicsFilter:
    """A classifier, the lines for texts that the encoder knows the language of and for others, and how a text is read."""

    classifier: HarmClassifier
    spelling: DisguiseSpelling
    threshold: float
    other_language_threshold: float
    encoder_languages: list[str]
    encoder_language_share: float
    window_tokens: int
    window_margin: float
    log_blocked_texts: bool

    @classmethod
    def load(cls, folder: Path) -> "EthicsFilter":
        """Read what `save` wrote.

        Raises EthicsError where a file is missing or is not what `save` wrote.
        """
        for name in FILES:
            if not (folder / name).is_file():
                raise EthicsError(f"{folder / name} is missing. Make it again: dvc repro ethics")
        try:
            values = json.loads((folder / FILTER).read_text(encoding="utf-8"))
            classifier = HarmClassifier.load(folder, values.pop("sharpness"), values.pop("categories"))
            spelling = DisguiseSpelling(values.pop("words"), values.pop("alarming"))
            return cls(classifier, spelling, **values)
        except (ValueError, TypeError, KeyError, EOFError) as fault:
            raise EthicsError(f"{folder} cannot be read: {fault}. Make it again: dvc repro ethics") from None

    def save(self, folder: Path) -> None:
        """Write the classifier as arrays and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        self.classifier.save(folder)
        own: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("classifier", "spelling")
        }
        own |= {"sharpness": self.classifier.sharpness, "categories": self.classifier.categories}
        own |= {"words": self.spelling.words, "alarming": self.spelling.alarming}
        (folder / FILTER).write_text(json.dumps(own, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def readings(self, text: str, encoder: OnnxEncoder) -> list[str]:
        """The text as it is written, and as it may be meant where it shows signs of a disguise."""
        written = as_written(text)
        meant = as_meant(written, self.spelling, encoder.knows)
        return [written] if meant is None else [written, meant]

    def log(self, text: str, verdict: HarmVerdict) -> HarmVerdict:
        """Log a text that is blocked; gives the verdict."""
        if verdict.blocked:
            shown = f": {text!r}" if self.log_blocked_texts else ""
            LOG.warning(
                "blocked a text%s (%s, severity %d, score %.2f, line %.2f)",
                shown, verdict.category, verdict.severity, verdict.score, verdict.threshold,
            )  # fmt: skip
        return verdict

    def verdict_on(self, text: str, encoder: OnnxEncoder) -> HarmVerdict:
        """Judge a text, and log nothing."""
        readings = self.readings(text, encoder)
        return self.verdict(readings, encoder.encode_spans(readings, self.window_tokens))

    def verdict(self, readings: list[str], spans: list[Vectors]) -> HarmVerdict:
        """Judge a text by the vectors of the spans (s, d) of each of its readings; the reading that is worst counts."""
        judged = [
            self._judge_reading(reading, vectors) for reading, vectors in zip(readings, spans, strict=True)
        ]
        return max(judged, key=lambda verdict: verdict.score - verdict.threshold)

    def _judge_reading(self, reading: str, spans: Vectors) -> HarmVerdict:
        scores = self.classifier.harm(spans)
        scores[1:] -= self.window_margin
        worst = int(scores.argmax())
        score, tipping = round(float(scores[worst]), 6), spans[worst]
        line = self.line_for(reading, score)
        if score <= line:
            return HarmVerdict(False, None, None, score, line, tipping)
        category, severity = self.classifier.category(tipping)
        return HarmVerdict(True, category, severity, score, line, tipping)

    def line_for(self, reading: str, score: float) -> float:
        """The line for a reading, by its language; the language is asked only where the lines would differ."""
        differs = self.threshold < score <= self.other_language_threshold
        if differs and not is_known(self.encoder_languages, reading, self.encoder_language_share):
            return self.other_language_threshold
        return self.threshold
