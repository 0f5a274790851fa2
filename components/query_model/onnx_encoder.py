"""The text model as queries use it, one at a time on a CPU: ONNX with 8-bit weights, without torch."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    """What the stage `export` wrote, ready to encode; it may be used by many threads at once."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, dimensions: int) -> None:
        self.session, self.tokenizer, self._dimensions = session, tokenizer, dimensions
        self._pad_id = int((tokenizer.padding or {"pad_id": 0})["pad_id"])
        tokenizer.no_padding()  # batches are put together by length below
        truncation = tokenizer.truncation
        assert truncation  # by `export`
        inner = truncation["max_length"] - tokenizer.num_special_tokens_to_add(False)
        tokenizer.enable_truncation(truncation["max_length"], stride=inner // 2)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the folder that `export` wrote.

        Raises LanguageError where it cannot be read.
        """
        try:
            facts = json.loads((folder / FACTS).read_text())
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            session = open_graph(folder / GRAPH)
        except Exception as fault:  # tokenizers and onnxruntime raise bare exceptions
            raise QueryModelError(
                f"The query model {folder} cannot be read: {fault}. Make it again: dvc repro export"
            ) from None
        if [output.name for output in session.get_outputs()] != list(OUTPUTS):
            raise QueryModelError(
                f"The query model {folder} gives no vectors of tokens, as those of an older version do. "
                "Make it again: dvc repro export"
            )
        return cls(session, tokenizer, facts["dimensions"])

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    def knows(self, word: str) -> bool:
        """Whether the model reads a word in one piece, as it does with words that it met often."""
        return len(self.tokenizer.encode(f" {word}", add_special_tokens=False).tokens) == 1

    def encode(self, texts: Sequence[str], batch_size: int = BATCH_SIZE) -> Vectors:
        """Encode texts to unit rows (texts, d); what is beyond the longest that the model reads is not in them."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        parts = self.tokenizer.encode_batch(list(texts))
        for rows, ids, mask in self._batches(parts, batch_size):
            vectors[rows] = self.session.run(OUTPUTS[:1], dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        return vectors

    def encode_spans(
        self,
        texts: Sequence[str],
        window_tokens: int,
        batch_size: int = BATCH_SIZE,
    ) -> list[Vectors]:
        """Encode texts whole and in windows, with one pass of the model over each part of a text.

        A window has so many tokens and overlaps the next by half; a text of up to two windows has none. The vector of a
        window is the mean of its tokens', read in the context of the whole (late chunking; Günther et al., 2024,
        arXiv 2409.04701). A text that is longer than the model reads is read in parts that overlap by half.

        Returns unit rows (1 + spans, d) of each text, the first of which is what `encode` gives.
        """
        read = self.tokenizer.encode_batch(list(texts))
        parts = [part for text in read for part in (text, *text.overflowing)]
        # Texts that differ in capitals or spaces only are the same to the model
        rows_of: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, part in enumerate(parts):
            rows_of[tuple(part.ids)].append(row)
        distinct, places = [parts[rows[0]] for rows in rows_of.values()], list(rows_of.values())
        found: list[Vectors] = [np.empty(0, np.float32)] * len(parts)
        for rows, ids, mask in self._batches(distinct, batch_size):
            vectors, tokens = self.session.run(OUTPUTS, dict(zip(INPUTS, (ids, mask), strict=True)))
            for row, vector, inner in zip(rows, vectors, tokens, strict=True):
                own = inner[np.flatnonzero(np.array(distinct[row].special_tokens_mask) == 0)]
                spans = np.vstack([vector[None], window_means(own, window_tokens)])
                for place in places[row]:
                    found[place] = spans
        ends = np.cumsum([1 + len(text.overflowing) for text in read])
        return [
            np.vstack(found[end - 1 - len(text.overflowing) : end])
            for text, end in zip(read, ends, strict=True)
        ]

    def _batches(
        self, parts: Sequence[Encoding], batch_size: int
    ) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.int64]]]:
        """Rows of parts of about the same length, the longest first, with their ids and mask (b, t)."""
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
    """Unit means (w, d) of windows of token vectors (t, d) that overlap by half; none of up to two windows' tokens."""
    if len(tokens) <= 2 * window_tokens:
        return np.zeros((0, tokens.shape[1]), np.float32)
    step = window_tokens // 2
    starts = np.arange(0, len(tokens) - step, step)
    sums = np.vstack([np.zeros((1, tokens.shape[1]), np.float32), np.cumsum(tokens, axis=0)])
    means = sums[np.minimum(starts + window_tokens, len(tokens))] - sums[starts]
    unit: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def open_graph(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Open an ONNX graph, or the file of one, for the CPU, with as many threads as OMP_NUM_THREADS says, or as it likes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0] or 0)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
