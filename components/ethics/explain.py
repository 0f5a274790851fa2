"""Why a text is blocked, or how far it is from that: for staff who look after the lists."""

from dataclasses import dataclass
from pathlib import Path

from components.ethics.filter import EthicsFilter, HarmVerdict
from components.ethics.known_sentences import KnownSentences
from components.ethics.text_variants import as_written
from components.query_model.onnx_encoder import OnnxEncoder

MAX_WORDS = 40  # of a text whose words are tried one by one


@dataclass(frozen=True)
class Explanation:
    """A verdict, how the text was read, the nearest sentences (text, category or kind, cosine), and what tips it.

    words: each word with how much the score falls without it, the largest fall first.
    """

    verdict: HarmVerdict
    readings: list[str]
    banned: list[tuple[str, str, float]]
    benign: list[tuple[str, str, float]]
    words: list[tuple[str, float]]


def explain(text: str, ethics: Path, sentences: Path, query_model: Path, count: int = 3) -> Explanation:
    """Judge a text by the filter of a workspace, and say why.

    Raises EthicsError or LanguageError where the filter, the sentences or the query model cannot be read.
    """
    guard, known, encoder = (
        EthicsFilter.load(ethics),
        KnownSentences.load(sentences),
        OnnxEncoder.load(query_model),
    )
    verdict = guard.verdict_on(text, encoder)
    return Explanation(
        verdict,
        guard.readings(text, encoder),
        known.nearest(verdict.tipping, banned=True, count=count),
        known.nearest(verdict.tipping, banned=False, count=count),
        tipping_words(text, verdict, guard, encoder)[:count],
    )


def tipping_words(
    text: str, verdict: HarmVerdict, guard: EthicsFilter, encoder: OnnxEncoder
) -> list[tuple[str, float]]:
    """Each word of a text with how much its score falls without that word, the largest fall first."""
    words = as_written(text).split()[:MAX_WORDS]
    falls = []
    for place, word in enumerate(words):
        rest = " ".join(words[:place] + words[place + 1 :])
        falls.append((word, round(verdict.score - guard.verdict_on(rest, encoder).score, 3)))
    return sorted(falls, key=lambda pair: -pair[1])
