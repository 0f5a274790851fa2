"""Detection of the language of a text, by letters and words (langid; Lui and Baldwin, 2012)."""

from collections.abc import Sequence
from functools import cache

# numpy alone, 4 MB, and better on short texts than fastText's small model; lingua takes 6 ms a text and 96 MB
from py3langid.langid import MODEL_FILE, LanguageIdentifier


@cache
def _load_identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_probability(languages: Sequence[str], text: str) -> float:
    """Return the probability, 0 to 1, that a text is in one of the languages (two letters each)."""
    return float(sum(share for language, share in _load_identifier().rank(text) if language in languages))


def known_languages() -> list[str]:
    """Return the languages that can be detected."""
    return sorted(map(str, _load_identifier().labels))
