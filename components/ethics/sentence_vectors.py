"""A store of sentence vectors, whole and in windows, on disk: a sentence of the lists is encoded only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from components.core.content_cache import cache_folder, cache_key, torch_runtime
from components.core.content_hash import hash_imports, hash_paths
from components.core.vector_cache import VectorCache
from components.query_model.onnx_encoder import OnnxEncoder, Vectors

BATCH_SIZE = 256  # texts between two writes: an interrupted run loses no more, and the bar moves
SEPARATOR = "\0"  # between a text and the number of its span: lists hold no control character


@dataclass(frozen=True)
class SpanVectors:
    """Unit vectors (s, d) of the spans of texts, in order, the text of each (s,), and whether it is a window (s,)."""

    vectors: Vectors
    texts: NDArray[np.intp]
    windows: NDArray[np.bool_]

    @property
    def text_vectors(self) -> Vectors:
        """The vector of each whole text (t, d), which is its first span."""
        return self.vectors[self._first_spans]

    @cached_property
    def _first_spans(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.diff(self.texts, prepend=-1))

    def select_texts(self, kept: NDArray[np.bool_]) -> "SpanVectors":
        """Return the spans of the kept texts (t,), which are numbered anew."""
        rows = kept[self.texts]
        numbers = np.cumsum(kept) - 1
        return SpanVectors(self.vectors[rows], numbers[self.texts[rows]], windows=self.windows[rows])

    def highest_scores(self, scores: NDArray[np.floating], margin: float) -> NDArray[np.floating]:
        """Return the highest score (t,) of the spans (s,) of each text, where windows count less by the margin."""
        highest: NDArray[np.floating] = np.maximum.reduceat(scores - margin * self.windows, self._first_spans)
        return highest


class SentenceVectors:
    """Stored vectors of sentences beside an output; those of another query model are dropped."""

    def __init__(self, output: Path, query_model: Path, window_tokens: int) -> None:
        code = hash_imports("components.query_model.onnx_encoder")
        key = cache_key(window_tokens, hash_paths([query_model]), code, torch_runtime())
        self.encoder, self.window_tokens = OnnxEncoder.load(query_model), window_tokens
        self.store = VectorCache(cache_folder(output, "sentences", key) / "vectors", self.encoder.dimensions)

    def get_spans(self, texts: Sequence[str]) -> SpanVectors:
        """Return the spans of texts; new texts are encoded and stored."""
        missing = [text for text in dict.fromkeys(texts) if f"{text}{SEPARATOR}0" not in self.store]
        missing.sort(key=len)  # texts of one length pad little
        with tqdm(total=len(missing), desc="encode", unit="text", disable=not missing) as bar:
            for start in range(0, len(missing), BATCH_SIZE):
                batch = missing[start : start + BATCH_SIZE]
                self._encode_batch(batch)
                bar.update(len(batch))
        keys = [*map(self._span_keys, texts)]
        counts = np.array([*map(len, keys)], np.intp)
        owners = np.repeat(np.arange(len(texts)), counts)
        windows = np.diff(owners, prepend=-1) == 0
        return SpanVectors(self.store.get([*chain.from_iterable(keys)]), owners, windows=windows)

    def _encode_batch(self, texts: Sequence[str]) -> None:
        keys, vectors = [], []
        for text, spans in zip(texts, self.encoder.encode_spans(texts, self.window_tokens), strict=True):
            # The whole text is stored last, so that where it is found all its windows are
            for number in reversed(range(len(spans))):
                keys.append(f"{text}{SEPARATOR}{number}")
                vectors.append(spans[number])
        self.store.add(keys, np.stack(vectors))

    def _span_keys(self, text: str) -> list[str]:
        keys: list[str] = []
        while (key := f"{text}{SEPARATOR}{len(keys)}") in self.store:
            keys.append(key)
        return keys
