"""Harmful and harmless texts of public sets, judged by the filter, its plain rule and a list of words.

python benchmarks/ethics.py [--json FILE]: shares blocked where 1 % and 5 % of benign shop texts are blocked, areas
under the curve, and milliseconds a query beyond the encoding. Nothing is chosen on these sets.
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from components.ethics.calibrate import Readings
from components.ethics.filter import EthicsFilter, score
from components.language.encoder import Encoder

WORDS = re.compile(
    r"\b(bomb|explosive|weapon|gun|kill|murder|suicide|drug|meth|cocaine|heroin|poison|hack|malware|virus|steal|"
    r"fraud|counterfeit|rape|porn|abuse|terror|stalk|blackmail|launder)",
    re.IGNORECASE,
)
Scores = NDArray[np.float64]


def read_sets(shared: Path, most: int) -> dict[str, list[str]]:
    """Texts by what they are; at most `most` of each, drawn with a fixed seed."""
    folder = shared / "ethics"
    xstest = pd.read_csv(folder / "xstest.csv")
    harmbench = pd.read_csv(folder / "harmbench_val.csv")
    books = pd.read_parquet(shared / "goodbooks" / "books.parquet")
    chorus = pd.read_csv(shared / "chorus" / "judgements.csv")
    sets = {
        "shop": [*chorus["query"].unique(), *books["original_title"].dropna().sample(most, random_state=0)],
        "advbench": pd.read_csv(folder / "advbench.csv")["Behavior"].tolist(),
        "harmbench_validation": harmbench.loc[
            harmbench["FunctionalCategory"] == "standard", "Behavior"
        ].tolist(),
        "xstest_unsafe": xstest.loc[xstest["label"] == "unsafe", "prompt"].tolist(),
        "xstest_safe": xstest.loc[xstest["label"] == "safe", "prompt"].tolist(),
    }
    return {
        name: pd.Series(texts).astype(str).sample(min(most, len(texts)), random_state=0).tolist()
        for name, texts in sets.items()
    }


def judged(
    sets: dict[str, list[str]], ethics: EthicsFilter, encoder: Encoder
) -> dict[str, dict[str, Scores]]:
    """Scores of every text under each rule."""
    found: dict[str, dict[str, Scores]] = {"filter": {}, "plain rule": {}, "word list": {}}
    for name, texts in sets.items():
        read = Readings.of(texts, encoder, ethics.window_words)
        banned, benign = read.nearest(ethics.banned), read.nearest(ethics.benign)
        found["filter"][name] = read.worst(score(banned, benign, ethics.contrast))
        found["plain rule"][name] = read.worst(banned)
        found["word list"][name] = np.array([len(WORDS.findall(text)) for text in texts], dtype=float)
    return found


def report(scores: dict[str, Scores]) -> dict[str, float]:
    """Recalls at 1 % and 5 % of shop texts blocked, and the areas under the curve."""
    figures: dict[str, float] = {}
    limits = {rate: float(np.quantile(scores["shop"], 1 - rate)) for rate in (0.01, 0.05)}
    for name in ("advbench", "harmbench_validation", "xstest_unsafe", "xstest_safe"):
        for rate, limit in limits.items():
            figures[f"{name}_blocked_at_{rate:.0%}"] = float((scores[name] > limit).mean())
    pairs = {"harmbench_validation": "shop", "advbench": "shop", "xstest_unsafe": "xstest_safe"}
    for harmful, harmless in pairs.items():
        labels = np.repeat([1, 0], [len(scores[harmful]), len(scores[harmless])])
        figures[f"{harmful}_auc"] = float(
            roc_auc_score(labels, np.concatenate([scores[harmful], scores[harmless]]))
        )
    return {name: round(value, 4) for name, value in figures.items()}


def milliseconds(call: Callable[[], object], times: int = 200) -> float:
    """Median time of a call."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return round(1000 * float(np.median(taken)), 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ethics", type=Path, default=Path("data/ethics"))
    parser.add_argument("--model", type=Path, default=Path("data/language/model"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--most", type=int, default=200, help="texts of a set")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ethics, encoder = EthicsFilter.load(given.ethics), Encoder.load(given.model)
    sets = read_sets(given.shared, given.most)
    scores = judged(sets, ethics, encoder)
    vector = encoder.encode(["summer dress for my niece"])
    result = {
        "texts": {name: len(texts) for name, texts in sets.items()},
        "banned": len(ethics.banned),
        "benign": len(ethics.benign),
        "rules": {rule: report(found) for rule, found in scores.items()},
        "calibrated": {
            name: round(float((found > ethics.threshold).mean()), 4)
            for name, found in scores["filter"].items()
        },
        "milliseconds_beyond_encoding": milliseconds(
            lambda: score(
                (vector @ ethics.banned.T).max(axis=1),
                (vector @ ethics.benign.T).max(axis=1),
                ethics.contrast,
            )
        ),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
