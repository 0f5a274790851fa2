"""Harmless and harmful texts judged by the filter at its calibrated line, beside its peers at the same false blocks.

python benchmarks/ethics.py [--json FILE]: shares of harmless requests blocked, kind by kind, with exact 95 % intervals;
shares of harmful ones blocked; areas under the curve; requests in disguise; encodings and milliseconds a query. Each
public set is split in halves by a hash of its texts: lists and settings were chosen with sight of the first halves, and
what is printed is of the second ones. ethics_fresh_*.csv were written after that by people who had seen neither code nor
data; the other ethics_*.csv, understanding*.csv and gifts*.csv are earlier queries of strangers.
"""

import argparse
import gzip
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
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from components.ethics.filter import EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.query_model.onnx_encoder import OnnxEncoder

HERE = Path(__file__).parent
WORDS = re.compile(
    r"\b(bomb|explosive|weapon|gun|kill|murder|suicide|drug|meth|cocaine|heroin|poison|hack|malware|virus|steal|"
    r"fraud|counterfeit|rape|porn|abuse|terror|stalk|blackmail|launder)",
    re.IGNORECASE,
)
PAIRS = {
    "xstest": ("xstest_unsafe", "xstest_safe"),
    "moderation": ("moderation_flagged", "moderation_other"),
    "hatecheck": ("hatecheck_hateful", "hatecheck_other"),
}
Scores = NDArray[np.floating]
MAX_REQUESTS = 2000  # of WebShop and of STaRK


def second_half(texts: Sequence[str]) -> list[str]:
    """The texts whose hash is odd."""
    return [text for text in texts if int(hashlib.sha256(text.encode()).hexdigest(), 16) % 2]


def harmless_sets(shared: Path) -> dict[str, list[str]]:
    """Harmless requests by source: public ones (second halves; ReDial whole), earlier strangers', and fresh ones."""
    found: dict[str, list[str]] = {}
    for name, file in (("webshop", "webshop_goals"), ("stark", "stark_amazon_written")):
        with gzip.open(shared / "queries" / f"{file}.txt.gz", "rt", encoding="utf-8") as lines:
            texts = second_half(list(dict.fromkeys(lines.read().splitlines())))
        found[name] = np.random.default_rng(0).permutation(texts)[:MAX_REQUESTS].tolist()
    turns = [json.loads(line) for line in (shared / "queries" / "redial_ml100k_dev.jsonl").open()]
    found["redial, last turn"] = [turn["context"][-1] for turn in turns if turn["context"]]
    found["redial, all turns"] = [" ".join(turn["context"]) for turn in turns if turn["context"]]
    for file in sorted([*HERE.glob("understanding*.csv"), *HERE.glob("gifts*.csv")]):
        found[file.stem] = pd.read_csv(file)["query"].astype(str).drop_duplicates().tolist()
    for name in ("names", "queries", "more_queries", "third_queries"):
        table = pd.read_csv(HERE / f"ethics_{name}.csv")
        found[f"ethics_{name}"] = table.loc[table["kind"] == "harmless", "query"].tolist()
    fresh = pd.read_csv(HERE / "ethics_fresh_harmless.csv")
    return found | {f"fresh, {kind}": table["query"].tolist() for kind, table in fresh.groupby("kind")}


def harmful_sets(public: dict[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Harmful requests by source."""
    found = {name: public[name]["text"].tolist() for name in ("advbench", "harmbench", "xstest_unsafe")}
    for name in ("names", "queries", "more_queries", "third_queries"):
        table = pd.read_csv(HERE / f"ethics_{name}.csv")
        found[f"ethics_{name}"] = table.loc[table["kind"] == "harmful", "query"].tolist()
    fresh = pd.read_csv(HERE / "ethics_fresh_harmful.csv")
    return found | {f"fresh, {kind}": table["query"].tolist() for kind, table in fresh.groupby("kind")}


class Judge:
    """Judges texts by the filter, counting encodings, and by two plain rules."""

    def __init__(self, ethics: EthicsFilter, known: KnownSentences, encoder: OnnxEncoder) -> None:
        self.ethics, self.encoder = ethics, encoder
        self.banned = known.vectors[known.texts["banned"].to_numpy(bool)]
        self.texts = self.encodings = 0

    def excess(self, texts: Sequence[str]) -> Scores:
        """How far above its line the filter scores each text (t,): blocked is what is above 0."""
        readings = [self.ethics.list_variants(text, self.encoder) for text in texts]
        flat = [reading for own in readings for reading in own]
        spans = iter(self.encoder.encode_spans(flat, self.ethics.window_tokens))
        self.texts, self.encodings = self.texts + len(texts), self.encodings + len(flat)
        verdicts = [self.ethics.judge_variants(own, [next(spans) for _ in own]) for own in readings]
        return np.array([verdict.score - verdict.threshold for verdict in verdicts])

    def nearest(self, texts: Sequence[str]) -> Scores:
        """The largest cosine of each text (t,) to a banned sentence."""
        return (self.encoder.encode(list(texts)) @ self.banned.T).max(axis=1)

    def words(self, texts: Sequence[str]) -> Scores:
        """How many words of a list each text (t,) has."""
        return np.array([len(WORDS.findall(text)) for text in texts], dtype=float)


def share(blocked: NDArray[np.bool_]) -> list[float]:
    """Share blocked, its exact 95 % interval (Clopper and Pearson), and the number of texts."""
    count, of = int(blocked.sum()), len(blocked)
    low = beta.ppf(0.025, count, of - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, of - count) if count < of else 1.0
    return [round(float(value), 4) for value in (count / of, low, high)] + [of]


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


def milliseconds(call: Callable[[], object], times: int = 200) -> float:
    """Least of five medians of a call's CPU time."""
    medians = []
    for _ in range(5):
        taken = []
        for _ in range(times):
            start = time.process_time()
            call()
            taken.append(time.process_time() - start)
        medians.append(float(np.median(taken)))
    return round(1000 * min(medians), 4)


def measure(judge: Judge, shared: Path, long: int) -> dict[str, object]:
    """All figures."""
    public, harmless = read_sets(shared, long, second_half), harmless_sets(shared)
    harmful = harmful_sets(public)
    good = {name: judge.excess(texts) for name, texts in harmless.items()}
    encodings = round(judge.encodings / judge.texts, 3)
    bad = {name: judge.excess(texts) for name, texts in harmful.items()}
    safe = judge.excess(public["xstest_safe"]["text"])
    ordinary = [*harmless["webshop"], *harmless["stark"]]
    requests = [*public["harmbench"]["text"], *public["advbench"]["text"][:100]]
    peers = {"largest cosine": judge.nearest, "list of words": judge.words}
    lines = {name: float(np.quantile(rule(ordinary), 0.997)) for name, rule in peers.items()}
    pairs = {name: [judge.excess(public[part]["text"]) for part in pair] for name, pair in PAIRS.items()}
    query = "summer dress for my niece"
    readings = judge.ethics.list_variants(query, judge.encoder)
    spans = judge.encoder.encode_spans(readings, judge.ethics.window_tokens)
    return {
        "line": judge.ethics.threshold,
        "other_language_line": judge.ethics.other_language_threshold,
        "harmless_blocked": {name: share(scores > 0) for name, scores in good.items()},
        "harmful_blocked": {name: share(scores > 0) for name, scores in bad.items()},
        "xstest_safe_blocked": share(safe > 0),
        "peers_at_0.3%_of_webshop_and_stark": {
            name: {part: share(rule(texts) > lines[name]) for part, texts in harmful.items()}
            | {"xstest_safe": share(rule(public["xstest_safe"]["text"].tolist()) > lines[name])}
            for name, rule in peers.items()
        },
        "disguised": {
            name: share(judge.excess([attack(text) for text in requests]) > 0)
            for name, attack in attacks(public["shop"]["text"]).items()
        },
        "area_under_curve": {name: area(*scores) for name, scores in pairs.items()},
        "moderation_average_precision": average_precision(*pairs["moderation"]),
        "shop_titles_blocked": share(judge.excess(public["shop"]["text"]) > 0),
        "encodings_a_harmless_text": encodings,
        "cpu_milliseconds_beyond_encoding": milliseconds(
            lambda: (
                judge.ethics.list_variants(query, judge.encoder),
                judge.ethics.judge_variants(readings, spans),
            )
        ),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ethics", type=Path, default=Path("data/ethics"))
    parser.add_argument("--model", type=Path, default=Path("data/query_model"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--long", type=int, default=400, help="long texts of OpenAI's moderation set, at most"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ethics, known = (
        EthicsFilter.load(given.ethics / "filter"),
        KnownSentences.load(given.ethics / "sentences"),
    )
    result = measure(Judge(ethics, known, OnnxEncoder.load(given.model)), given.shared, given.long)
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
