"""Caches of the latest texts, so that none of them is judged or encoded twice."""

from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
import onnxruntime
from cachetools import LRUCache
from numpy.typing import NDArray
from tokenizers import Tokenizer

from components.query_model.onnx_encoder import BATCH_SIZE, OnnxEncoder, Vectors

T = TypeVar("T")
CAPACITY = 4096


class LruCache(Generic[T]):
    """A cache for many threads. Evicts the least recently used text when full."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._lock = Lock()
        self._results: LRUCache[Hashable, T] = LRUCache(capacity)

    def get(self, text: Hashable) -> T | None:
        """Return the result of a text, None where it is not cached."""
        with self._lock:  # a read changes the order of an LRU cache, too
            return self._results.get(text)

    def put(self, text: Hashable, result: T) -> None:
        """Keep the result of a text."""
        with self._lock:
            self._results[text] = result


class CachedEncoder(OnnxEncoder):
    """An encoder for many threads that encodes one batch at a time and caches the latest vectors."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        super().__init__(session, tokenizer, dimensions)
        # More than one batch at a time would only share the same cores
        self._encoding = Lock()
        self._vectors: LruCache[NDArray[np.float32]] = LruCache()

    def encode(self, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Vectors:
        """Encode texts to unit rows (texts, d)."""
        with self._encoding:
            found = {text: self._vectors.get(text) for text in texts}
            new = [text for text, vector in found.items() if vector is None]
            for text, vector in zip(new, super().encode(new, batch_size), strict=True):
                found[text] = vector
                self._vectors.put(text, vector)
        # from what was found: more texts than the cache holds push the first of them out of it
        vectors = [vector for text in texts if (vector := found[text]) is not None]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimensions), dtype=np.float32)

    def encode_spans(
        self, texts: Sequence[str], window_tokens: int, batch_size: int = BATCH_SIZE
    ) -> list[Vectors]:
        """Encode texts whole and in windows."""
        # not cached: Searcher caches what is parsed from them
        with self._encoding:
            return super().encode_spans(texts, window_tokens, batch_size)
