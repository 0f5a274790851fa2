"""What a misspelt word of a query may mean: the nearest known word, of equally near ones the most frequent."""

from collections import defaultdict
from collections.abc import Mapping

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

SHORTEST = 4  # letters of a word that is mended
LONG = 8  # letters from which on a word may have two slips: a letter too many, too few, wrong, or two swapped


class Spelling:
    """Known words with the number of texts that have them, by their first letter, which is seldom wrong but swapped."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self._words: defaultdict[str, list[str]] = defaultdict(list)
        for word in counts:
            if word.isalpha() and len(word) >= SHORTEST:
                self._words[word[0]].append(word)

    def meant(self, word: str) -> str | None:
        """The word that may be meant; None where all are further away than slips explain."""
        if not word.isalpha() or len(word) < SHORTEST:
            return None
        slips = 2 if len(word) >= LONG else 1
        near = [
            (distance, -self._counts[known], known)
            for letter in {word[0], word[1]}
            for known, distance, _ in extract(
                word, self._words.get(letter, ()), scorer=OSA.distance, score_cutoff=slips, limit=None
            )
        ]
        return min(near)[2] if near else None
