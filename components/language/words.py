"""Texts to the words that are matched: English stems, and model numbers whole, joined and in parts."""

import re
from collections.abc import Iterator

from bm25s.tokenization import STOPWORDS_EN
from Stemmer import Stemmer

SAID_LITTLE = frozenset(STOPWORDS_EN)
POSSESSIVE = re.compile(r"['’]s?(?!\w)")
TOKEN = re.compile(r"[^\W_]+(?:[-./_][^\W_]+)*")
PIECE = re.compile(r"[^\W_]+")
LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")


def words(text: str, stemmer: Stemmer) -> list[str]:
    """The words of a text, without those that say little.

    "WH-1000XM4" is read as wh, 1000xm4 and its parts 1000, xm, 4, and as wh1000xm4.
    """
    said = [word for word in _read(text) if word not in SAID_LITTLE]
    stems: list[str] = stemmer.stemWords(said)
    return stems


def _read(text: str) -> Iterator[str]:
    for token in TOKEN.findall(POSSESSIVE.sub("", text.lower())):
        pieces = PIECE.findall(token)
        for piece in pieces:
            yield piece
            parts = LETTERS_OR_DIGITS.findall(piece)
            if len(parts) > 1:
                yield from parts
        if len(pieces) > 1:
            yield "".join(pieces)
