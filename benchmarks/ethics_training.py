"""Seconds that the ethics classifier takes to train on the project's sentences, and on two and four times as many.

python benchmarks/ethics_training.py [--sentences data/ethics/sentences] [--quick] [--json FILE]

More sentences are copies of the vectors with noise, so that no two are equal. The time is of the whole stage but for
encoding: one solution for all sentences and one without each part, in each draw. A logistic regression of scikit-learn
over the same Nyström map trains once, beside them, on the same sentences.
"""

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from components.ethics.classifier import ClassifierTrainer, TrainingExamples, kernel_features
from components.ethics.settings import EthicsSettings

NOISE = 0.02
TIMES = (1, 2, 4)


def read_examples(folder: Path) -> TrainingExamples:
    """The sentences that the filter learnt from, with their vectors."""
    texts = pd.read_parquet(folder / "sentences.parquet")
    vectors = np.load(folder / "vectors.npy").astype(np.float32)
    banned = texts["banned"].to_numpy(bool)
    own = texts[banned]
    return TrainingExamples(
        vectors,
        np.ones(len(texts)),
        banned,
        categories=own["category"].tolist(),
        severities=own["severity"].astype(int).tolist(),
    )


def multiply(examples: TrainingExamples, times: int) -> TrainingExamples:
    """So many times the examples, each copy with other noise."""
    draw = np.random.default_rng(times)
    vectors = np.tile(examples.vectors, (times, 1))
    vectors += draw.normal(scale=NOISE / np.sqrt(vectors.shape[1]), size=vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(
        examples,
        vectors=vectors,
        weights=np.tile(examples.weights, times),
        banned=np.tile(examples.banned, times),
        categories=list(examples.categories) * times,
        severities=list(examples.severities) * times,
    )


def train(examples: TrainingExamples, settings: EthicsSettings) -> dict[str, Any]:
    """Wall and CPU seconds of all solutions, and of the peer's one."""
    wall, cpu = time.monotonic(), time.process_time()
    trainer = ClassifierTrainer(examples, settings)
    trainer.fit()
    for draw in range(settings.draws):
        parts = np.random.default_rng(draw).permutation(len(examples.vectors)) % settings.parts
        trainer.fit_without_parts(parts, settings.parts)
    own = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}
    began = time.process_time()
    features = kernel_features(examples.vectors, trainer.landmarks, settings.sharpness)
    LogisticRegression(max_iter=200).fit(features, examples.banned)
    own["logistic_regression_cpu_seconds"] = time.process_time() - began
    return {name: round(value, 1) for name, value in own.items()}


def main() -> None:
    """Print a table, and write it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=Path, default=Path("data/ethics/sentences"))
    parser.add_argument("--quick", action="store_true", help="500 landmarks and one draw")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = EthicsSettings.read_in()
    if options.quick:
        settings = settings.model_copy(update={"landmarks": 500, "draws": 1})
    examples, rows = read_examples(options.sentences), []
    for times in TIMES:
        more = multiply(examples, times)
        rows.append({"times": times, "sentences": len(more.vectors)} | train(more, settings))
        rows[-1]["peak_megabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(rows[-1])
    if options.json:
        report = {
            "landmarks": settings.landmarks,
            "solutions": 1 + settings.parts * settings.draws,
            "rows": rows,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
