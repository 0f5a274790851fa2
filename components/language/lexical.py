"""Match by words: BM25 (Robertson and Zaragoza, 2009) through bm25s, with English stemming."""

import json
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from components.language.people import WHO
from components.language.prices import PRICE_WORDS
from components.language.spelling import Spelling
from components.language.words import compounds, letters_alone, parts, unstemmed, words

Scores = NDArray[np.floating]
MEAN_LENGTH, SPELLING = "mean_length.json", "spelling.json"
SATURATION = 0.6  # k1: a word said again in so short a text adds little
SHORTEST_PART = 4  # letters of a word that is run together with another; "carpet" is no car and no pet


class Lexical:
    """BM25 over the texts of items; row k scores item k.

    mean_length: words of a text in the mean, by which the lengths of others are weighed.
    spelling: the words of the texts as they are written, and those that queries say of people and prices.
    """

    def __init__(self, retriever: bm25s.BM25, mean_length: float, spelling: Spelling) -> None:
        self.retriever, self.mean_length, self.spelling = retriever, mean_length, spelling
        self.stemmer = Stemmer.Stemmer("english")

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Lexical":
        """Index texts; where none has a word that can be matched, an empty word stands for them.

        Words are numbered in order: the same texts make the same bytes.
        """
        stemmer = Stemmer.Stemmer("english")
        written = [unstemmed(text) for text in texts]
        counts = Counter(word for own in written for word in set(own))
        said = [stemmer.stemWords(own) for own in written]
        known = {word for own in said for word in own}
        found = [own + compounds(text, stemmer, known) for own, text in zip(said, texts, strict=True)]
        told = found if any(found) else [[""]] * len(texts)
        spelling = Spelling(dict.fromkeys([*WHO, *PRICE_WORDS.split()], 0) | counts)
        lexical = cls(bm25s.BM25(k1=SATURATION), sum(map(len, told)) / len(told), spelling)
        numbers = {
            word: number for number, word in enumerate(sorted({word for words in told for word in words}))
        }
        ids = [[numbers[word] for word in words] for words in told]
        lexical.retriever.index((ids, numbers), show_progress=False)
        return lexical

    @classmethod
    def load(cls, folder: Path) -> "Lexical":
        """Open a saved index, memory-mapped."""
        mean_length = json.loads((folder / MEAN_LENGTH).read_text())
        spelling = Spelling(json.loads((folder / SPELLING).read_text(encoding="utf-8")))
        return cls(bm25s.BM25.load(str(folder), mmap=True), mean_length, spelling)

    def save(self, folder: Path) -> None:
        """Write the index to a folder."""
        self.retriever.save(str(folder))
        (folder / MEAN_LENGTH).write_text(json.dumps(self.mean_length))
        counts = json.dumps(self.spelling.counts, ensure_ascii=False, sort_keys=True)
        (folder / SPELLING).write_text(counts, encoding="utf-8")

    def words(self, text: str) -> list[str]:
        """The words of a text as they are matched: stemmed, without those that say nothing."""
        return words(text, self.stemmer)

    def item_words(self, text: str) -> list[str]:
        """The words of an item's text, with the compounds that the catalogue writes as one word."""
        return self.words(text) + compounds(text, self.stemmer, self.retriever.vocab_dict)

    def misspelt(self, query: str, known: Container[str] | None = None) -> dict[str, str]:
        """Words of a query that are misspelt, with what they may mean.

        Of equally near words, that is the one that is said most often together with the query's other words.

        known: words that texts have, those of the index where none are given.
        """
        known = self.retriever.vocab_dict if known is None else known
        unknown = [
            word
            for word in sorted(letters_alone(query))
            if word not in self.spelling
            and self.stemmer.stemWord(word) not in known
            and not parts(word, self.stemmer, known, SHORTEST_PART)
        ]
        near = {word: words for word in unknown if (words := self.spelling.near(word))}
        return {word: self._likeliest(word, words, query) for word, words in near.items()}

    def _likeliest(self, word: str, near: Sequence[str], query: str) -> str:
        said = np.zeros(self.retriever.scores["num_docs"], np.int32)
        for other in self.words(query):
            said[self._texts_with(other)] += 1

        def evidence(known: str) -> tuple[int, bool, int, str]:
            together = int(said[self._texts_with(self.stemmer.stemWord(known))].sum())
            return together, known[0] == word[0], self.spelling.counts[known], known

        return max(near, key=evidence)

    def _texts_with(self, word: str) -> NDArray[np.integer]:
        """Rows of the index that have a word (n,)."""
        number, scores = self.retriever.vocab_dict.get(word), self.retriever.scores
        if number is None:
            return np.empty(0, np.int64)
        start, end = scores["indptr"][number : number + 2]
        return scores["indices"][start:end]

    def query_words(self, query: str, known: Container[str] | None = None) -> list[str]:
        """The words of a query with compounds, and of unknown ones the two that they are made of.

        known: words that texts have, those of the index where none are given.
        """
        known = self.retriever.vocab_dict if known is None else known
        unknown = (word for word in unstemmed(query) if self.stemmer.stemWord(word) not in known)
        return [
            *self.words(query),
            *compounds(query, self.stemmer, known),
            *(part for word in unknown for part in parts(word, self.stemmer, known, SHORTEST_PART)),
        ]

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score every item (i,); zero where no word of the query stands in its text."""
        return self.scores_of(self.query_words(query))

    def scores_of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Score every item (i,) by words as `query_words` gives them."""
        known = [word for word in words if word in self.retriever.vocab_dict]
        if not known:
            return np.zeros(self.retriever.scores["num_docs"], dtype=np.float32)
        return np.asarray(self.retriever.get_scores(known), dtype=np.float32)


def hybrid(lexical: Scores, similarities: Scores, weight: float) -> Scores:
    """Mix scores by words and by vectors, (i,) or (q, i): `weight` is the share of the words.

    BM25 has no upper bound, so each query's scores are divided by their largest.
    """
    largest = np.maximum(lexical.max(axis=-1, keepdims=True), 1e-9)
    mixed: Scores = weight * lexical / largest + (1 - weight) * similarities
    return mixed
