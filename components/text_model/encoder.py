"""Texts to unit vectors with a Sentence-Transformers model."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from components.core.compute import multiplies_bfloat16
from components.core.linear_algebra import unit_rows
from components.text_model.settings import TextModelError

Vectors = NDArray[np.float32]


class TextEncoder:
    """A text model that is ready to encode; exact: by products of 32-bit floats, even where those of 16 are faster."""

    def __init__(self, model: Any, exact: bool = False) -> None:
        self.model, self.exact = model, exact

    @classmethod
    def load(cls, folder: Path, exact: bool = False) -> Self:
        """Load a Sentence-Transformers folder, with weights of 16 bits where the device multiplies them faster.

        exact: keep weights of 32 bits. Raises TextModelError where the folder cannot be read.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        model = open_model(str(folder))
        # Cosines to the vectors of 32 bits are .9999 in the mean
        return cls(model if exact or not multiplies_bfloat16() else model.bfloat16(), exact)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = 64) -> Vectors:
        """Encode texts to unit rows (texts, d)."""
        # Sentence-Transformers gives no array of d columns for no texts
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        with nullcontext() if self.exact else reduced_precision(self.model):
            vectors = self.model.encode(
                list(texts), batch_size=batch_size, show_progress_bar=progress, convert_to_numpy=False
            )
        # Normalised in 32 bits: rows of 16 bits would have lengths from .99 to 1.01
        return unit_rows(np.stack([vector.float().cpu().numpy() for vector in vectors]))


def reduced_precision(model: Any) -> Any:
    """Return a context in which a model of 32 bits multiplies 16-bit floats where its device does that faster."""
    import torch

    # Only there: it would turn the weights into 16 bits for each batch anew
    is_exact = next(model.parameters()).dtype == torch.float32
    return torch.autocast(model.device.type, torch.bfloat16, enabled=is_exact and multiplies_bfloat16())


def open_model(name: str, **loading: Any) -> Any:
    """Open a Sentence-Transformers model by its folder or its name on the hub.

    loading: arguments of the backbone's loader. Raises TextModelError where the model cannot be read.
    """
    # Imported late: sentence_transformers takes seconds, and commands that encode nothing import this module
    import torch
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(
            name,
            device="cuda" if torch.cuda.is_available() else "cpu",
            local_files_only=Path(name).is_dir(),
            model_kwargs=loading,
        )
    # A damaged folder raises any of these, depending on which of its files is damaged
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise TextModelError(
            f"The text model {name} cannot be read: {error}. "
            "Name a folder, a pinned package's model or a model that the hub has in conf/text_model.yaml."
        ) from None
