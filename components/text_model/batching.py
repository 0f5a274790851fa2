"""Encode many texts so that a text's vector has the same bits whatever the other texts are.

Matrix products of another shape add up in another order. So every block has one of few shapes: as many texts as the
block size, the first repeated where there are fewer, each as long as the next multiple of eight tokens.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from components.text_model.encoder import Vectors

TOKENS = 8
COUNTED = 1024


def lengths(model: Any, texts: Sequence[str]) -> NDArray[np.int64]:
    """How many tokens are read of each text, rounded up to a multiple of eight or to what the model reads, (n,)."""
    counted = [
        _features(model, texts[start : start + COUNTED])["attention_mask"].sum(dim=1).numpy()
        for start in range(0, len(texts), COUNTED)
    ]
    rounded = -(-np.concatenate([np.zeros(0, np.int64), *counted]) // TOKENS) * TOKENS
    found: NDArray[np.int64] = np.minimum(rounded, model.max_seq_length)
    return found


def encode_blocks(
    model: Any, texts: Sequence[str], block: int
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Rows of `texts` (b,) and their unit vectors (b, d), at most `block` at once, the longest first."""
    for rows, length in plan_blocks(model, texts, block):
        yield rows, encode_block(model, [texts[row] for row in rows], length, block)


def plan_blocks(model: Any, texts: Sequence[str], block: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Rows of `texts` (b,) that make a block, and how many tokens long each is made."""
    tokens = lengths(model, texts)
    for length in sorted(set(tokens.tolist()), reverse=True):
        rows = np.flatnonzero(tokens == length)
        for start in range(0, len(rows), block):
            yield rows[start : start + block], length


def encode_block(model: Any, texts: list[str], length: int, block: int) -> Vectors:
    """Unit vectors (b, d) of at most `block` texts of a length in tokens."""
    return _encode(model, texts + texts[:1] * (block - len(texts)), length)[: len(texts)]


@torch.inference_mode()
def _encode(model: Any, texts: Sequence[str], length: int) -> Vectors:
    model.eval()
    features = _features(model, texts, {"padding": "max_length", "max_length": length})
    features = {
        name: value.to(model.device) if torch.is_tensor(value) else value for name, value in features.items()
    }
    vectors: Vectors = normalize(model(features)["sentence_embedding"].float(), dim=1).cpu().numpy()
    return vectors


def _features(model: Any, texts: Sequence[str], padding: dict[str, Any] | None = None) -> dict[str, Any]:
    prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
    features: dict[str, Any] = model.preprocess(
        list(texts), prompt=prompt, **({"processing_kwargs": {"text": padding}} if padding else {})
    )
    return features
