"""A text as it is written and as it may be meant: without disguise, without misspelling, window by window."""

import re
import unicodedata
from collections.abc import Sequence

from components.ethics.spelling import Spelling
from components.language.encoder import Encoder
from components.language.text import as_shown
from components.language.words import PIECE

LEET = str.maketrans("013457@$!|", "oieastasil")
LOOK_ALIKE = str.maketrans(
    "авгекмнорстухьіјѕһԁԛԝАВЕЅІЈКМНОРСТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıłøđ",
    "abrekmhopctyxbijshdqwABESIJKMHOPCTYXabenikvoptuxABEZHIKMNOPTYXilod",
)
DOTTED = re.compile(r"(?<![^\W_])[^\W_]([.\-_*])[^\W_](?:\1[^\W_])*(?![^\W_])")
SPACED = re.compile(r"(?<!\S)\S(?: \S)+(?!\S)")
UNSEEN = re.compile(  # marks upon letters that no letter has, and what has no width
    "[\u00ad\u0300-\u036f\u061c\u180e\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff"
    "\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0000-\U000e01ef]"
)
SIGNS = re.compile(r"[^\w\s@$!|'’]+|_+|[@$!|'’]{2,}|(?<!\w)['’]|['’](?!\w)")
STRETCHED = re.compile(r"([^\W\d_])\1{2,}", re.I)
LETTER_FOR = re.compile(r"[013457@$]|[!|](?=\w)")
DISGUISED = re.compile(r"[a-z][013457@$!|]+[a-z]|(?<!\w)[013457@$]+[a-z]", re.I)
SIGNED_SHARE = 0.7  # of words
TOKENS = 3  # of a window, for each of its words
WORD = re.compile(r"[^\W_]{1,40}|[^\w\s]|_")


def readings(text: str, window_words: int, spelling: Spelling, encoder: Encoder) -> list[str]:
    """Each way to read a text, in lower case, in windows that the encoder reads to their end."""
    seen = UNSEEN.sub("", unicodedata.normalize("NFC", as_shown(text)))
    written = " ".join(seen.lower().split())
    meant = plain(written)
    ways = dict.fromkeys((written, meant, spelling.mend(meant, encoder.knows)))
    found = [window for way in ways for window in windows(way, window_words)]
    return list(
        dict.fromkeys(part for window in found for part in read_whole(window, TOKENS * window_words, encoder))
    )


def read_whole(text: str, window_tokens: int, encoder: Encoder) -> list[str]:
    """A text of up to two windows' tokens, which an encoder reads to its end, as it is; a longer one in such windows.

    Letters by chance and product codes have many tokens a word.
    """
    size = min(window_tokens, encoder.longest // 2)
    if len(text.encode()) <= 2 * size:  # a token has a byte or more
        return [text]
    tokens = encoder.tokens(text)
    if len(tokens) <= 2 * size:
        return [text]
    return _overlapping(text, tokens, size)


def windows(text: str, window_words: int) -> list[str]:
    """A text of up to two windows' words as it is; of a longer one windows that overlap by half.

    A sign counts as a word, and so does every 40th letter of one.
    """
    words = [word.span() for word in WORD.finditer(text)]
    return [text.strip()] if len(words) <= 2 * window_words else _overlapping(text, words, window_words)


def _overlapping(text: str, parts: Sequence[tuple[int, int]], size: int) -> list[str]:
    """Windows of so many parts of a text, each from a character to another, that overlap by half."""
    step = size // 2
    return [
        text[parts[n][0] : parts[min(n + size, len(parts)) - 1][1]] for n in range(0, len(parts) - step, step)
    ]


def plain(text: str) -> str:
    """A text in lower case without disguise.

    That is look-alike letters, digits for letters, letters spaced or stretched out, signs around nearly every word.
    """
    latin = unicodedata.normalize("NFKD", text).translate(LOOK_ALIKE).encode("ascii", "ignore").decode()
    whole = DOTTED.sub(lambda found: found[0].replace(found[1], ""), latin)
    whole = SPACED.sub(lambda found: found[0].replace(" ", ""), whole)
    words = len(PIECE.findall(whole))
    if words > 2 and len(SIGNS.findall(whole)) > SIGNED_SHARE * words:
        whole = SIGNS.sub(" ", whole)
    if DISGUISED.search(whole):
        whole = LETTER_FOR.sub(lambda found: found[0].translate(LEET), whole)
    whole = STRETCHED.sub(r"\1", whole)
    return " ".join(whole.lower().split()) or text.lower()
