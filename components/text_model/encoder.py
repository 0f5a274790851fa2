"""Texts to unit vectors with a Sentence-Transformers model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from components.text_model.settings import TextModelError

Vectors = NDArray[np.float32]


class TextEncoder:
    """A text model that is ready to encode."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a Sentence-Transformers folder.

        Raises LanguageError where it cannot be read.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        return cls(open_model(str(folder)))

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = 64) -> Vectors:
        """Encode texts to unit rows (texts, d); longest first, so that a batch pads little."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = self.model.encode(
            list(texts), batch_size=batch_size, show_progress_bar=progress, normalize_embeddings=True
        )
        return np.asarray(vectors, dtype=np.float32)


def open_model(name: str, **loading: Any) -> Any:
    """Open a model by what `resolve` gave, a folder or a hub name; `loading` goes to the backbone's loader.

    Raises LanguageError naming the model where it cannot be read.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(
            name,
            device="cuda" if torch.cuda.is_available() else "cpu",
            local_files_only=Path(name).is_dir(),
            model_kwargs=loading,
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as fault:
        raise TextModelError(
            f"The text model {name} cannot be read: {fault}. "
            "Name a folder, a pinned package's model or a model that the hub has in conf/text_model.yaml."
        ) from None
