"""The variants of a text that are judged: as it is shown, and as it may be meant where it shows signs of a disguise."""

import re
import unicodedata
from collections.abc import Callable

from components.ethics.disguise_spelling import DisguiseSpelling, is_english
from components.search.item_text import lowercase_text, strip_markup
from components.search.tokenizer import PIECE

LEET = str.maketrans("013457@$!|", "oieastasil")
LOOK_ALIKE_LETTERS = str.maketrans(
    "авгекмнорстухьіјѕһԁԛԝАВЕЅІЈКМНОРСТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıłøđ",
    "abrekmhopctyxbijshdqwABESIJKMHOPCTYXabenikvoptuxABEZHIKMNOPTYXilod",
)
DOTTED = re.compile(r"(?<![^\W_])[^\W_]([.\-_*])[^\W_](?:\1[^\W_])+(?![^\W_])")
SPACED = re.compile(r"(?<!\S)\S(?: \S){3,}(?!\S)")
INVISIBLE = re.compile(  # combining marks that belong to no letter, and characters without width
    "[\u00ad\u0300-\u036f\u061c\u180e\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff"
    "\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\U000e0000-\U000e01ef]"
)
SIGNS = re.compile(r"[^\w\s@$!|'’]+|_+|[@$!|'’]{2,}|(?<!\w)['’]|['’](?!\w)")
STRETCHED = re.compile(r"([^\W\d_])\1{2,}", re.I)
LEET_SIGN = re.compile(r"[013457@$]|[!|](?=\w)")
LEET_WORD = re.compile(r"(?<!\w)[a-z013457@$!|]*[a-z][a-z013457@$!|]*(?!\w)")
MAX_SIGN_RATIO = 0.7  # signs per word
MIN_SPELLED_LETTERS = 3  # single letters beside each other that spell a word
MIN_LEET_LETTERS = 4  # of one word that is a sign of disguise; shorter ones need company: "50s" is a decade


def canonicalize_text(text: str) -> str:
    """Return a text as a browser shows it, in lower case and in one form of Unicode, without invisible marks."""
    # NFC first: it joins real accents with their letters, so that only marks that belong to no letter are removed
    return lowercase_text(INVISIBLE.sub("", unicodedata.normalize("NFC", strip_markup(text))))


def decode_disguise(text: str, spelling: DisguiseSpelling, known: Callable[[str], bool]) -> str | None:
    """Return what a canonical text may mean, or None where nothing is a sign of a disguise, as in nearly every query.

    First the signs are undone, then misspelt words are corrected. A misspelling alone is a sign only where it hides a
    word that banned sentences have: brands and slips of the finger are no disguise.
    """
    plain = _strip_accents(text)
    undisguised = remove_disguise(plain)
    corrected = spelling.correct_text(undisguised or plain, known)
    if undisguised is not None or spelling.hides_alarm(plain, corrected):
        return corrected
    # Accents are a disguise where all words are English without them; in other languages they belong to the words
    hides_english = plain != text and all(map(is_english, PIECE.findall(corrected)))
    return corrected if hides_english else None


def _strip_accents(text: str) -> str:
    """Return a text whose letters have no accents."""
    return text if text.isascii() else INVISIBLE.sub("", unicodedata.normalize("NFKD", text))


def remove_disguise(text: str) -> str | None:
    """Return a text in lower case without its disguise, or None where it has none.

    A disguise is letters of other alphabets among Latin ones, digits for letters, letters that are spaced, dotted or
    stretched out, and signs around nearly every word.
    """
    plain = _latinize_letters(text)
    plain = DOTTED.sub(lambda dotted: _join_letters(dotted[0], dotted[1]), plain)
    plain = SPACED.sub(lambda spaced: _join_letters(spaced[0], " "), plain)
    words = len(PIECE.findall(plain))
    if words > 2 and len(SIGNS.findall(plain)) > MAX_SIGN_RATIO * words:
        plain = SIGNS.sub(" ", plain)
    # After the signs: LEET_WORD reads signs at the edge of a word as letters
    plain = _decode_leet(plain)
    plain = " ".join(STRETCHED.sub(r"\1", plain).split())
    return plain if plain and plain != text else None


def _join_letters(parts: str, sign: str) -> str:
    """Return single letters without the sign between them; numbers such as 1-2-3 stay as they are."""
    letters = sum(map(str.isalpha, parts))
    return parts.replace(sign, "") if letters >= MIN_SPELLED_LETTERS else parts


def _latinize_letters(text: str) -> str:
    """Return a text with Latin letters for those that look like them, where it has Latin letters too."""
    # A text that is all Cyrillic or Greek is no disguise
    if text.isascii() or not any("a" <= letter <= "z" for letter in text):
        return text
    return text.translate(LOOK_ALIKE_LETTERS)


def _decode_leet(text: str) -> str:
    """Return a text with letters for digits and signs in the words that are English then."""
    decoded: dict[str, str] = {}
    for word in set(LEET_WORD.findall(text)):
        letters = LEET_SIGN.sub(lambda digit: digit[0].translate(LEET), word)
        if letters != word and is_english(letters):
            decoded[word] = letters
    if len(decoded) < 2 and max(map(len, decoded.values()), default=0) < MIN_LEET_LETTERS:
        return text
    return LEET_WORD.sub(lambda word: decoded.get(word[0], word[0]), text)
