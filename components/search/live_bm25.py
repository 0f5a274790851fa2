"""BM25 over a built index and the texts put since, by the built index's statistics."""

from collections import ChainMap, Counter, defaultdict
from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.search.bm25 import BM25Index, shares


class LiveBM25:
    """Scores items by words: row k of the built index is item k; a row put again counts by its new text.

    A new text is weighed as it would be by the built index: its number of texts and the mean length of a text move
    only when the index is built again. A word that the index does not know is as rare as a word can be.

    known: stems that texts have, by which words of queries are read.
    """

    def __init__(self, index: BM25Index) -> None:
        self.index = index
        self._length = self._built = index.n_texts
        self._words: dict[int, list[str]] = {}
        self._weights: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self.known: ChainMap[str, Any] = ChainMap(self._weights, index.retriever.vocab_dict)

    def put(self, row: int, text: str) -> None:
        """Give a row its text."""
        for word in set(self._words.pop(row, ())):
            self._weights[word].pop(row)
            if not self._weights[word]:
                del self._weights[word]
        words = self.index.item_words(text)
        self._words[row] = words
        self._length = max(self._length, row + 1)
        for word, times in Counter(words).items():
            self._weights[word][row] = self._rarity(word) * self._saturated(times, len(words))

    def words(self, text: str) -> list[str]:
        """The words of a text as they are matched."""
        return self.index.words(text)

    def has_word(self, word: str) -> bool:
        """Whether a text has a word, in whatever form."""
        return self.index.stemmer.stemWord(word) in self.known

    def query_words(self, query: str) -> set[str]:
        """The words that are looked for: those of a query, and those that two neighbours of them make together."""
        asked, together = self.index.asked_words(query, self.known)
        return {*asked, *together}

    def scores(self, query: str) -> NDArray[np.float32]:
        """How much of a query the words of every item say (i,): 1 for as much as can be said, 0 for no word."""
        asked, together = self.index.asked_words(query, self.known)
        return shares(self._scores_of(asked + together), list(map(self._best_of, asked)))

    def _scores_of(self, words: Sequence[str]) -> NDArray[np.float32]:
        built = self.index.scores_of(words)
        if not self._words:
            return built
        scores = np.zeros(self._length, np.float32)
        scores[: self._built] = built
        scores[list(self._words)] = 0
        for word in words:
            held = self._weights.get(word)
            if held:
                scores[list(held)] += np.fromiter(held.values(), np.float32, len(held))
        return scores

    def _best_of(self, word: str) -> float:
        return max([self.index.best_of(word), *self._weights.get(word, {}).values()])

    def _rarity(self, word: str) -> float:
        held_by = len(self.index.texts_with(word))
        return log(1 + (self._built - held_by + 0.5) / (held_by + 0.5))

    def _saturated(self, times: int, length: int) -> float:
        retriever = self.index.retriever
        norm = 1 - retriever.b + retriever.b * length / self.index.mean_length
        return float(times / (times + retriever.k1 * norm))
