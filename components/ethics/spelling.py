"""Mend words that are misspelt, torn apart or run together, by the words of the lists."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

SIGNS = ".,;:!?\"'()[]"


@dataclass(frozen=True)
class Spelling:
    """Words that may be meant, the most frequent first."""

    words: list[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Spelling":
        """Learn the words of texts, in order of their number and then of the alphabet."""
        counts = Counter(word.strip(SIGNS) for text in texts for word in text.lower().split())
        words = [word for word in counts if word.isalpha() and (len(word) > 1 or word in "ai")]
        return cls(sorted(words, key=lambda word: (-counts[word], word)))

    def mend(self, text: str, known: Callable[[str], bool]) -> str:
        """A text whose odd words, neither in the lists nor `known`, are replaced by what they may stand for."""
        tokens, found = text.split(), []
        while tokens:
            length = next((n for n in (3, 2) if self._torn(_bare(tokens[:n]))), 1)
            word = "".join(_bare(tokens[:length]))
            fine = word in self.ranks or not word.isalpha() or known(word)
            found.append((tokens[0] if length == 1 else word) if fine else self._meant(word))
            del tokens[:length]
        return " ".join(found)

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Place of each word."""
        return {word: rank for rank, word in enumerate(self.words)}

    @cached_property
    def neighbours(self) -> dict[str, str]:
        """The most frequent word that is left when one letter, or none, is taken from it."""
        return {
            short: word
            for word in reversed(self.words)
            if len(word) > 3
            for short in (*_shortened(word), word)
        }

    def _torn(self, parts: list[str]) -> bool:
        """Whether odd parts make a word together."""
        whole = "".join(parts)
        return (
            len(parts) > 1
            and len(whole) > 3
            and whole in self.ranks
            and any(p not in self.ranks for p in parts)
        )

    def _meant(self, word: str) -> str:
        if len(word) < 4:
            return word
        near = (self.neighbours.get(short) for short in (word, *_shortened(word)))
        return min(filter(None, near), key=self.ranks.__getitem__, default=None) or self._apart(word)

    def _apart(self, word: str) -> str:
        """A word taken apart into the likeliest words of the lists; the word itself where that cannot be."""
        best: list[tuple[float, list[str]]] = [(0.0, [])]
        for end in range(1, len(word) + 1):
            ways = [
                (best[start][0] + math.log(self.ranks[part] + 3), [*best[start][1], part])
                for start in range(max(0, end - 20), end)
                if (part := word[start:end]) in self.ranks
            ]
            best.append(min(ways, default=(math.inf, []), key=lambda way: way[0]))
        cost, parts = best[-1]
        return " ".join(parts) if math.isfinite(cost) else word


def _bare(tokens: list[str]) -> list[str]:
    """Tokens without the signs around them."""
    return [token.strip(SIGNS) for token in tokens]


def _shortened(word: str) -> list[str]:
    """A word less each of its letters."""
    return [word[:n] + word[n + 1 :] for n in range(len(word))]
