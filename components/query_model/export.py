"""Export the text model for queries: one ONNX graph from token ids to unit vectors, with 8-bit weights in blocks."""

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.catalogue.tables import read_items
from components.core.stage import Counts, Input, Output, stage
from components.query_model.onnx_encoder import FACTS, GRAPH, INPUTS, OUTPUTS, TOKENIZER, OnnxEncoder
from components.query_model.quantize import OPSET, quantize_weights
from components.query_model.settings import QueryModelError, QueryModelSettings
from components.text_model.encoder import TextEncoder

COMPARED_TITLES = 100


class OnnxGraph(torch.nn.Module):
    """A Sentence-Transformers model as a function of token ids and an attention mask (b, t).

    Its outputs are the unit vectors (b, d) of the texts and a vector (b, t, d) of each token. Token vectors pass through
    the layers behind the pooling, so that the mean over some tokens is the vector of that part of the text.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        names = [type(module).__name__ for module in model]
        first = names.index("Pooling") + 1 if "Pooling" in names else len(names)
        # Without Normalize: unit token vectors would all weigh the same in the mean over a window
        head = [module for module in list(model)[first:] if type(module).__name__ != "Normalize"]
        self.head = torch.nn.Sequential(*head)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of the texts and of their tokens."""
        output = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        vectors = torch.nn.functional.normalize(output["sentence_embedding"], dim=-1)
        # Modules behind the pooling read this key whatever the shape of its tensor is
        tokens = self.head({"sentence_embedding": output["token_embeddings"]})["sentence_embedding"]
        return vectors, tokens


def write_graph(model: Any, file: Path) -> None:
    """Trace a model to an ONNX file in float32.

    Raises QueryModelError if its backbone cannot be traced.
    """
    example = model.preprocess(["a summer dress for my niece"])
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS}
    inputs = tuple(example[name].to("cpu") for name in INPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of Python branches in transformers
        try:
            torch.onnx.export(
                OnnxGraph(model).to("cpu").eval(),
                inputs,
                str(file),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_axes={**axes, "vectors": {0: "texts"}, "tokens": {0: "texts", 1: "tokens"}},
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
            raise QueryModelError(
                f"The text model cannot be exported to ONNX: {error}. Name another in conf/text_model.yaml."
            ) from None


def export_model(encoder: TextEncoder, folder: Path) -> None:
    """Write the graph, the tokenizer and the facts that `OnnxEncoder.load` reads into a new folder."""
    import onnx

    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / GRAPH
        write_graph(encoder.model, whole)
        onnx.save(quantize_weights(onnx.load(whole)), folder / GRAPH)
    wrapper = encoder.model.tokenizer
    tokenizer = wrapper.backend_tokenizer
    # transformers sets both at each call; the saved file has to say them, as the service loads no transformers
    tokenizer.enable_truncation(encoder.model.max_seq_length)
    tokenizer.enable_padding(
        direction=wrapper.padding_side, pad_id=wrapper.pad_token_id, pad_token=wrapper.pad_token
    )
    tokenizer.save(str(folder / TOKENIZER))
    (folder / FACTS).write_text(json.dumps({"dimensions": encoder.dimensions}) + "\n")


@stage(QueryModelSettings)
def main(
    catalogue: Input, model: Input, query_model: Output, metrics: Output, settings: QueryModelSettings
) -> Counts:
    """Export the text model, and write the cosine between its vectors of some titles and those of the export."""
    encoder = TextEncoder.load(model, exact=True)
    titles = read_items(catalogue)["title"]
    sample = titles.sample(min(COMPARED_TITLES, len(titles)), random_state=settings.seed).tolist()
    expected = encoder.encode(sample)
    export_model(encoder, query_model)
    # One at a time, as queries come: padding beside longer texts moves the vectors of 8-bit weights a little
    cosines = (OnnxEncoder.load(query_model).encode(sample, batch_size=1) * expected).sum(axis=1)
    figures = {
        "cosine_to_float32": round(float(np.mean(cosines)), 4),
        "megabytes": round((query_model / GRAPH).stat().st_size / 1e6, 1),
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
