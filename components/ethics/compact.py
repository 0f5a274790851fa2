"""Vectors of sentences in 8 bits, so that little memory is read to compare a text with all of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime

from components.language.eight_bits import OPSET, quantise
from components.language.encoder import Vectors
from components.language.query_model import open_graph

FORMAT = 10  # of the ONNX file


@dataclass(frozen=True)
class CompactVectors:
    """Unit vectors of n sentences (n, d) as an ONNX graph from the vectors of texts to their cosines."""

    graph: bytes

    @classmethod
    def of(cls, vectors: Vectors) -> Self:
        """Round unit vectors (n, d)."""
        # Slow to import, and the service judges without it
        from onnx import TensorProto, helper, numpy_helper

        sentences, dimensions = vectors.shape
        product = helper.make_graph(
            [helper.make_node("MatMul", ["texts", "sentences"], ["cosines"])],
            "cosines",
            [helper.make_tensor_value_info("texts", TensorProto.FLOAT, ["texts", dimensions])],
            [helper.make_tensor_value_info("cosines", TensorProto.FLOAT, ["texts", sentences])],
            [numpy_helper.from_array(np.ascontiguousarray(vectors.T), "sentences")],
        )
        opset = helper.make_opsetid("", OPSET)
        whole = helper.make_model(product, opset_imports=[opset], ir_version=FORMAT)
        return cls(quantise(whole).SerializeToString(deterministic=True))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote, ready to run."""
        read = cls(file.read_bytes())
        assert read.session
        return read

    def save(self, file: Path) -> None:
        """Write the ONNX graph."""
        file.write_bytes(self.graph)

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The graph, ready to run; by many threads at once."""
        return open_graph(self.graph)

    def cosines(self, vectors: Vectors) -> Vectors:
        """Cosines (t, n) of the unit vectors of texts (t, d) with every sentence."""
        found: Vectors = self.session.run(None, {"texts": vectors})[0]
        return found

    @property
    def rounded(self) -> Vectors:
        """The vectors (n, d) as they are kept."""
        dimensions = self.session.get_inputs()[0].shape[1]
        return np.ascontiguousarray(self.cosines(np.eye(dimensions, dtype=np.float32)).T)
