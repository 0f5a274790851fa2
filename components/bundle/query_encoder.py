"""Encode what people type: one batch at a time, and the latest texts only once."""

from collections.abc import Sequence
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from components.bundle.latest import Latest
from components.language.encoder import Vectors
from components.language.query_model import BATCH_SIZE, QueryModel


class QueryEncoder(QueryModel):
    """An encoder for many threads; moving a price range or taking a filter away encodes nothing again."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        super().__init__(session, tokenizer, dimensions)
        self._encoding = Lock()
        self._latest: Latest[NDArray[np.float32]] = Latest()

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = BATCH_SIZE) -> Vectors:
        """Encode texts to unit rows (texts, d)."""
        with self._encoding:
            found = {text: self._latest.get(text) for text in texts}
            new = [text for text, vector in found.items() if vector is None]
            for text, vector in zip(new, super().encode(new, progress, batch_size), strict=True):
                found[text] = vector
                self._latest.keep(text, vector)
        vectors = [vector for text in texts if (vector := found[text]) is not None]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimensions), dtype=np.float32)

    def encode_spans(
        self, texts: Sequence[str], window_tokens: int, progress: bool = False, batch_size: int = BATCH_SIZE
    ) -> list[Vectors]:
        """Encode texts whole and in windows, one batch at a time."""
        with self._encoding:
            return super().encode_spans(texts, window_tokens, progress, batch_size)
