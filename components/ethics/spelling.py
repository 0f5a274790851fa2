"""Correct words that are misspelt, torn apart or run together, by the words of the lists."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from wordfreq import get_frequency_dict, zipf_frequency

SIGNS = ".,;:!?\"'()[]"
INNER_SIGNS = re.compile(r"[-_./]+")
LONG_RUN = re.compile(r"[a-z]{7,}")  # letters between signs that may be words without spaces
LONGEST_WORD = 20  # letters
UNLIKELY = 2.6  # nats a letter from which on parts are no English
ALARMING_SENTENCES = 2  # banned ones that must have a word before it alarms
ENGLISH = 1.5  # Zipf's scale: English texts have a word three times in a hundred million words, or more often


def is_english(word: str) -> bool:
    """Whether English texts have a word, or what it is the plural of (wordfreq; Speer, 2022)."""
    return max(zipf_frequency(word, "en"), zipf_frequency(word.removesuffix("s"), "en")) >= ENGLISH


@dataclass(frozen=True)
class DisguiseSpelling:
    """Words that may be meant, the most frequent first, and those of them that banned sentences have more often."""

    words: list[str]
    alarming: list[str]

    @classmethod
    def of(cls, banned: Sequence[str], benign: Sequence[str]) -> "DisguiseSpelling":
        """Learn the words of texts, in order of their number and then of the alphabet."""
        counts = [_word_counts(texts) for texts in (banned, benign)]
        both = counts[0] + counts[1]
        shares = [max(1, len(texts)) for texts in (banned, benign)]
        alarming = [
            word
            for word, count in counts[0].items()
            if count >= ALARMING_SENTENCES and count / shares[0] > counts[1][word] / shares[1]
        ]
        return cls(sorted(both, key=lambda word: (-both[word], word)), sorted(alarming))

    def hides_alarm(self, before: str, after: str) -> bool:
        """Whether correcting a text brought out a word that banned sentences have more often than benign ones."""
        return before != after and not self._alarming.isdisjoint(
            {*_bare(after.split())} - {*_bare(before.split())}
        )

    def correct(self, text: str, known: Callable[[str], bool]) -> str:
        """A text whose odd words are replaced by what they may stand for.

        Odd is what neither the lists nor English have and is not `known` either.
        """
        tokens, found = text.split(), []
        while tokens:
            length = next((n for n in (3, 2) if self._torn(_bare(tokens[:n]))), 1)
            word = "".join(_bare(tokens[:length]))
            if length == 1 and self._torn(INNER_SIGNS.split(word)):
                found.append(INNER_SIGNS.sub("", word))
            elif not word.isalpha():
                found.append(LONG_RUN.sub(lambda run: self._run(run[0], known), tokens[0]))
            elif self._is_right(word, known):
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
    def _alarming(self) -> frozenset[str]:
        return frozenset(self.alarming)

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
        return letters if self._is_right(letters, known) else self._apart(letters)

    def _is_right(self, word: str, known: Callable[[str], bool]) -> bool:
        return word in self.ranks or known(word) or is_english(word)

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


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    """In how many texts each word is."""
    counts = Counter(word for text in texts for word in {*_bare(text.lower().split())})
    return Counter(
        {word: n for word, n in counts.items() if word.isalpha() and (len(word) > 1 or word in "ai")}
    )


def _bare(tokens: list[str]) -> list[str]:
    """Tokens without the signs around them."""
    return [token.strip(SIGNS) for token in tokens]


def _shortened(word: str) -> list[str]:
    """A word less each of its letters."""
    return [word[:n] + word[n + 1 :] for n in range(len(word))]
