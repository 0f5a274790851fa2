"""An explanation why a text is blocked, or how far it is from that, for staff who edit the lists."""

from dataclasses import dataclass
from pathlib import Path

from components.ethics.filter import EthicsFilter, HarmVerdict
from components.ethics.known_sentences import KnownSentences
from components.ethics.text_variants import canonicalize_text
from components.query_model.onnx_encoder import OnnxEncoder

MAX_WORDS = 40  # each word costs one more pass of the encoder


@dataclass(frozen=True)
class Explanation:
    """A verdict, the variants of the text, the nearest sentences (text, category or kind, cosine), and what tips it.

    words: each word with how much the score falls without it, the largest fall first.
    """

    verdict: HarmVerdict
    variants: list[str]
    banned: list[tuple[str, str, float]]
    benign: list[tuple[str, str, float]]
    words: list[tuple[str, float]]


def explain_text(text: str, ethics: Path, sentences: Path, query_model: Path, count: int = 3) -> Explanation:
    """Judge a text by the filter of a workspace, and return the reasons.

    Raises EthicsError or QueryModelError where the filter, the sentences or the query model cannot be read.
    """
    guard, known = EthicsFilter.load(ethics), KnownSentences.load(sentences)
    encoder = OnnxEncoder.load(query_model)
    verdict = guard.judge_text(text, encoder)
    return Explanation(
        verdict=verdict,
        variants=guard.list_variants(text, encoder),
        banned=known.find_nearest(verdict.worst_span, banned=True, count=count),
        benign=known.find_nearest(verdict.worst_span, banned=False, count=count),
        words=find_tipping_words(text, verdict, guard=guard, encoder=encoder)[:count],
    )


def find_tipping_words(
    text: str, verdict: HarmVerdict, guard: EthicsFilter, encoder: OnnxEncoder
) -> list[tuple[str, float]]:
    """Return each word of a text with how much the score falls without it, the largest fall first."""
    words = canonicalize_text(text).split()[:MAX_WORDS]
    falls = []
    for position, word in enumerate(words):
        rest = " ".join(words[:position] + words[position + 1 :])
        falls.append((word, round(verdict.score - guard.judge_text(rest, encoder).score, 3)))
    return sorted(falls, key=lambda pair: -pair[1])
