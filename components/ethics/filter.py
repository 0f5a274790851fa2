"""Judge a text by its likeness to banned sentences, pulled back by its likeness to benign ones."""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from components.ethics.settings import EthicsError
from components.language.encoder import Encoder, Vectors

LEET = str.maketrans("013457@$!|", "oieastasil")
LOOK_ALIKE = str.maketrans(
    "авгекмнорстухьіјѕһԁԛԝАВЕЅІЈКМНОРСТУХαβεηικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıłøđ",
    "abrekmhopctyxbijshdqwABESIJKMHOPCTYXabenikvoptuxABEZHIKMNOPTYXilod",
)
DOTTED = re.compile(r"(?<![^\W_])[^\W_]([.\-_*])[^\W_](?:\1[^\W_])*(?![^\W_])")
SPACED = re.compile(r"(?<!\S)\S(?: \S)+(?!\S)")
LETTER_FOR = re.compile(r"[013457@$]|[!|](?=\w)")
DISGUISED = re.compile(r"[a-z][013457@$!|]+[a-z]|(?<!\w)[013457@$]+[a-z]", re.I)
WORD = re.compile(r"[^\W_]{1,40}|[^\w\s]|_")
SENTENCE_END = re.compile(r"[.!?;:](?=\s)|\n")
NEAR = 0.1


@dataclass(frozen=True)
class Verdict:
    """Whether a text is blocked, how near it came, and to which sentence."""

    blocked: bool
    category: str | None
    score: float
    threshold: float
    sentence: str | None


@dataclass(frozen=True)
class EthicsFilter:
    """Banned (b, d) and benign (n, d) vectors, how strongly the benign pull back, and the threshold."""

    banned: Vectors
    benign: Vectors
    sentences: list[str]
    categories: list[str]
    contrast: float
    threshold: float
    window_words: int

    @classmethod
    def load(cls, folder: Path) -> "EthicsFilter":
        """Read what `save` wrote.

        Raises EthicsError where a file is missing.
        """
        rest, vectors = folder / "filter.json", folder / "vectors.safetensors"
        for file in (rest, vectors):
            if not file.is_file():
                raise EthicsError(f"{file} is missing. Make it again: dvc repro ethics")
        arrays = load_file(vectors)
        return cls(arrays["banned"], arrays["benign"], **json.loads(rest.read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        """Write vectors as safetensors and the rest as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"banned": self.banned, "benign": self.benign}, folder / "vectors.safetensors")
        rest = {key: value for key, value in vars(self).items() if key not in ("banned", "benign")}
        (folder / "filter.json").write_text(
            json.dumps(rest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    def judge(self, text: str, encoder: Encoder) -> Verdict:
        """Judge a text by the reading of it that comes nearest to being banned."""
        vectors = encoder.encode(readings(text, self.window_words))
        near = vectors @ self.banned.T
        scores = score(near.max(axis=1), (vectors @ self.benign.T).max(axis=1), self.contrast)
        worst = int(scores.argmax())
        nearest = int(near[worst].argmax())
        blocked = bool(scores[worst] > self.threshold)
        category, sentence = (self.categories[nearest], self.sentences[nearest]) if blocked else (None, None)
        return Verdict(blocked, category, round(float(scores[worst]), 6), self.threshold, sentence)


def score(banned: Vectors, benign: Vectors, contrast: float) -> Vectors:
    """Likeness to banned sentences (t,), less a share of what likeness to benign ones exceeds it by, or nearly does."""
    pulled: Vectors = banned - contrast * np.maximum(benign - banned + NEAR, 0)
    return pulled


def readings(text: str, window_words: int) -> list[str]:
    """A text as it is written and as it may be meant, in lower case; window by window where it is long."""
    return list(dict.fromkeys([*windows(text.lower(), window_words), *windows(plain(text), window_words)]))


def windows(text: str, window_words: int) -> list[str]:
    """A text of few words as it is; of a longer one its sentences, and of long sentences windows that overlap by half.

    A sign counts as a word, and so does every 40th letter of one, so that no window is too long for an encoder.
    """
    if len(WORD.findall(text)) <= window_words:
        return [text.strip()]
    found = []
    for sentence in SENTENCE_END.split(text):
        words = list(WORD.finditer(sentence))
        step = window_words // 2
        for n in range(0, max(len(words) - step, min(len(words), 1)), step):
            end = words[min(n + window_words, len(words)) - 1].end()
            found.append(sentence[words[n].start() : end])
    return found or [text.strip()]


def plain(text: str) -> str:
    """A text in lower case without disguise: look-alike letters, digits for letters, letters spaced out."""
    latin = unicodedata.normalize("NFKD", text).translate(LOOK_ALIKE).encode("ascii", "ignore").decode()
    whole = DOTTED.sub(lambda found: found[0].replace(found[1], ""), latin)
    whole = SPACED.sub(lambda found: found[0].replace(" ", ""), whole)
    if DISGUISED.search(whole):
        whole = LETTER_FOR.sub(lambda found: found[0].translate(LEET), whole)
    return " ".join(whole.lower().split()) or text.lower()
