"""Match by words: BM25 (Robertson and Zaragoza, 2009) through bm25s, with English stemming."""

import json
from collections.abc import Container, Sequence
from itertools import chain
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from components.search.tokenizer import compounds, parts, unstemmed, words

Scores = NDArray[np.floating]
MEAN_LENGTH = "mean_length.json"
SATURATION = 0.6  # k1: a word said again in so short a text adds little
EPSILON = 1e-9
MIN_PART_LETTERS = 4  # of a word that is run together with another; "carpet" is no car and no pet


class BM25Index:
    """BM25 over the texts of items; row k scores item k.

    mean_length: words of a text in the mean, by which the lengths of others are weighed.
    """

    def __init__(self, retriever: bm25s.BM25, mean_length: float) -> None:
        self.retriever, self.mean_length = retriever, mean_length
        self.stemmer = Stemmer.Stemmer("english")

    @classmethod
    def build(cls, texts: Sequence[str]) -> "BM25Index":
        """Index texts; where none has a word that can be matched, an empty word stands for them.

        Words are numbered in order: the same texts make the same bytes.
        """
        stemmer = Stemmer.Stemmer("english")
        stems = [stemmer.stemWords(unstemmed(text)) for text in texts]
        known = {word for own in stems for word in own}
        documents = [own + compounds(text, stemmer, known) for own, text in zip(stems, texts, strict=True)]
        if not any(documents):
            documents = [[""]] * len(texts)
        index = cls(bm25s.BM25(k1=SATURATION), sum(map(len, documents)) / len(documents))
        numbers = {word: number for number, word in enumerate(sorted(set(chain.from_iterable(documents))))}
        ids = [[numbers[word] for word in words] for words in documents]
        index.retriever.index((ids, numbers), show_progress=False)
        return index

    @classmethod
    def load(cls, folder: Path) -> "BM25Index":
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

    @property
    def n_texts(self) -> int:
        """Number of texts in the index."""
        return int(self.retriever.scores["num_docs"])

    def texts_with(self, word: str) -> NDArray[np.integer]:
        """Rows of the index that have a word (n,)."""
        return self.retriever.scores["indices"][self._postings(word)]

    def _postings(self, word: str) -> slice:
        number = self.retriever.vocab_dict.get(word)
        return slice(0) if number is None else slice(*self.retriever.scores["indptr"][number : number + 2])

    def asked_words(self, query: str, known: Container[str] | None = None) -> tuple[list[str], list[str]]:
        """The words of a query, and those that two neighbours of them make together.

        For an unknown word the two that it is made of, where it is.

        known: words that texts have, those of the index where none are given.
        """
        known = self.retriever.vocab_dict if known is None else known

        def asked(word: str) -> list[str]:
            stem = self.stemmer.stemWord(word)
            return [stem] if stem in known else parts(word, self.stemmer, known, MIN_PART_LETTERS) or [stem]

        said = [stem for word in unstemmed(query) for stem in asked(word)]
        return said, compounds(query, self.stemmer, known)

    def scores(self, query: str) -> NDArray[np.float32]:
        """How much of a query the words of every item say (i,): 1 for as much as can be said, 0 for no word."""
        asked, together = self.asked_words(query)
        return shares(self.scores_of(asked + together), list(map(self.best_of, asked)))

    def best_of(self, word: str) -> float:
        """The BM25 of the item that says a word best; 0 where none has it."""
        return float(self.retriever.scores["data"][self._postings(word)].max(initial=0))

    def scores_of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """BM25 of every item (i,) for words as `asked_words` gives them."""
        known = [word for word in words if word in self.retriever.vocab_dict]
        if not known:
            return np.zeros(self.retriever.scores["num_docs"], dtype=np.float32)
        return np.asarray(self.retriever.get_scores(known), dtype=np.float32)


def shares(scores: NDArray[np.float32], best: Sequence[float]) -> NDArray[np.float32]:
    """BM25 scores as shares of what an item would have that says each word as well as any item does.

    best: of each word of the query, the score of the item that says it best; where none does, 0: such a word counts as
    much as the others in the mean.
    """
    known = [score for score in best if score]
    most = sum(known) * len(best) / max(1, len(known))
    return scores / np.float32(max(most, scores.max(initial=0), EPSILON))


def hybrid(lexical: Scores, similarities: Scores, weight: float) -> Scores:
    """Mix scores by words and by vectors, (i,) or (q, i).

    `weight` is the share of the words where an item says all of the query. Where the best says a part, their share is
    less by the square of it: no item says both words of "gaming laptop" in a shop that writes notebook, and what says
    one of them is a worse answer than what means both.

    lexical: how much of the query each item says, at most 1. similarities: cosines.
    """
    said = lexical.max(axis=-1, keepdims=True)
    share = weight * said**2
    mixed: Scores = share * lexical / np.maximum(said, EPSILON) + (1 - share) * similarities
    return mixed
