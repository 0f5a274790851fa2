"""The text model for queries, one at a time on a CPU: an ONNX graph with 8-bit weights, without torch."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from components.query_model.settings import QueryModelError

Vectors = NDArray[np.float32]

GRAPH, TOKENIZER, FACTS = "model.onnx", "tokenizer.json", "query_model.json"
INPUTS, OUTPUTS = ("input_ids", "attention_mask"), ("vectors", "tokens")
BATCH_SIZE = 16  # larger ones pad more and are no faster on a CPU


class OnnxEncoder:
    """An encoder from the files of the stage `export`; many threads may use it at once."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        self.session, self.tokenizer, self._dimensions = session, tokenizer, dimensions
        self._pad_id = int((tokenizer.padding or {"pad_id": 0})["pad_id"])
        tokenizer.no_padding()  # `_iter_batches` pads to the longest text of a batch alone
        truncation = tokenizer.truncation
        assert truncation  # `export` sets it
        inner = truncation["max_length"] - tokenizer.num_special_tokens_to_add(False)
        tokenizer.enable_truncation(truncation["max_length"], stride=inner // 2)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the folder that `export` wrote.

        Raises QueryModelError if a file cannot be read or the graph has other outputs.
        """
        try:
            facts = json.loads((folder / FACTS).read_text())
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            session = open_graph(folder / GRAPH)
        except Exception as error:  # tokenizers and onnxruntime raise bare exceptions
            raise QueryModelError(
                f"The query model {folder} cannot be read: {error}. Make it again: dvc repro export"
            ) from None
        if [output.name for output in session.get_outputs()] != list(OUTPUTS):
            raise QueryModelError(
                f"The query model {folder} gives no vectors of tokens, as those of an older version do. "
                "Make it again: dvc repro export"
            )
        return cls(session, tokenizer, facts["dimensions"])

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return self._dimensions

    def knows(self, word: str) -> bool:
        """Return whether the model reads a word in one piece, as it reads words that it met often."""
        return len(self.tokenizer.encode(f" {word}", add_special_tokens=False).tokens) == 1

    def encode(self, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Vectors:
        """Return the unit vectors (texts, d) of texts; a text is cut where it is longer than the model reads."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        parts = self.tokenizer.encode_batch(list(texts))
        for rows, ids, mask in self._iter_batches(parts, batch_size):
            vectors[rows] = self.session.run(OUTPUTS[:1], dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        return vectors

    def encode_spans(
        self, texts: Sequence[str], window_tokens: int, batch_size: int = BATCH_SIZE
    ) -> list[Vectors]:
        """Return the unit vectors (1 + spans, d) of each text: the whole, as `encode` returns it, then its windows.

        A window has `window_tokens` tokens and overlaps the next by half. A text of up to two windows has none. The
        vector of a window is the mean over its tokens, which were encoded in the context of the whole text (late
        chunking; Günther et al., 2024, arXiv 2409.04701). A text that is longer than the model reads is encoded in parts
        that overlap by half. The model runs once over each part.
        """
        encodings = self.tokenizer.encode_batch(list(texts))
        sizes = [1 + len(encoding.overflowing) for encoding in encodings]
        parts: list[Encoding] = []
        for encoding in encodings:
            parts += [encoding, *encoding.overflowing]
        # Texts that differ in capitals or spaces only have the same token ids, and are encoded once
        rows_of: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, part in enumerate(parts):
            rows_of[tuple(part.ids)].append(row)
        distinct, places = [parts[rows[0]] for rows in rows_of.values()], list(rows_of.values())
        found: list[Vectors] = [np.empty(0, np.float32)] * len(parts)
        for rows, ids, mask in self._iter_batches(distinct, batch_size):
            vectors, tokens = self.session.run(OUTPUTS, dict(zip(INPUTS, (ids, mask), strict=True)))
            for row, vector, inner in zip(rows, vectors, tokens, strict=True):
                # Without padding and special tokens, which belong to no window
                own = inner[np.flatnonzero(np.array(distinct[row].special_tokens_mask) == 0)]
                spans = np.vstack([vector[None], window_means(own, window_tokens)])
                for place in places[row]:
                    found[place] = spans
        remaining = iter(found)
        return [np.vstack(list(islice(remaining, size))) for size in sizes]

    def _iter_batches(
        self, parts: Sequence[Encoding], batch_size: int
    ) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.int64]]]:
        """Yield batches of parts of similar length, the longest first: their rows, and their ids and mask (b, t)."""
        order = sorted(range(len(parts)), key=lambda row: -len(parts[row].ids))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            longest = len(parts[rows[0]].ids)
            ids = np.full((len(rows), longest), self._pad_id, np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for place, row in enumerate(rows):
                length = len(parts[row].ids)
                ids[place, :length], mask[place, :length] = parts[row].ids, 1
            yield rows, ids, mask


def window_means(tokens: Vectors, window_tokens: int) -> Vectors:
    """Return unit means (w, d) of windows of token vectors (t, d) that overlap by half; none for two windows' tokens or fewer."""
    if len(tokens) <= 2 * window_tokens:
        return np.zeros((0, tokens.shape[1]), np.float32)
    step = window_tokens // 2
    starts = np.arange(0, len(tokens) - step, step)
    # Differences of running sums read each token once, however the windows overlap
    sums = np.vstack([np.zeros((1, tokens.shape[1]), np.float32), np.cumsum(tokens, axis=0)])
    means = sums[np.minimum(starts + window_tokens, len(tokens))] - sums[starts]
    unit: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def open_graph(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Open an ONNX graph or its file on the CPU, with OMP_NUM_THREADS threads, or onnxruntime's default if it is unset."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or 0)
    # Threads that spin while they wait take the CPU from the other work of the service
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
