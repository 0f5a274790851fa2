"""Export the text model for queries: one ONNX graph from token ids to unit vectors, weights in blocks of 8 bits."""

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
    """A Sentence-Transformers model as a function from token ids and mask (b, t).

    It gives the unit vectors (b, d) of the texts, and a vector of each token (b, t, d): what the layers behind the
    pooling make of it, so that the mean over some tokens is the vector of that part of the text.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        names = [type(module).__name__ for module in model]
        behind = names.index("Pooling") + 1 if "Pooling" in names else len(names)
        self.head = torch.nn.Sequential(
            *(module for module in list(model)[behind:] if type(module).__name__ != "Normalize")
        )

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode."""
        read = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        vectors = torch.nn.functional.normalize(read["sentence_embedding"], dim=-1)
        tokens = self.head({"sentence_embedding": read["token_embeddings"]})["sentence_embedding"]
        return vectors, tokens


def write_graph(model: Any, file: Path) -> None:
    """Trace a model to ONNX in float32.

    Raises LanguageError where its backbone cannot be traced.
    """
    example = model.preprocess(["a summer dress for my niece"])
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS}
    inputs = tuple(example[name].to("cpu") for name in INPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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
        except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as fault:
            raise QueryModelError(
                f"The text model cannot be exported to ONNX: {fault}. Name another in conf/text_model.yaml."
            ) from None


def export(encoder: TextEncoder, folder: Path) -> None:
    """Write graph, tokenizer and facts, which is what a QueryModel loads."""
    import onnx

    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / GRAPH
        write_graph(encoder.model, whole)
        onnx.save(quantize_weights(onnx.load(whole)), folder / GRAPH)
    read = encoder.model.tokenizer
    tokenizer = read.backend_tokenizer
    tokenizer.enable_truncation(encoder.model.max_seq_length)
    tokenizer.enable_padding(direction=read.padding_side, pad_id=read.pad_token_id, pad_token=read.pad_token)
    tokenizer.save(str(folder / TOKENIZER))
    (folder / FACTS).write_text(json.dumps({"dimensions": encoder.dimensions}) + "\n")


@stage(QueryModelSettings)
def main(
    catalogue: Input, model: Input, query_model: Output, metrics: Output, settings: QueryModelSettings
) -> Counts:
    """Export, and measure how near its vectors of some titles are to those of the model itself."""
    encoder = TextEncoder.load(model)
    titles = read_items(catalogue)["title"]
    asked = titles.sample(min(COMPARED_TITLES, len(titles)), random_state=settings.seed).tolist()
    expected = encoder.encode(asked)
    export(encoder, query_model)
    cosines = (OnnxEncoder.load(query_model).encode(asked, batch_size=1) * expected).sum(axis=1)
    figures = {
        "cosine_to_float32": round(float(np.mean(cosines)), 4),
        "megabytes": round((query_model / GRAPH).stat().st_size / 1e6, 1),
    }
    metrics.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main.cli()
