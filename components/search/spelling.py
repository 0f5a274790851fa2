"""Correct misspelt words of a query to the nearest words that the catalogue's texts have."""

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from symspellpy import SymSpell, Verbosity
from wordfreq import zipf_frequency

from components.search.bm25 import MIN_PART_LETTERS, BM25Index
from components.search.tokenizer import alphabetic_words, split_compound, split_words

WORD = re.compile(r"[^\W\d_]+")
MIN_LETTERS = 4  # of a word that is corrected
# On Zipf's scale: a word that English texts have once in ten million words or more often is right. wordfreq knows more
# of them than a text model's tokenizer: of 213 rare words that were spelt right, 24 were corrected by that, 3 are now
MIN_ENGLISH = 2.0
# From which on a word may have two edits: a letter too many, too few, wrong, or two swapped
TWO_EDIT_LETTERS, MAX_EDITS = 8, 2


class SpellingCorrector:
    """Known words with the number of texts that have them.

    A word that English texts have often enough (wordfreq; Speer, 2022) is right too, though no text here has it.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = {word: count for word, count in counts.items() if _is_correctable(word)}

    @classmethod
    def from_texts(cls, texts: Iterable[str], query_words: Iterable[str] = ()) -> Self:
        """Learn the words of texts.

        query_words: words that queries have and that need not be in any text.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(set(split_words(text)))
        return cls(dict.fromkeys(query_words, 0) | counts)

    def save(self, file: Path) -> None:
        """Write the words and their counts."""
        file.write_text(json.dumps(self.counts, ensure_ascii=False, sort_keys=True), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def __contains__(self, word: str) -> bool:
        """Tell whether a word, or what it is the plural of, is known here or in English."""
        if word in self.counts or word.removesuffix("s") in self.counts:
            return True
        return zipf_frequency(word, "en") >= MIN_ENGLISH

    def nearest_words(self, word: str) -> list[str]:
        """Find the known words with the least edit distance; none where all are further away than typing errors are."""
        if not _is_correctable(word):
            return []
        max_edits = MAX_EDITS if len(word) >= TWO_EDIT_LETTERS else 1
        return [found.term for found in self._dictionary.lookup(word, Verbosity.CLOSEST, max_edits)]

    @cached_property
    def _dictionary(self) -> SymSpell:
        """The known words by what is left of them after deletions (Garbe, 2012), built when it is first needed."""
        dictionary = SymSpell(MAX_EDITS)
        for word, count in self.counts.items():
            # It leaves out words that are counted less than once, which those of queries are
            dictionary.create_dictionary_entry(word, count + 1)
        return dictionary

    def find_corrections(
        self, query: str, index: BM25Index, vocabulary: Container[str] | None = None
    ) -> dict[str, str]:
        """Map misspelt words of a query to the words that they most likely mean.

        vocabulary: stems that texts have; by default those of the index.
        """
        vocabulary = index.retriever.vocab_dict if vocabulary is None else vocabulary
        corrections = {}
        # Sorted, so that the words have the same order in every process
        for word in sorted(alphabetic_words(query)):
            if word in self or index.stemmer.stemWord(word) in vocabulary:
                continue
            # A compound of known words is found by its parts and means what it says
            if split_compound(word, index.stemmer, vocabulary, MIN_PART_LETTERS):
                continue
            if candidates := self.nearest_words(word):
                corrections[word] = self._pick_likeliest(word, candidates, query, index)
        return corrections

    def _pick_likeliest(self, word: str, candidates: Sequence[str], query: str, index: BM25Index) -> str:
        """Pick the candidate that texts have most often together with the query's other words."""
        # Once for all candidates: how many words of the query each text has
        matches = np.zeros(index.n_texts, np.int32)
        for stem in index.stem_text(query):
            matches[index.rows_with(stem)] += 1

        def rank_candidate(candidate: str) -> tuple[int, bool, int, str]:
            rows = index.rows_with(index.stemmer.stemWord(candidate))
            # The word itself comes last, so that ties end alike in every process
            return int(matches[rows].sum()), candidate[0] == word[0], self.counts[candidate], candidate

        return max(candidates, key=rank_candidate)


def correct_spelling(text: str, corrections: Mapping[str, str]) -> str:
    """Replace the misspelt words of a text."""
    return WORD.sub(lambda match: corrections.get(match[0].lower(), match[0]), text)


def _is_correctable(word: str) -> bool:
    return word.isalpha() and len(word) >= MIN_LETTERS
