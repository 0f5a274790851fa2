"""A text as it is judged: as it is written, and where it shows signs of a disguise also as it may be meant."""

import re
import unicodedata
from collections.abc import Callable

from components.ethics.spelling import DisguiseSpelling, is_english
from components.search.item_text import as_shown, clean
from components.search.tokenizer import PIECE

LEET = str.maketrans("013457@$!|", "oieastasil")
LOOK_ALIKE = str.maketrans(
    "авгекмнорстухьіјѕһԁԛԝАВЕЅІЈКМНОРСТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıłøđ",
    "abrekmhopctyxbijshdqwABESIJKMHOPCTYXabenikvoptuxABEZHIKMNOPTYXilod",
)
DOTTED = re.compile(r"(?<![^\W_])[^\W_]([.\-_*])[^\W_](?:\1[^\W_])+(?![^\W_])")
SPACED = re.compile(r"(?<!\S)\S(?: \S){3,}(?!\S)")
UNSEEN = re.compile(  # marks upon letters that no letter has, and what has no width
    "[\u00ad\u0300-\u036f\u061c\u180e\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff"
    "\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0000-\U000e01ef]"
)
SIGNS = re.compile(r"[^\w\s@$!|'’]+|_+|[@$!|'’]{2,}|(?<!\w)['’]|['’](?!\w)")
STRETCHED = re.compile(r"([^\W\d_])\1{2,}", re.I)
LETTER_FOR = re.compile(r"[013457@$]|[!|](?=\w)")
LEET_WORD = re.compile(r"(?<!\w)[a-z013457@$!|]*[a-z][a-z013457@$!|]*(?!\w)")
SIGNED_SHARE = 0.7  # signs to words
SPELT_LETTERS = 3  # single letters beside each other that spell a word
LEET_LETTERS = 4  # of one word that make a sign of disguise; shorter ones need company: "50s" is a decade


def as_written(text: str) -> str:
    """A text as a browser shows it, in lower case and in one form of Unicode, without marks that nobody sees."""
    seen = UNSEEN.sub("", unicodedata.normalize("NFC", as_shown(text)))
    return clean(seen)


def as_meant(written: str, spelling: DisguiseSpelling, known: Callable[[str], bool]) -> str | None:
    """What a disguised text may mean; None where nothing is a sign of disguise, as in nearly every query.

    A sign is undone, and what is misspelt is corrected then. A misspelling alone is a sign only where it hides a word
    that banned sentences have: brands and slips of the finger are no disguise.
    """
    bare = _without_accents(written)
    plain = without_disguise(bare)
    corrected = spelling.correct(plain or bare, known)
    if plain is not None:
        return corrected
    if bare != written and all(map(is_english, PIECE.findall(corrected))):
        return corrected
    return corrected if spelling.hides_alarm(bare, corrected) else None


def _without_accents(text: str) -> str:
    """A text whose letters have no accents; it is English in disguise where all its words are English then."""
    return text if text.isascii() else UNSEEN.sub("", unicodedata.normalize("NFKD", text))


def without_disguise(written: str) -> str | None:
    """A text in lower case without its disguise, None where it has none.

    That is letters of other alphabets among Latin ones, digits for letters, letters spaced, dotted or stretched out,
    signs around nearly every word.
    """
    found = _latin(written)
    found = DOTTED.sub(lambda dotted: _joined(dotted[0], dotted[1]), found)
    found = SPACED.sub(lambda spaced: _joined(spaced[0], " "), found)
    words = len(PIECE.findall(found))
    if words > 2 and len(SIGNS.findall(found)) > SIGNED_SHARE * words:
        found = SIGNS.sub(" ", found)
    found = _without_leet(found)
    found = STRETCHED.sub(r"\1", found)
    found = " ".join(found.split())
    return found if found and found != written else None


def _joined(parts: str, sign: str) -> str:
    """Single letters without the sign between them; numbers such as 1-2-3 stay as they are."""
    letters = sum(letter.isalpha() for letter in parts)
    return parts.replace(sign, "") if letters >= SPELT_LETTERS else parts


def _latin(text: str) -> str:
    """A text in Latin letters where other letters that look like them stand among Latin ones."""
    if text.isascii() or not any("a" <= letter <= "z" for letter in text):
        return text
    return text.translate(LOOK_ALIKE)


def _without_leet(text: str) -> str:
    """A text with letters for digits and signs in words that are English then."""
    read: dict[str, str] = {}
    for word in set(LEET_WORD.findall(text)):
        letters = LETTER_FOR.sub(lambda digit: digit[0].translate(LEET), word)
        if letters != word and is_english(letters):
            read[word] = letters
    if len(read) < 2 and all(len(letters) < LEET_LETTERS for letters in read.values()):
        return text
    return LEET_WORD.sub(lambda word: read.get(word[0], word[0]), text)
