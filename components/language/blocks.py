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

from components.language.encoder import Vectors

TOKENS = 8
COUNTED = 1024


def lengths(model: Any, texts: Sequence[str]) -> NDArray[np.int64]:
    """How many tokens are read of each text, rounded up to a multiple of eight, (n,)."""
    counted = [
        _features(model, texts[start : start + COUNTED])["attention_mask"].sum(dim=1).numpy()
        for start in range(0, len(texts), COUNTED)
    ]
    found: NDArray[np.int64] = -(-np.concatenate([np.zeros(0, np.int64), *counted]) // TOKENS) * TOKENS
    return found


def encode_blocks(
    model: Any, texts: Sequence[str], block: int
) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
    """Rows of `texts` (b,) and their unit vectors (b, d), at most `block` at once, the longest first."""
    tokens = lengths(model, texts)
    for length in sorted(set(tokens.tolist()), reverse=True):
        rows = np.flatnonzero(tokens == length)
        for start in range(0, len(rows), block):
            chosen = rows[start : start + block]
            told = [texts[row] for row in chosen]
            yield chosen, _encode(model, told + told[:1] * (block - len(told)), length)[: len(chosen)]


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
