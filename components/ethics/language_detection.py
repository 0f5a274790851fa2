"""Detection whether a text is in a language that the encoder knows."""

from collections.abc import Sequence

from components.core.language_detection import known_languages, language_probability
from components.ethics.settings import EthicsError

SEGMENT_WORDS, MIN_SEGMENT_PROBABILITY = 5, 0.5
MAX_WORDS = 200  # the segments of longer texts would each cost a detection


def is_in_languages(languages: Sequence[str], text: str, min_probability: float) -> bool:
    """Return whether a text may be in one of the languages, as a whole or in some words amid other text.

    min_probability: of the whole text. A low one keeps random letters from passing for an unknown language.
    """
    if language_probability(languages, text) >= min_probability:
        return True
    words = text.split()[:MAX_WORDS]
    for start in range(max(1, len(words) - SEGMENT_WORDS + 1)):
        segment = " ".join(words[start : start + SEGMENT_WORDS])
        if language_probability(languages, segment) >= MIN_SEGMENT_PROBABILITY:
            return True
    return False


def check_languages(languages: Sequence[str]) -> None:
    """Raise EthicsError where a language cannot be detected."""
    known = known_languages()
    for language in languages:
        if language not in known:
            raise EthicsError(
                f"conf/ethics.yaml, encoder_languages: {language!r} cannot be detected. Use some of {', '.join(known)}."
            )
