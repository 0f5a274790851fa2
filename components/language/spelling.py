"""What a misspelt word may mean: the nearest known words."""

import re
from collections import defaultdict
from collections.abc import Mapping

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract
from wordfreq import zipf_frequency

WORD = re.compile(r"[^\W\d_]+")
SHORTEST = 4  # letters of a word that is mended
RIGHT = 2.0  # Zipf's scale: English texts have a word once in ten million words, or more often
LONG = 8  # letters from which on a word may have two slips: a letter too many, too few, wrong, or two swapped


class Spelling:
    """Known words with the number of texts that have them.

    What English texts have often enough (wordfreq; Speer, 2022) is right too, though no text here has it.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = {word: count for word, count in counts.items() if _can_be_mended(word)}
        self._by_length: defaultdict[int, list[str]] = defaultdict(list)
        for word in self.counts:
            self._by_length[len(word)].append(word)

    def __contains__(self, word: str) -> bool:
        """Whether a word, or what it is the plural of, is known, here or in English."""
        return (
            word in self.counts
            or word.removesuffix("s") in self.counts
            or zipf_frequency(word, "en") >= RIGHT
        )

    def near(self, word: str) -> list[str]:
        """The nearest known words; none where all are further away than slips explain."""
        if not _can_be_mended(word):
            return []
        slips = 2 if len(word) >= LONG else 1
        found = [
            (distance, known)
            for length in range(len(word) - slips, len(word) + slips + 1)
            for known, distance, _ in extract(
                word, self._by_length.get(length, ()), scorer=OSA.distance, score_cutoff=slips, limit=None
            )
        ]
        least = min(found, default=(0, ""))[0]
        return [known for distance, known in found if distance == least]


def respelt(text: str, meant: Mapping[str, str]) -> str:
    """A text with other words in place of some."""
    return WORD.sub(lambda found: meant.get(found[0].lower(), found[0]), text)


def _can_be_mended(word: str) -> bool:
    return word.isalpha() and len(word) >= SHORTEST
