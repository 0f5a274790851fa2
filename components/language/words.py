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
SHORTEST_PART, LONGEST_COMPOUND = 3, 40


def words(text: str, stemmer: Stemmer) -> list[str]:
    """The words of a text, without those that say little.

    "WH-1000XM4" is read as wh, 1000xm4 and its parts 1000, xm, 4, and as wh1000xm4.
    """
    said = [word for token in _tokens(text) for word in _read(token[0]) if word not in SAID_LITTLE]
    stems: list[str] = stemmer.stemWords(said)
    return stems


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


def parts(text: str, stemmer: Stemmer, known: Container[str]) -> list[str]:
    """Known stems of the two words that an unknown one is made of: "smart" and "watch" of "smartwatch"."""
    unknown = [
        word
        for word in (token[0] for token in _tokens(text))
        if word.isalpha() and len(word) <= LONGEST_COMPOUND and stemmer.stemWord(word) not in known
    ]
    cuts = (
        stemmer.stemWords([word[:place], word[place:]])
        for word in unknown
        for place in range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
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
