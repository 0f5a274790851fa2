"""Texts to the words that BM25 matches: English stems, model numbers whole, joined and in parts, and compounds."""

import re
from collections.abc import Container, Iterator
from itertools import pairwise

from bm25s.tokenization import STOPWORDS_EN
from Stemmer import Stemmer

STOP_WORDS = frozenset(STOPWORDS_EN)
POSSESSIVE = re.compile(r"['’]s?(?!\w)")
TOKEN = re.compile(r"[^\W_]+(?:[-./_][^\W_]+)*")
PIECE = re.compile(r"[^\W_]+")
LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")
MAX_COMPOUND_LETTERS = 40  # cutting a longer one at every place takes quadratic time


def stem_words(text: str, stemmer: Stemmer) -> list[str]:
    """Return the stems of a text's words, without stop words."""
    stems: list[str] = stemmer.stemWords(split_words(text))
    return stems


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without stop words.

    "WH-1000XM4" gives wh, 1000xm4 and its parts 1000, xm, 4, and wh1000xm4.
    """
    words: list[str] = []
    for token in _match_tokens(text):
        words += _split_token(token[0])
    # After the split: stop words are refused inside of hyphenated words too
    return [word for word in words if word not in STOP_WORDS]


def alphabetic_words(text: str) -> set[str]:
    """Return the words of a text outside of tokens with digits: a model number is no misspelt word."""
    words: set[str] = set()
    for token in _match_tokens(text):
        if not any(map(str.isdigit, token[0])):
            words.update(PIECE.findall(token[0]))
    return words


def find_compounds(text: str, stemmer: Stemmer, vocabulary: Container[str]) -> list[str]:
    """Return known stems that two neighbouring words make together: "smartwatch" of "smart watch"."""
    joined = []
    for first, second in pairwise(_match_tokens(text)):
        words = first[0], second[0]
        # Neighbours only: no compound reaches over a comma or a full stop
        adjacent = first.string[first.end() : second.start()] == " "
        if adjacent and "".join(words).isalpha() and STOP_WORDS.isdisjoint(words):
            joined.append("".join(words))
    return list(filter(vocabulary.__contains__, stemmer.stemWords(joined)))


def split_compound(word: str, stemmer: Stemmer, vocabulary: Container[str], min_letters: int) -> list[str]:
    """Return the known stems of the two words that a word is made of: "smart" and "watch" of "smartwatch".

    min_letters: of each half. Where several splits are known, all of their stems are returned.
    """
    if not word.isalpha() or len(word) > MAX_COMPOUND_LETTERS:
        return []
    found = []
    for place in range(min_letters, len(word) - min_letters + 1):
        first, second = stemmer.stemWords([word[:place], word[place:]])
        if first in vocabulary and second in vocabulary:
            found += [first, second]
    return found


def _match_tokens(text: str) -> Iterator[re.Match[str]]:
    # The possessive goes first, or "Bose's" would have the token s
    return TOKEN.finditer(POSSESSIVE.sub("", text.lower()))


def _split_token(token: str) -> Iterator[str]:
    """Yield the pieces of a token, their letters and digits apart, and all pieces joined.

    So `WH-1000XM4` is found by `wh1000xm4` and by `WH 1000XM4`, and `64 GB` by `64gb`.
    """
    pieces = PIECE.findall(token)
    for piece in pieces:
        yield piece
        parts = LETTERS_OR_DIGITS.findall(piece)
        if len(parts) > 1:
            yield from parts
    if len(pieces) > 1:
        yield "".join(pieces)
