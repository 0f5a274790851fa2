"""The filter: it judges a text by the vectors of the whole and of its windows, from one pass of the encoder."""

import json
import logging
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from components.ethics.classifier import LANDMARKS, WEIGHTS, HarmClassifier
from components.ethics.disguise_spelling import DisguiseSpelling
from components.ethics.language_detection import is_in_languages
from components.ethics.settings import EthicsError
from components.ethics.text_variants import canonicalize_text, decode_disguise
from components.query_model.onnx_encoder import OnnxEncoder, Vectors

LOG = logging.getLogger(__name__)
FILTER = "filter.json"
FILES = FILTER, LANDMARKS, WEIGHTS
EXAMPLES = "examples.csv"  # texts (text, banned) by which filters are compared


@dataclass(frozen=True)
class HarmVerdict:
    """Whether a text is blocked, its score and threshold, and its category and severity if it is blocked.

    worst_span: the vector (d,) of the part of the text that scores highest.
    """

    blocked: bool
    category: str | None
    severity: int | None
    score: float
    threshold: float
    worst_span: Vectors


@dataclass(frozen=True)
class EthicsFilter:
    """A classifier, its thresholds for texts in the encoder's languages and in others, and how texts are read."""

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

        Raises EthicsError where a file is missing or damaged.
        """
        for name in FILES:
            if not (folder / name).is_file():
                raise EthicsError(f"{folder / name} is missing. Make it again: dvc repro ethics")
        try:
            values = json.loads((folder / FILTER).read_text(encoding="utf-8"))
            classifier = HarmClassifier.load(folder, values.pop("sharpness"), values.pop("categories"))
            spelling = DisguiseSpelling(values.pop("words"), values.pop("alarming"))
            return cls(classifier, spelling, **values)
        # numpy raises EOFError for an empty file; a missing or unknown key is a TypeError of the constructor
        except (ValueError, TypeError, KeyError, EOFError) as error:
            raise EthicsError(f"{folder} cannot be read: {error}. Make it again: dvc repro ethics") from None

    def save(self, folder: Path) -> None:
        """Write the classifier as arrays and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        self.classifier.save(folder)
        values: dict[str, Any] = vars(self).copy()
        del values["classifier"], values["spelling"]
        values |= {"sharpness": self.classifier.sharpness, "categories": self.classifier.categories}
        values |= {"words": self.spelling.words, "alarming": self.spelling.alarming}
        text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
        (folder / FILTER).write_text(text, encoding="utf-8")

    def list_variants(self, text: str, encoder: OnnxEncoder) -> list[str]:
        """Return the canonical text, and what it may mean where it shows signs of a disguise."""
        canonical = canonicalize_text(text)
        decoded = decode_disguise(canonical, self.spelling, encoder.knows)
        return [canonical] if decoded is None else [canonical, decoded]

    def log_blocked(self, text: str, verdict: HarmVerdict) -> HarmVerdict:
        """Log a text that is blocked, and return the verdict."""
        if verdict.blocked:
            shown = f": {text!r}" if self.log_blocked_texts else ""
            kind = f"{verdict.category}, severity {verdict.severity}"
            LOG.warning(
                f"blocked a text{shown} ({kind}, score {verdict.score:.2f}, line {verdict.threshold:.2f})"
            )
        return verdict

    def judge_text(self, text: str, encoder: OnnxEncoder) -> HarmVerdict:
        """Return the verdict on a text, and log nothing."""
        variants = self.list_variants(text, encoder)
        return self.judge_variants(variants, encoder.encode_spans(variants, self.window_tokens))

    def judge_variants(self, variants: list[str], spans: list[Vectors]) -> HarmVerdict:
        """Return the worst verdict on the variants of a text, by the vectors (s, d) of the spans of each."""
        verdicts = starmap(self._judge_variant, zip(variants, spans, strict=True))
        # By the margin and not the score: variants in two languages may have two thresholds
        return max(verdicts, key=lambda verdict: verdict.score - verdict.threshold)

    def _judge_variant(self, variant: str, spans: Vectors) -> HarmVerdict:
        scores = self.classifier.score_harm(spans)
        scores[1:] -= self.window_margin  # the first span is the whole text
        worst = int(scores.argmax())
        score, span = round(float(scores[worst]), 6), spans[worst]  # to as many digits as the threshold
        threshold = self.choose_threshold(variant, score)
        blocked = score > threshold
        category, severity = self.classifier.predict_category(span) if blocked else (None, None)
        return HarmVerdict(
            blocked, category, severity=severity, score=score, threshold=threshold, worst_span=span
        )

    def choose_threshold(self, variant: str, score: float) -> float:
        """Return the threshold for a variant, by its language."""
        # The language is detected only where it decides
        differs = self.threshold < score <= self.other_language_threshold
        if differs and not is_in_languages(self.encoder_languages, variant, self.encoder_language_share):
            return self.other_language_threshold
        return self.threshold
