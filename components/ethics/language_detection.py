"""Whether a text is in a language that the encoder knows, told by its letters and words (langid; Lui and Baldwin, 2012)."""

from collections.abc import Sequence
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from components.ethics.settings import EthicsError

SEGMENT_WORDS, SEGMENT_SHARE = 5, 0.5
MAX_WORDS = 200  # of a text that are looked at piece by piece


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def share_of(languages: Sequence[str], text: str) -> float:
    """How likely it is, 0 to 1, that a text is in one of the languages (two letters each)."""
    return float(sum(share for language, share in _identifier().rank(text) if language in languages))


def is_known(languages: Sequence[str], text: str, least_share: float) -> bool:
    """Whether a text may be in one of the languages: as a whole, or some words of it, amid whatever else there is.

    least_share: how likely it must be of the whole. Otherwise letters by chance would pass for an unknown language.
    """
    if share_of(languages, text) >= least_share:
        return True
    words = text.split()
    starts = range(0, max(1, min(len(words), MAX_WORDS) - SEGMENT_WORDS + 1))
    segments = (" ".join(words[start : start + SEGMENT_WORDS]) for start in starts)
    return any(share_of(languages, segment) >= SEGMENT_SHARE for segment in segments)


def check_languages(languages: Sequence[str]) -> None:
    """Raise EthicsError where a language is none that can be told."""
    known = sorted(_identifier().labels)
    for language in languages:
        if language not in known:
            raise EthicsError(
                f"conf/ethics.yaml, encoder_languages: {language!r} cannot be detected. Use some of {', '.join(known)}."
            )
