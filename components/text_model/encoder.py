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

        Raises TextModelError where it cannot be read.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        return cls(open_model(str(folder)))

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = 64) -> Vectors:
        """Encode texts to unit rows (texts, d)."""
        # Sentence-Transformers gives no array of d columns for no texts
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = self.model.encode(
            list(texts), batch_size=batch_size, show_progress_bar=progress, normalize_embeddings=True
        )
        return np.asarray(vectors, dtype=np.float32)


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
