"""The vectors of sentences, whole and in windows, kept on the disk: a sentence that stands in a list is encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from components.core.content_cache import cache_folder, cache_key, torch_runtime
from components.core.content_hash import hash_imports, hash_paths
from components.core.vector_cache import VectorCache
from components.query_model.onnx_encoder import OnnxEncoder
from components.text_model.encoder import Vectors

AT_ONCE = 256  # texts that are encoded before they are stored, and the bar moves
END = "\0"  # between a text and the number of its span


@dataclass(frozen=True)
class SpanVectors:
    """Unit vectors (s, d) of the spans of texts, in order, which text each is of (s,), and which are windows of it (s,)."""

    vectors: Vectors
    texts: NDArray[np.intp]
    windows: NDArray[np.bool_]

    @property
    def whole(self) -> Vectors:
        """The vector of each text (t, d), which is its first span."""
        return self.vectors[self._starts]

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.diff(self.texts, prepend=-1))

    def take(self, kept: NDArray[np.bool_]) -> "SpanVectors":
        """The spans of some texts (t,), which are numbered anew."""
        rows = kept[self.texts]
        numbers = np.cumsum(kept) - 1
        return SpanVectors(self.vectors[rows], numbers[self.texts[rows]], self.windows[rows])

    def highest(self, scores: NDArray[np.floating], margin: float) -> NDArray[np.floating]:
        """The highest score of the spans (s,) of each text (t,); windows count less by the margin."""
        found: NDArray[np.floating] = np.maximum.reduceat(scores - margin * self.windows, self._starts)
        return found


class SentenceVectors:
    """Vectors of sentences beside an output, of one query model; those of another are dropped."""

    def __init__(self, output: Path, query_model: Path, window_tokens: int) -> None:
        code = hash_imports("components.query_model.onnx_encoder")
        key = cache_key(window_tokens, hash_paths([query_model]), code, torch_runtime())
        self.encoder, self.window_tokens = OnnxEncoder.load(query_model), window_tokens
        self.store = VectorCache(cache_folder(output, "sentences", key) / "vectors", self.encoder.dimensions)

    def spans(self, texts: Sequence[str]) -> SpanVectors:
        """The spans of texts; those that are new are encoded and stored."""
        missing = [text for text in dict.fromkeys(texts) if f"{text}{END}0" not in self.store]
        missing.sort(key=len)
        with tqdm(total=len(missing), desc="encode", unit="text", disable=not missing) as bar:
            for start in range(0, len(missing), AT_ONCE):
                part = missing[start : start + AT_ONCE]
                self._add(part)
                bar.update(len(part))
        named = [self._names(text) for text in texts]
        counts = [len(names) for names in named]
        windows = np.concatenate([np.arange(count) > 0 for count in counts]) if counts else np.zeros(0, bool)
        vectors = self.store.get([name for names in named for name in names])
        return SpanVectors(vectors, np.repeat(np.arange(len(texts)), counts), windows)

    def _add(self, texts: Sequence[str]) -> None:
        found = self.encoder.encode_spans(texts, self.window_tokens)
        # The whole text is stored last, so that where it is found all its windows are
        named = [
            (f"{text}{END}{number}", vectors[number])
            for text, vectors in zip(texts, found, strict=True)
            for number in reversed(range(len(vectors)))
        ]
        self.store.add([name for name, _ in named], np.stack([vector for _, vector in named]))

    def _names(self, text: str) -> list[str]:
        names: list[str] = []
        while (name := f"{text}{END}{len(names)}") in self.store:
            names.append(name)
        return names
