"""Correction of words that are misspelt, torn apart or run together, by the words of the sentence lists."""

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
MAX_WORD_LETTERS = 20
MAX_NATS_PER_LETTER = 2.6  # parts that are less likely are no English
MIN_ALARMING_SENTENCES = 2  # banned ones that must have a word before it alarms
MIN_ZIPF = 1.5  # English texts have a word three times in a hundred million words, or more often


def is_english(word: str) -> bool:
    """Return whether English texts have a word, or its singular (wordfreq; Speer, 2022)."""
    return max(zipf_frequency(word, "en"), zipf_frequency(word.removesuffix("s"), "en")) >= MIN_ZIPF


@dataclass(frozen=True)
class DisguiseSpelling:
    """Words of the lists, the most frequent first, and the alarming ones, which are more frequent in banned sentences."""

    words: list[str]
    alarming: list[str]

    @classmethod
    def from_sentences(cls, banned: Sequence[str], benign: Sequence[str]) -> "DisguiseSpelling":
        """Learn the words of sentences, in order of their number and then of the alphabet."""
        banned_counts, benign_counts = _count_words(banned), _count_words(benign)
        both = banned_counts + benign_counts
        alarming = []
        for word, count in banned_counts.items():
            # Shares, because the two lists have different lengths
            is_typical = count / max(1, len(banned)) > benign_counts[word] / max(1, len(benign))
            if count >= MIN_ALARMING_SENTENCES and is_typical:
                alarming.append(word)
        return cls(sorted(both, key=lambda word: (-both[word], word)), sorted(alarming))

    def hides_alarm(self, before: str, after: str) -> bool:
        """Return whether the correction of a text brought out an alarming word."""
        new = {*_strip_signs(after.split())} - {*_strip_signs(before.split())}
        return before != after and not self._alarming_words.isdisjoint(new)

    def correct_text(self, text: str, known: Callable[[str], bool]) -> str:
        """Return a text whose odd words are replaced by those that they may stand for.

        A word is odd where neither the lists nor English texts have it and it is not `known`.
        """
        tokens, corrected = text.split(), []
        while tokens:
            # Three parts before two: two of three parts may be a word themselves
            length = next((n for n in (3, 2) if self._is_torn(_strip_signs(tokens[:n]))), 1)
            word = "".join(_strip_signs(tokens[:length]))
            if length == 1 and self._is_torn(INNER_SIGNS.split(word)):
                corrected.append(INNER_SIGNS.sub("", word))
            elif not word.isalpha():
                corrected.append(LONG_RUN.sub(lambda run: self._split_run(run[0], known), tokens[0]))
            elif self._is_word(word, known):
                corrected.append(tokens[0] if length == 1 else word)
            else:
                corrected.append(self._correct_word(word))
            del tokens[:length]
        return " ".join(corrected)

    @cached_property
    def word_ranks(self) -> dict[str, int]:
        """The rank of each word, from 0."""
        return dict(zip(self.words, range(len(self.words)), strict=True))

    @cached_property
    def _alarming_words(self) -> frozenset[str]:
        return frozenset(self.alarming)

    @cached_property
    def words_by_deletion(self) -> dict[str, str]:
        """The most frequent word that becomes a key when it loses one letter or none."""
        found: dict[str, str] = {}
        for word in reversed(self.words):  # so that the most frequent word is written last
            if len(word) > 3:  # a short word is one letter away from many others
                found |= dict.fromkeys((*_delete_letters(word), word), word)
        return found

    def _is_torn(self, parts: list[str]) -> bool:
        """Return whether odd parts make a word together."""
        whole = "".join(parts)
        is_word = len(parts) > 1 and len(whole) > 3 and whole in self.word_ranks
        return is_word and not all(map(self.word_ranks.__contains__, parts))

    def _split_run(self, letters: str, known: Callable[[str], bool]) -> str:
        return letters if self._is_word(letters, known) else self._split_word(letters)

    def _is_word(self, word: str, known: Callable[[str], bool]) -> bool:
        return word in self.word_ranks or known(word) or is_english(word)

    def _correct_word(self, word: str) -> str:
        if len(word) < 4:
            return word
        # Deletions on both sides find a letter that is lost, added, replaced, or swapped with the next
        near = filter(None, map(self.words_by_deletion.get, (word, *_delete_letters(word))))
        return min(near, key=self.word_ranks.__getitem__, default=None) or self._split_word(word)

    def _split_word(self, word: str) -> str:
        """Return a word split into the likeliest words of the lists and of English, or as it is if those are no English."""
        # Of each number of first letters: the nats of their parts, and where the last part begins. Positions and not
        # the parts themselves: half of the 1.1 s that ten thousand letters once took was spent on copies of parts.
        best = [(0.0, 0)]
        for end in range(1, len(word) + 1):
            likeliest = (math.inf, 0)
            for start in range(max(0, end - MAX_WORD_LETTERS), end):
                part = word[start:end]
                if part in self.word_ranks or part in self.english_shares:
                    likeliest = min(likeliest, (best[start][0] + self._word_nats(part), start))
            best.append(likeliest)
        if best[-1][0] >= MAX_NATS_PER_LETTER * len(word):
            return word
        parts, end = [], len(word)
        while end:
            start = best[end][1]
            parts.append(word[start:end])
            end = start
        return " ".join(reversed(parts))

    def _word_nats(self, word: str) -> float:
        """Return the surprise of a word in nats; a word of the lists has its share by Zipf's law from its rank."""
        rank, share = self.word_ranks.get(word), self.english_shares.get(word)
        listed = math.inf if rank is None else math.log((rank + 1) * self.harmonic_sum)
        return listed if share is None else min(listed, -math.log(share))

    @cached_property
    def english_shares(self) -> dict[str, float]:
        """The share of each word in English texts (wordfreq; Speer, 2022)."""
        return get_frequency_dict("en")

    @cached_property
    def harmonic_sum(self) -> float:
        """The sum of 1 / rank over the words, which makes the shares of Zipf's law add up to 1."""
        return sum(1 / rank for rank in range(1, len(self.words) + 1))


def _count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how many texts have each word."""
    counts = Counter[str]()
    for text in texts:
        for word in {*_strip_signs(text.lower().split())}:
            # English has two words of one letter
            if word.isalpha() and (len(word) > 1 or word in "ai"):
                counts[word] += 1
    return counts


def _strip_signs(tokens: list[str]) -> list[str]:
    """Return tokens without the signs around them."""
    return [token.strip(SIGNS) for token in tokens]


def _delete_letters(word: str) -> list[str]:
    """Return a word less each of its letters."""
    return [word[:n] + word[n + 1 :] for n in range(len(word))]
