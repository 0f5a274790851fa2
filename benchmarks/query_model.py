"""The text model in 8 bits beside itself in float32: vectors, the ethics filter's verdicts, milliseconds.

python benchmarks/query_model.py [--model data/text_model/model] [--ethics data/ethics] [--json FILE], on one thread; the
texts are judged shop queries and XSTest's prompts.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.ethics.filter import EthicsFilter
from components.query_model.export import export_model, write_graph
from components.query_model.onnx_encoder import OnnxEncoder, open_graph
from components.text_model.encoder import TextEncoder

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def texts_of(most: int) -> list[str]:
    """Shop queries and prompts that look harmful, some of which are."""
    shop = pd.read_csv(SHARED / "chorus" / "judgements.csv")["query"].drop_duplicates()
    prompts = pd.read_csv(SHARED / "ethics" / "xstest.csv")["prompt"]
    return [text for kind in (shop, prompts) for text in kind.sample(min(most, len(kind)), random_state=0)]


def median_milliseconds(encoder: OnnxEncoder, texts: list[str], rounds: int) -> float:
    """CPU time of a text alone: the best of several medians over texts."""
    medians = []
    for _ in range(rounds):
        taken = []
        for text in texts:
            start = time.process_time()
            encoder.encode([text])
            taken.append(time.process_time() - start)
        medians.append(float(np.median(taken)))
    return round(1000 * min(medians), 2)


def compare(model: Path, ethics: EthicsFilter, most: int) -> dict[str, Any]:
    """Figures of both."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        export_model(TextEncoder.load(model, exact=True), Path(folder) / "query_model")
        seconds = time.process_time() - started
        small = OnnxEncoder.load(Path(folder) / "query_model")
        write_graph(TextEncoder.load(model, exact=True).model, Path(folder) / "float32.onnx")
        whole = OnnxEncoder(open_graph(Path(folder) / "float32.onnx"), small.tokenizer, small.dimensions)
        texts = texts_of(most)
        verdicts = [[ethics.judge_text(text, encoder) for text in texts] for encoder in (whole, small)]
        timed = {"float32": whole, "8 bits": small}
        moved = [abs(a.score - b.score) for a, b in zip(*verdicts, strict=True)]
        return {
            "texts": len(texts),
            "export_cpu_seconds": round(seconds, 1),
            "megabytes": round((Path(folder) / "query_model" / "model.onnx").stat().st_size / 1e6, 1),
            "cosine": round(
                float((whole.encode(texts) * small.encode(texts, batch_size=1)).sum(axis=1).mean()), 4
            ),
            "blocked": {
                name: sum(v.blocked for v in found) for name, found in zip(timed, verdicts, strict=True)
            },
            "other_verdicts": sum(a.blocked != b.blocked for a, b in zip(*verdicts, strict=True)),
            "score_moved": {"median": round(float(np.median(moved)), 4), "most": round(max(moved), 4)},
            "cpu_milliseconds": {
                name: median_milliseconds(encoder, texts[:40], 5) for name, encoder in timed.items()
            },
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/text_model/model"))
    parser.add_argument("--ethics", type=Path, default=Path("data/ethics/filter"))
    parser.add_argument("--most", type=int, default=100, help="texts of a kind")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    text = json.dumps(compare(given.model, EthicsFilter.load(given.ethics), given.most), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
