"""Correct misspelt words of a query to the nearest words that the catalogue's texts have."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract
from wordfreq import zipf_frequency

from components.search.bm25 import MIN_PART_LETTERS, BM25Index
from components.search.tokenizer import letters_alone, parts, unstemmed

WORD = re.compile(r"[^\W\d_]+")
MIN_LETTERS = 4  # of a word that is corrected
MIN_ENGLISH = (
    2.0  # Zipf's scale: a word that English texts have once in ten million words, or more often, is right
)
TWO_EDIT_LETTERS = (
    8  # from which on a word may have two edits: a letter too many, too few, wrong, or two swapped
)


class SpellingCorrector:
    """Known words with the number of texts that have them.

    A word that English texts have often enough (wordfreq; Speer, 2022) is right too, though no text here has it.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = {word: count for word, count in counts.items() if _is_correctable(word)}
        self._by_length: defaultdict[int, list[str]] = defaultdict(list)
        for word in self.counts:
            self._by_length[len(word)].append(word)

    @classmethod
    def from_texts(cls, texts: Iterable[str], query_words: Iterable[str] = ()) -> Self:
        """Learn the words of texts; query_words: words that queries say and that need not be in any text."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(set(unstemmed(text)))
        return cls(dict.fromkeys(query_words, 0) | counts)

    def save(self, file: Path) -> None:
        """Write the words and their counts."""
        file.write_text(json.dumps(self.counts, ensure_ascii=False, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def __contains__(self, word: str) -> bool:
        """Whether a word, or what it is the plural of, is known, here or in English."""
        if word in self.counts or word.removesuffix("s") in self.counts:
            return True
        return zipf_frequency(word, "en") >= MIN_ENGLISH

    def nearest_words(self, word: str) -> list[str]:
        """Find the known words of the least edit distance; none where all are further away than typing errors are."""
        if not _is_correctable(word):
            return []
        edits = 2 if len(word) >= TWO_EDIT_LETTERS else 1
        found: list[tuple[float, str]] = []
        for length in range(len(word) - edits, len(word) + edits + 1):
            known = self._by_length.get(length, ())
            near = extract(word, known, scorer=OSA.distance, score_cutoff=edits, limit=None)
            found += [(distance, other) for other, distance, _ in near]
        least = min(found, default=(0, ""))[0]
        return [other for distance, other in found if distance == least]

    def corrections(
        self, query: str, index: BM25Index, known: Container[str] | None = None
    ) -> dict[str, str]:
        """Map misspelt words of a query to the words that they may mean.

        known: stems that texts have, those of the index where none are given. Of equally near words that is chosen which the texts have most often together with
        the query's other words.
        """
        known = index.retriever.vocab_dict if known is None else known
        found = {}
        for word in sorted(letters_alone(query)):
            if word in self or index.stemmer.stemWord(word) in known:
                continue
            if parts(word, index.stemmer, known, MIN_PART_LETTERS):
                continue
            if near := self.nearest_words(word):
                found[word] = self._likeliest(word, near, query, index)
        return found

    def _likeliest(self, word: str, near: Sequence[str], query: str, index: BM25Index) -> str:
        together = np.zeros(index.n_texts, np.int32)
        for other in index.words(query):
            together[index.texts_with(other)] += 1

        def evidence(known: str) -> tuple[int, bool, int, str]:
            cooccurring = int(together[index.texts_with(index.stemmer.stemWord(known))].sum())
            return cooccurring, known[0] == word[0], self.counts[known], known

        return max(near, key=evidence)


def correct_spelling(text: str, corrections: Mapping[str, str]) -> str:
    """Replace misspelt words of a text."""
    return WORD.sub(lambda found: corrections.get(found[0].lower(), found[0]), text)


def _is_correctable(word: str) -> bool:
    return word.isalpha() and len(word) >= MIN_LETTERS
