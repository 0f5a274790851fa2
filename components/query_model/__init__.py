"""The query model: a small ONNX encoder, and a parser of prices, attribute values and recipients."""
