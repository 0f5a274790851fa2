"""Harmful and harmless texts of public sets, judged by the filter, its plain rule and a list of words.

python benchmarks/ethics.py [--json FILE]: for each rule the shares blocked where 1 % and 5 % of benign shop texts are
blocked, areas under the curve with bootstrap intervals, the harmful requests in disguise, and milliseconds a query
beyond the encoding. Each set is split in halves by a hash of its texts: the lists and settings were chosen with sight
of the first halves, and what is printed is of the second ones. ethics_names.csv holds things that shops are asked for by
name, ethics_queries.csv, ethics_more_queries.csv and ethics_third_queries.csv queries by three who had not seen the
lists, all both harmful and harmless: shares blocked at the calibrated threshold.
"""

import argparse
import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from ethics_sets import attacks, read_sets
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from components.ethics.calibrate import Readings
from components.ethics.filter import EthicsFilter
from components.language.encoder import Encoder
from components.language.query_model import QueryModel

WORDS = re.compile(
    r"\b(bomb|explosive|weapon|gun|kill|murder|suicide|drug|meth|cocaine|heroin|poison|hack|malware|virus|steal|"
    r"fraud|counterfeit|rape|porn|abuse|terror|stalk|blackmail|launder)",
    re.IGNORECASE,
)
OURS = {
    name: Path(__file__).with_name(f"ethics_{name}.csv")
    for name in ("names", "queries", "more_queries", "third_queries")
}
PAIRS = {
    "harmbench": ("harmbench", "shop"),
    "advbench": ("advbench", "shop"),
    "xstest": ("xstest_unsafe", "xstest_safe"),
    "moderation": ("moderation_flagged", "moderation_other"),
    "hatecheck": ("hatecheck_hateful", "hatecheck_other"),
}
Scores = NDArray[np.floating]
Rule = Callable[[Readings], Scores]


def second_half(texts: Sequence[str]) -> list[str]:
    """The texts whose hash is odd."""
    return [text for text in texts if int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2]


def judge(texts: Sequence[str], ethics: EthicsFilter, encoder: Encoder) -> dict[str, Scores]:
    """Scores of texts (t,) under each rule."""
    read = Readings.of([ethics.readings(text, encoder) for text in texts], encoder)
    nearest = ethics.vectors.cosines(read.vectors)[:, : len(ethics.sentences)]
    return {
        "filter": read.worst(ethics.scores(read.vectors), ethics.worst_share),
        "plain rule": read.worst(nearest.max(axis=1), 0),
        "word list": np.array([len(WORDS.findall(text)) for text in texts], dtype=float),
    }


def area(harmful: Scores, harmless: Scores, rounds: int = 500) -> list[float]:
    """Area under the curve, and its 95 % interval over texts drawn anew."""
    random = np.random.default_rng(0)

    def once(bad: Scores, good: Scores) -> float:
        return float(roc_auc_score(np.repeat([1, 0], [len(bad), len(good)]), np.concatenate([bad, good])))

    drawn = [
        once(random.choice(harmful, len(harmful)), random.choice(harmless, len(harmless)))
        for _ in range(rounds)
    ]
    return [round(value, 4) for value in (once(harmful, harmless), *np.quantile(drawn, [0.025, 0.975]))]


def average_precision(harmful: Scores, harmless: Scores) -> float:
    """Area under precision and recall, the measure of the papers on guards."""
    labels = np.repeat([1, 0], [len(harmful), len(harmless)])
    return round(float(average_precision_score(labels, np.concatenate([harmful, harmless]))), 4)


def share(scores: Scores, limit: float, rounds: int = 500) -> list[float]:
    """Share above a limit, and its 95 % interval."""
    over = (scores > limit).astype(float)
    drawn = np.random.default_rng(0).choice(over, (rounds, len(over))).mean(axis=1)
    return [round(float(value), 4) for value in (over.mean(), *np.quantile(drawn, [0.025, 0.975]))]


def report(scores: dict[str, Scores]) -> dict[str, dict[str, list[float]]]:
    """Shares blocked where 1 % and 5 % of shop texts are, and areas under the curve."""
    limits = {rate: float(np.quantile(scores["shop"], 1 - rate)) for rate in (0.01, 0.05)}
    blocked = {
        f"blocked_at_{rate:.0%}": {name: share(found, limit) for name, found in scores.items()}
        for rate, limit in limits.items()
    }
    areas = {name: area(scores[bad], scores[good]) for name, (bad, good) in PAIRS.items()}
    return blocked | {"area_under_curve": areas}


def by_kind(scores: Scores, kinds: Sequence[str], limit: float) -> dict[str, list[float]]:
    """Share blocked and number of texts, kind by kind."""
    table = pd.DataFrame({"kind": kinds, "over": scores > limit}).groupby("kind")["over"]
    return {str(kind): [round(float(over.mean()), 4), len(over)] for kind, over in table}


def milliseconds(call: Callable[[], object], times: int = 200) -> float:
    """Least of five medians of a call's time."""
    medians = []
    for _ in range(5):
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        medians.append(float(np.median(taken)))
    return round(1000 * min(medians), 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ethics", type=Path, default=Path("data/ethics"))
    parser.add_argument("--model", type=Path, default=Path("data/language/query_model"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--long", type=int, default=300, help="long texts of OpenAI's moderation set, at most"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ethics, encoder = EthicsFilter.load(given.ethics), QueryModel.load(given.model)
    texts = read_sets(given.shared, given.long, second_half)
    judged = {name: judge(table["text"], ethics, encoder) for name, table in texts.items()}
    rules = {rule: {name: found[rule] for name, found in judged.items()} for rule in judged["shop"]}
    limits = {rule: float(np.quantile(scores["shop"], 0.99)) for rule, scores in rules.items()}
    requests = [*texts["harmbench"]["text"], *texts["advbench"]["text"][:100]]
    disguised = {
        name: judge([attack(text) for text in requests], ethics, encoder)
        for name, attack in attacks(texts["shop"]["text"]).items()
    }
    query = "summer dress for my niece"
    vectors = encoder.encode(ethics.readings(query, encoder))
    result = {
        "model": str(given.model),
        "dimensions": encoder.dimensions,
        "texts": {name: len(table) for name, table in texts.items()},
        "banned": len(ethics.sentences),
        "others": len(ethics.weights) - len(ethics.sentences),
        "rules": {rule: report(scores) for rule, scores in rules.items()},
        "calibrated": {name: share(found["filter"], ethics.threshold) for name, found in judged.items()},
        "kinds_at_1%": {
            name: by_kind(rules["filter"][name], texts[name]["kind"], limits["filter"])
            for name in ("harmbench", "xstest_unsafe", "xstest_safe", "moderation_flagged")
        },
        "disguised_at_1%": {
            rule: {name: share(found[rule], limits[rule]) for name, found in disguised.items()}
            for rule in limits
        },
        "ours": {
            f"{name}, {kind}": share(judge(asked.tolist(), ethics, encoder)["filter"], ethics.threshold)
            for name, file in OURS.items()
            for kind, asked in pd.read_csv(file).groupby("kind")["query"]
        },
        "moderation_average_precision": {
            rule: average_precision(scores["moderation_flagged"], scores["moderation_other"])
            for rule, scores in rules.items()
        },
        "milliseconds_beyond_encoding": milliseconds(
            lambda: (ethics.readings(query, encoder), ethics.verdict(vectors, vectors[0]))
        ),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
