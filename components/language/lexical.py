"""Match by words: BM25 (Robertson and Zaragoza, 2009) through bm25s, with English stemming."""

import json
from collections.abc import Container, Sequence
from functools import cached_property
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from components.language.spelling import Spelling
from components.language.words import compounds, parts, words

Scores = NDArray[np.floating]
MEAN_LENGTH = "mean_length.json"
SATURATION = 0.6  # k1: a word said again in so short a text adds little


class Lexical:
    """BM25 over the texts of items; row k scores item k.

    mean_length: words of a text in the mean, by which the lengths of others are weighed.
    """

    def __init__(self, retriever: bm25s.BM25, mean_length: float) -> None:
        self.retriever, self.mean_length = retriever, mean_length
        self.stemmer = Stemmer.Stemmer("english")

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Lexical":
        """Index texts; where none has a word that can be matched, an empty word stands for them.

        Words are numbered in order: the same texts make the same bytes.
        """
        stemmer = Stemmer.Stemmer("english")
        said = [words(text, stemmer) for text in texts]
        known = {word for own in said for word in own}
        found = [own + compounds(text, stemmer, known) for own, text in zip(said, texts, strict=True)]
        told = found if any(found) else [[""]] * len(texts)
        lexical = cls(bm25s.BM25(k1=SATURATION), sum(map(len, told)) / len(told))
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
        return cls(bm25s.BM25.load(str(folder), mmap=True), mean_length)

    def save(self, folder: Path) -> None:
        """Write the index to a folder."""
        self.retriever.save(str(folder))
        (folder / MEAN_LENGTH).write_text(json.dumps(self.mean_length))

    def words(self, text: str) -> list[str]:
        """The words of a text as they are matched: stemmed, without those that say nothing."""
        return words(text, self.stemmer)

    def item_words(self, text: str) -> list[str]:
        """The words of an item's text, with the compounds that the catalogue writes as one word."""
        return self.words(text) + compounds(text, self.stemmer, self.retriever.vocab_dict)

    def query_words(self, query: str, known: Container[str] | None = None) -> list[str]:
        """The words of a query with compounds; of unknown ones their parts and what they may mean.

        known: words that texts have, those of the index where none are given.
        """
        known = self.retriever.vocab_dict if known is None else known
        said = self.words(query)
        found = [*said, *compounds(query, self.stemmer, known)]
        unknown = [word for word in said if word not in known]
        if not unknown:
            return found
        meant = [word for word in map(self.spelling.meant, unknown) if word]
        return [*found, *parts(query, self.stemmer, known), *meant]

    @cached_property
    def spelling(self) -> Spelling:
        """What misspelt words may mean."""
        held_by = np.diff(self.retriever.scores["indptr"])
        numbers = self.retriever.vocab_dict.items()  # the last one is of no word
        return Spelling({word: int(held_by[number]) for word, number in numbers if number < len(held_by)})

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
