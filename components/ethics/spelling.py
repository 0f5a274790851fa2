"""Mend words that are misspelt, torn apart or run together, by the words of the lists."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from wordfreq import get_frequency_dict

SIGNS = ".,;:!?\"'()[]"
INNER_SIGNS = re.compile(r"[-_./]+")
LONG_RUN = re.compile(r"[a-z]{7,}")  # letters between signs that may be words without spaces
LONGEST_WORD = 20  # letters
UNLIKELY = 2.6  # nats a letter from which on parts are no English


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
            if length == 1 and self._torn(INNER_SIGNS.split(word)):
                found.append(INNER_SIGNS.sub("", word))
            elif not word.isalpha():
                found.append(LONG_RUN.sub(lambda run: self._run(run[0], known), tokens[0]))
            elif word in self.ranks or known(word):
                found.append(tokens[0] if length == 1 else word)
            else:
                found.append(self._meant(word))
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

    def _run(self, letters: str, known: Callable[[str], bool]) -> str:
        return letters if letters in self.ranks or known(letters) else self._apart(letters)

    def _meant(self, word: str) -> str:
        if len(word) < 4:
            return word
        near = (self.neighbours.get(short) for short in (word, *_shortened(word)))
        return min(filter(None, near), key=self.ranks.__getitem__, default=None) or self._apart(word)

    def _apart(self, word: str) -> str:
        """A word taken apart into the likeliest words of the lists and of English; itself where those are no English."""
        best = [(0.0, 0)]  # of the first letters: how rare their parts are, and where the last part begins
        for end in range(1, len(word) + 1):
            ways = [
                (best[start][0] + self._rarity(part), start)
                for start in range(max(0, end - LONGEST_WORD), end)
                if (part := word[start:end]) in self.ranks or part in self.english
            ]
            best.append(min(ways, default=(math.inf, 0)))
        if best[-1][0] >= UNLIKELY * len(word):
            return word
        parts, end = [], len(word)
        while end:
            start = best[end][1]
            parts.append(word[start:end])
            end = start
        return " ".join(reversed(parts))

    def _rarity(self, word: str) -> float:
        """Nats by which a word surprises; one of the lists as much as its rank says by Zipf's law."""
        rank, share = self.ranks.get(word), self.english.get(word)
        listed = math.inf if rank is None else math.log((rank + 1) * self.harmonic)
        return listed if share is None else min(listed, -math.log(share))

    @cached_property
    def english(self) -> dict[str, float]:
        """How often English texts have a word (wordfreq; Speer, 2022)."""
        return get_frequency_dict("en")

    @cached_property
    def harmonic(self) -> float:
        """Sum of 1 / rank over the words."""
        return sum(1 / rank for rank in range(1, len(self.words) + 1))


def _bare(tokens: list[str]) -> list[str]:
    """Tokens without the signs around them."""
    return [token.strip(SIGNS) for token in tokens]


def _shortened(word: str) -> list[str]:
    """A word less each of its letters."""
    return [word[:n] + word[n + 1 :] for n in range(len(word))]
