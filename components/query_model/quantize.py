"""Quantize the weights of an ONNX graph's matrix products to 8 bits in blocks.

Each block of BLOCK_SIZE weights has its own scale, and so have the activations that it is multiplied by. An outlier
therefore costs precision in its own block only (Dettmers and Zettlemoyer, 2023).
"""

import logging
from typing import Any

BITS, BLOCK_SIZE = 8, 128
IN_INT8 = 4  # onnxruntime's accuracy level for products of 8-bit numbers
OPSET = 17


def quantize_weights(graph: Any) -> Any:
    """Return an ONNX model whose products have 8-bit weights in blocks; onnxruntime runs it."""
    # Imported here, as it is slow to import and the service runs without it
    from onnxruntime.quantization import matmul_nbits_quantizer

    logging.getLogger(matmul_nbits_quantizer.__name__).setLevel(logging.WARNING)
    quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(
        graph, bits=BITS, block_size=BLOCK_SIZE, is_symmetric=True, accuracy_level=IN_INT8
    )
    quantizer.process()
    return quantizer.model.model
