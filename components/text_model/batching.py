"""Encode many texts so that a text's vector has the same bits whatever the other texts are.

Matrix products of another shape add up in another order. So every batch has one of few shapes: as many texts as the
batch size, the first repeated where there are fewer, each as long as the next multiple of eight tokens.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from components.text_model.encoder import Vectors

LENGTH_MULTIPLE = 8  # tokens; a finer step would give more shapes, a coarser one more padding
TOKENIZER_BATCH_SIZE = 1024  # texts tokenized at once, so that memory does not grow with the catalogue


def token_lengths(model: Any, texts: Sequence[str]) -> NDArray[np.int64]:
    """Return how many tokens are read of each text, rounded up to a multiple of eight or to the model's limit, (n,)."""
    counts = [np.zeros(0, np.int64)]
    for start in range(0, len(texts), TOKENIZER_BATCH_SIZE):
        tokens = _tokenize_texts(model, texts[start : start + TOKENIZER_BATCH_SIZE])
        counts.append(tokens["attention_mask"].sum(dim=1).numpy())
    rounded = -(-np.concatenate(counts) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
    limited: NDArray[np.int64] = np.minimum(rounded, model.max_seq_length)
    return limited


def encode_batches(
    model: Any, texts: Sequence[str], batch_size: int
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Yield rows of `texts` (b,) and their unit vectors (b, d), the longest texts first."""
    for rows, length in plan_batches(model, texts, batch_size):
        yield rows, encode_batch(model, list(map(texts.__getitem__, rows)), length, batch_size)


def plan_batches(
    model: Any, texts: Sequence[str], batch_size: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Yield the rows of `texts` (b,) of each batch, and its length in tokens."""
    tokens = token_lengths(model, texts)
    # The longest first: a batch size that takes too much memory fails at once, not near the end
    for length in sorted(set(tokens.tolist()), reverse=True):
        rows = np.flatnonzero(tokens == length)
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], length


def encode_batch(model: Any, texts: list[str], length: int, batch_size: int) -> Vectors:
    """Return the unit vectors (b, d) of at most `batch_size` texts of a length in tokens."""
    # Filled up with the first text: fewer rows would be another shape, and so other bits
    return _encode_padded(model, texts + texts[:1] * (batch_size - len(texts)), length)[: len(texts)]


@torch.inference_mode()
def _encode_padded(model: Any, texts: Sequence[str], length: int) -> Vectors:
    model.eval()
    features = _tokenize_texts(model, texts, {"padding": "max_length", "max_length": length})
    for name, value in features.items():
        if torch.is_tensor(value):
            features[name] = value.to(model.device)
    vectors: Vectors = normalize(model(features)["sentence_embedding"].float(), dim=1).cpu().numpy()
    return vectors


def _tokenize_texts(
    model: Any, texts: Sequence[str], padding: dict[str, Any] | None = None
) -> dict[str, Any]:
    # Sentence-Transformers puts the default prompt before texts in `encode` only, not here
    prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
    options = {"processing_kwargs": {"text": padding}} if padding else {}
    return dict(model.preprocess(list(texts), prompt=prompt, **options))
