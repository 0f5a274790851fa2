"""Put the weights of an ONNX graph's products in blocks of 8 bits.

Every block of BLOCK weights has its own scale, and so have the activations that it meets (Dettmers and Zettlemoyer,
2023, on why blocks): a few outlying numbers spoil their block alone.
"""

import logging
from typing import Any

BITS, BLOCK = 8, 128
IN_INT8 = 4  # onnxruntime's accuracy level for products of 8-bit numbers
OPSET = 17


def quantize_weights(graph: Any) -> Any:
    """An ONNX model with the weights of its products in blocks of 8 bits; onnxruntime runs it."""
    # Slow to import, and the service runs without it
    from onnxruntime.quantization import matmul_nbits_quantizer

    logging.getLogger(matmul_nbits_quantizer.__name__).setLevel(logging.WARNING)
    quantiser = matmul_nbits_quantizer.MatMulNBitsQuantizer(
        graph, bits=BITS, block_size=BLOCK, is_symmetric=True, accuracy_level=IN_INT8
    )
    quantiser.process()
    return quantiser.model.model
