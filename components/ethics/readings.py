"""A text as it is written and as it may be meant: without disguise, without misspelling, window by window."""

import re
import unicodedata
from collections.abc import Callable

from components.ethics.spelling import Spelling
from components.language.text import MARKUP
from components.language.words import PIECE

LEET = str.maketrans("013457@$!|", "oieastasil")
LOOK_ALIKE = str.maketrans(
    "авгекмнорстухьіјѕһԁԛԝАВЕЅІЈКМНОРСТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıłøđ",
    "abrekmhopctyxbijshdqwABESIJKMHOPCTYXabenikvoptuxABEZHIKMNOPTYXilod",
)
DOTTED = re.compile(r"(?<![^\W_])[^\W_]([.\-_*])[^\W_](?:\1[^\W_])*(?![^\W_])")
SPACED = re.compile(r"(?<!\S)\S(?: \S)+(?!\S)")
SIGN_AFTER = re.compile(r"(?<=[^\W_])[.,;:|/\\*~+_-]+(?=\s*(?:[^\W_]|$))")
STRETCHED = re.compile(r"([^\W\d_])\1{2,}", re.I)
LETTER_FOR = re.compile(r"[013457@$]|[!|](?=\w)")
DISGUISED = re.compile(r"[a-z][013457@$!|]+[a-z]|(?<!\w)[013457@$]+[a-z]", re.I)
SIGNED_SHARE = 0.7  # of words
WORD = re.compile(r"[^\W_]{1,40}|[^\w\s]|_")


def readings(text: str, window_words: int, spelling: Spelling, known: Callable[[str], bool]) -> list[str]:
    """Each way to read a text, in lower case; `known` tells a word that the encoder has met."""
    written = " ".join(MARKUP.sub(" ", text).lower().split())
    meant = plain(written)
    ways = dict.fromkeys((written, meant, spelling.mend(meant, known)))
    return list(dict.fromkeys(window for way in ways for window in windows(way, window_words)))


def windows(text: str, window_words: int) -> list[str]:
    """A text of up to two windows' words as it is; of a longer one windows that overlap by half.

    A sign counts as a word, and so does every 40th letter of one, so that no window is too long for an encoder.
    """
    words = list(WORD.finditer(text))
    if len(words) <= 2 * window_words:
        return [text.strip()]
    step = window_words // 2
    return [
        text[words[n].start() : words[min(n + window_words, len(words)) - 1].end()]
        for n in range(0, len(words) - step, step)
    ]


def plain(text: str) -> str:
    """A text in lower case without disguise.

    That is look-alike letters, digits for letters, letters spaced or stretched out, a sign after nearly every word.
    """
    latin = unicodedata.normalize("NFKD", text).translate(LOOK_ALIKE).encode("ascii", "ignore").decode()
    whole = DOTTED.sub(lambda found: found[0].replace(found[1], ""), latin)
    whole = SPACED.sub(lambda found: found[0].replace(" ", ""), whole)
    words = len(PIECE.findall(whole))
    if words > 2 and len(SIGN_AFTER.findall(whole)) > SIGNED_SHARE * words:
        whole = SIGN_AFTER.sub(" ", whole)
    if DISGUISED.search(whole):
        whole = LETTER_FOR.sub(lambda found: found[0].translate(LEET), whole)
    whole = STRETCHED.sub(r"\1", whole)
    return " ".join(whole.lower().split()) or text.lower()
