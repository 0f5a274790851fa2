"""The text model as queries use it, one at a time on a CPU: ONNX with 8-bit weights, without torch."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from tqdm import tqdm

from components.language.encoder import Encoder, Vectors
from components.language.settings import LanguageError

GRAPH, TOKENIZER, FACTS = "model.onnx", "tokenizer.json", "query_model.json"
INPUTS = ("input_ids", "attention_mask")


class QueryModel(Encoder):
    """What the stage `export` wrote, ready to encode; it may be used by many threads at once."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        self.session, self.tokenizer, self._dimensions = session, tokenizer, dimensions

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the folder that `export` wrote.

        Raises LanguageError where it cannot be read.
        """
        try:
            facts = json.loads((folder / FACTS).read_text())
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            return cls(open_graph(folder / GRAPH), tokenizer, facts["dimensions"])
        except Exception as fault:  # tokenizers and onnxruntime raise bare exceptions
            raise LanguageError(
                f"The query model {folder} cannot be read: {fault}. Make it again: dvc repro export"
            ) from None

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    def knows(self, word: str) -> bool:
        """Whether the model reads a word in one piece, as it does with words that it met often."""
        return len(self.tokenizer.encode(f" {word}", add_special_tokens=False).tokens) == 1

    @property
    def longest(self) -> int:
        """How many tokens of a text the model reads; what is beyond them is not in the vector."""
        truncation = self.tokenizer.truncation
        assert truncation  # by `export`
        return int(truncation["max_length"] - self.tokenizer.num_special_tokens_to_add(False))

    def tokens(self, text: str) -> list[tuple[int, int]]:
        """From which character to which each token of a text goes, those beyond what the model reads too."""
        read = self.tokenizer.encode(text, add_special_tokens=False)
        return [
            (start, end) for part in (read, *read.overflowing) for start, end in part.offsets if end > start
        ]

    def encode(self, texts: Sequence[str], progress: bool = False, batch_size: int = 64) -> Vectors:
        """Encode texts to unit rows (texts, d); longest first, so that a batch pads little."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        for start in tqdm(range(0, len(texts), batch_size), desc="encode", disable=not progress):
            part = order[start : start + batch_size]
            vectors[part] = self._encode([texts[place] for place in part])
        return vectors

    def _encode(self, texts: Sequence[str]) -> Vectors:
        read = self.tokenizer.encode_batch(list(texts))
        inputs = (np.array([text.ids for text in read]), np.array([text.attention_mask for text in read]))
        vectors: Vectors = self.session.run(None, dict(zip(INPUTS, inputs, strict=True)))[0]
        return vectors


def open_graph(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Open an ONNX graph, or the file of one, for the CPU, with as many threads as OMP_NUM_THREADS says, or as it likes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or 0)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
