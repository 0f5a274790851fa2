"""Lexical search by BM25 (Robertson and Zaragoza, 2009) through bm25s, with English stems."""

import json
from collections.abc import Container, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from components.search.tokenizer import find_compounds, split_compound, split_words, stem_words

Scores = NDArray[np.floating]
MEAN_LENGTH = "mean_length.json"
SATURATION = 0.6  # k1: a repeated word adds little in so short a text
EPSILON = 1e-9  # keeps a query that no item matches from dividing by 0
MIN_PART_LETTERS = 4  # of each half of a compound; "carpet" is no car and no pet


class BM25Index:
    """BM25 over the texts of items; row k scores item k.

    mean_length: mean number of words of a text, which the length norm of texts put later needs.
    """

    def __init__(self, retriever: bm25s.BM25, mean_length: float) -> None:
        self.retriever, self.mean_length = retriever, mean_length
        self.stemmer = Stemmer.Stemmer("english")

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Self:
        """Index texts (i,); the same texts give the same bytes."""
        stemmer = Stemmer.Stemmer("english")
        documents = [stem_words(text, stemmer) for text in texts]
        # Compounds are looked up in the words of all texts, so these have to be known first
        stems = set(chain.from_iterable(documents))
        for text, document in zip(texts, documents, strict=True):
            document.extend(find_compounds(text, stemmer, stems))
        if not any(documents):
            # bm25s cannot index texts without any word: an empty word stands for theirs
            documents = [[""]] * len(texts)
        index = cls(bm25s.BM25(k1=SATURATION), sum(map(len, documents)) / len(documents))
        # Sorted, because Python orders a set of strings anew in each process
        vocabulary = sorted(set(chain.from_iterable(documents)))
        numbers = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
        ids = [[*map(numbers.__getitem__, document)] for document in documents]
        index.retriever.index((ids, numbers), show_progress=False)
        return index

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a saved index, memory-mapped."""
        mean_length = json.loads((folder / MEAN_LENGTH).read_text())
        return cls(bm25s.BM25.load(str(folder), mmap=True), mean_length)

    def save(self, folder: Path) -> None:
        """Write the index to a folder."""
        self.retriever.save(str(folder))
        (folder / MEAN_LENGTH).write_text(json.dumps(self.mean_length))

    def stem_text(self, text: str) -> list[str]:
        """Return the stems of a text, without stop words."""
        return stem_words(text, self.stemmer)

    def stem_item(self, text: str) -> list[str]:
        """Return the stems of an item's text, and the compounds that the catalogue also writes as one word."""
        return self.stem_text(text) + find_compounds(text, self.stemmer, self.retriever.vocab_dict)

    @property
    def n_texts(self) -> int:
        """Number of texts in the index."""
        return int(self.retriever.scores["num_docs"])

    def rows_with(self, word: str) -> NDArray[np.integer]:
        """Return the rows (n,) whose texts have a stem."""
        return self.retriever.scores["indices"][self._find_postings(word)]

    def _find_postings(self, word: str) -> slice:
        number = self.retriever.vocab_dict.get(word)
        return slice(0) if number is None else slice(*self.retriever.scores["indptr"][number : number + 2])

    def parse_query(
        self, query: str, vocabulary: Container[str] | None = None
    ) -> tuple[list[str], list[str]]:
        """Return the stems of a query, and the compounds of its neighbouring words.

        An unknown word gives the two known stems that it is made of, if there are any.
        vocabulary: stems that texts have; by default those of the index.
        """
        vocabulary = self.retriever.vocab_dict if vocabulary is None else vocabulary
        stems: list[str] = []
        for word in split_words(query):
            stem = self.stemmer.stemWord(word)
            # Only unknown words are split: what the catalogue writes as one word is found as one
            halves = (
                [] if stem in vocabulary else split_compound(word, self.stemmer, vocabulary, MIN_PART_LETTERS)
            )
            stems += halves or [stem]
        return stems, find_compounds(query, self.stemmer, vocabulary)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score every item (i,) by the share of a query that it says: 1 for all that any item says, 0 for no word."""
        stems, compounds = self.parse_query(query)
        return scale_scores(self.word_scores(stems + compounds), list(map(self.best_score, stems)))

    def best_score(self, word: str) -> float:
        """Return the highest BM25 score of a stem; 0 where no item has it."""
        return float(self.retriever.scores["data"][self._find_postings(word)].max(initial=0))

    def word_scores(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the BM25 scores (i,) of all items for stems as `parse_query` gives them."""
        # bm25s looks at the first of the words, so that it fails where there is none
        known = list(filter(self.retriever.vocab_dict.__contains__, words))
        if not known:
            return np.zeros(self.n_texts, dtype=np.float32)
        return np.asarray(self.retriever.get_scores(known), dtype=np.float32)


def scale_scores(scores: NDArray[np.float32], best: Sequence[float]) -> NDArray[np.float32]:
    """Divide BM25 scores (i,) by that of an item that says each word as well as any item does.

    best: of each word of the query, the score of the item that says it best; 0 where none does. Such a word counts as
    much as the others in the mean, so that an item that says half of the query does not score 1.
    """
    known = list(filter(None, best))
    most = sum(known) * len(best) / max(1, len(known))
    # Compounds score beyond the query's own words, so the best item may have more than `most`
    return scores / np.float32(max(most, scores.max(initial=0), EPSILON))


def fuse_scores(lexical: Scores, similarities: Scores, weight: float) -> Scores:
    """Fuse lexical scores and cosines, (i,) or (q, i), to one score each.

    lexical: the share of the query that each item says, at most 1. similarities: cosines. weight: the share of the
    lexical scores where an item says all of the query.
    """
    # Where the best item says a part, the words' share shrinks by its square: no item says both words of "gaming
    # laptop" in a shop that writes notebook, and an item that says one fits worse than one that means both. With
    # this and with scores as shares of a query, Recall@100 on Chorus went from .942 to .953.
    said = lexical.max(axis=-1, keepdims=True)
    share = weight * said**2
    fused: Scores = share * lexical / np.maximum(said, EPSILON) + (1 - share) * similarities
    return fused
