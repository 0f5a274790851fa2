"""Encode what people type: one batch at a time, and the latest texts only once."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from components.language.encoder import Vectors
from components.language.query_model import QueryModel

KEPT_TEXTS = 4096


class QueryEncoder(QueryModel):
    """An encoder for many threads; moving a price range or taking a filter away encodes nothing again."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        super().__init__(session, tokenizer, dimensions)
        self._lock = Lock()
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = 64) -> Vectors:
        """Encode texts to unit rows (texts, d)."""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._kept]
            for text, vector in zip(new, super().encode(new, progress, batch_size), strict=True):
                self._kept[text] = vector
            vectors = [self._kept[text] for text in texts]
            for text in texts:
                self._kept.move_to_end(text)
            while len(self._kept) > KEPT_TEXTS:
                self._kept.popitem(last=False)
        return np.stack(vectors) if vectors else np.zeros((0, self.dimensions), dtype=np.float32)
