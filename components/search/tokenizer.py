"""Texts to the words that are matched: English stems, model numbers whole, joined and in parts, and compounds."""

import re
from collections.abc import Container, Iterator
from itertools import pairwise

from bm25s.tokenization import STOPWORDS_EN
from Stemmer import Stemmer

SAID_LITTLE = frozenset(STOPWORDS_EN)
POSSESSIVE = re.compile(r"['’]s?(?!\w)")
TOKEN = re.compile(r"[^\W_]+(?:[-./_][^\W_]+)*")
PIECE = re.compile(r"[^\W_]+")
LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
LONGEST_COMPOUND = 40


def words(text: str, stemmer: Stemmer) -> list[str]:
    """The stems of the words of a text, without those that say little."""
    stems: list[str] = stemmer.stemWords(unstemmed(text))
    return stems


def unstemmed(text: str) -> list[str]:
    """The words of a text in lower case, without those that say little.

    "WH-1000XM4" is read as wh, 1000xm4 and its parts 1000, xm, 4, and as wh1000xm4.
    """
    return [word for token in _tokens(text) for word in _read(token[0]) if word not in SAID_LITTLE]


def letters_alone(text: str) -> set[str]:
    """The words of a text that stand beside no digit, as those of a model number do."""
    return {
        piece
        for token in _tokens(text)
        if not any(letter.isdigit() for letter in token[0])
        for piece in PIECE.findall(token[0])
    }


def compounds(text: str, stemmer: Stemmer, known: Container[str]) -> list[str]:
    """Known stems that two neighbours make together: "smartwatch" of "smart watch"."""
    joined = [
        first[0] + second[0]
        for first, second in pairwise(_tokens(text))
        if first.string[first.end() : second.start()] == " "
        and first[0].isalpha()
        and second[0].isalpha()
        and SAID_LITTLE.isdisjoint((first[0], second[0]))
    ]
    return [word for word in stemmer.stemWords(joined) if word in known]


def parts(word: str, stemmer: Stemmer, known: Container[str], shortest: int) -> list[str]:
    """Known stems of the two words that one is made of: "smart" and "watch" of "smartwatch"."""
    if not word.isalpha() or len(word) > LONGEST_COMPOUND:
        return []
    cuts = (
        stemmer.stemWords([word[:place], word[place:]]) for place in range(shortest, len(word) - shortest + 1)
    )
    return [part for cut in cuts if all(part in known for part in cut) for part in cut]


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return TOKEN.finditer(POSSESSIVE.sub("", text.lower()))


def _read(token: str) -> Iterator[str]:
    pieces = PIECE.findall(token)
    for piece in pieces:
        yield piece
        parts = LETTERS_OR_DIGITS.findall(piece)
        if len(parts) > 1:
            yield from parts
    if len(pieces) > 1:
        yield "".join(pieces)
