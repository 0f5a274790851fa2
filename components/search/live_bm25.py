"""BM25 over a built index and the texts put since, by the statistics of the built index."""

from collections import ChainMap, Counter, defaultdict
from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.search.bm25 import BM25Index, scale_scores


class LiveBM25:
    """Scores items by words: row k of the built index is item k; a row put again counts by its new text.

    A new text is weighed as the built index would weigh it: the number of texts and their mean length change only
    when the index is built again. A word that the index does not know is as rare as a word can be.

    vocabulary: stems that texts have, by which the words of queries are read.
    """

    def __init__(self, index: BM25Index) -> None:
        self.index = index
        self._length = self._built = index.n_texts
        self._words: dict[int, list[str]] = {}
        self._weights: defaultdict[str, dict[int, float]] = defaultdict(dict)
        # A view of both, not a union: the words of a large catalogue are not copied for each new item
        self.vocabulary: ChainMap[str, Any] = ChainMap(self._weights, index.retriever.vocab_dict)

    def put_text(self, row: int, text: str) -> None:
        """Set the text of a row."""
        for word in set(self._words.pop(row, ())):
            self._weights[word].pop(row)
            # Without the word itself too, or it would stay in the vocabulary and never be corrected again
            if not self._weights[word]:
                del self._weights[word]
        words = self.index.stem_item(text)
        self._words[row] = words
        self._length = max(self._length, row + 1)
        for word, count in Counter(words).items():
            weight = self._inverse_frequency(word) * self._saturate_count(count, len(words))
            self._weights[word][row] = weight

    def stem_text(self, text: str) -> list[str]:
        """Return the stems of a text, without stop words."""
        return self.index.stem_text(text)

    def has_word(self, word: str) -> bool:
        """Tell whether a text has a word, in any form."""
        return self.index.stemmer.stemWord(word) in self.vocabulary

    def query_stems(self, query: str) -> set[str]:
        """Return the stems that a query looks for, the compounds of its neighbouring words included."""
        stems, compounds = self.index.parse_query(query, self.vocabulary)
        return {*stems, *compounds}

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score every item (i,) by the share of a query that it says: 1 for all that any item says, 0 for no word."""
        stems, compounds = self.index.parse_query(query, self.vocabulary)
        return scale_scores(self._word_scores(stems + compounds), list(map(self._best_score, stems)))

    def _word_scores(self, words: Sequence[str]) -> NDArray[np.float32]:
        built = self.index.word_scores(words)
        if not self._words:
            return built
        scores = np.zeros(self._length, np.float32)
        scores[: self._built] = built
        # A row put again counts by its new text alone
        scores[list(self._words)] = 0
        for word in words:
            # `get`, because reading a missing key of a defaultdict would add the word to the vocabulary
            weights = self._weights.get(word)
            if weights:
                scores[list(weights)] += np.fromiter(weights.values(), np.float32, len(weights))
        return scores

    def _best_score(self, word: str) -> float:
        return max([self.index.best_score(word), *self._weights.get(word, {}).values()])

    def _inverse_frequency(self, word: str) -> float:
        # Lucene's form, which bm25s takes by default: never negative, and finite for unknown words
        n_texts = len(self.index.rows_with(word))
        return log(1 + (self._built - n_texts + 0.5) / (n_texts + 0.5))

    def _saturate_count(self, count: int, length: int) -> float:
        retriever = self.index.retriever
        norm = 1 - retriever.b + retriever.b * length / self.index.mean_length
        return float(count / (count + retriever.k1 * norm))
