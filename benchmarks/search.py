"""Search of the judged shop of Chorus: words, vectors and their hybrid over the whole catalogue, unjudged = 0.

python benchmarks/search.py --data chorus [--quick] [--seed 43] [--json FILE]

What the hybrid chooses (the share of words) it chooses by five-fold cross-validation over queries, the folds drawn by
the hash of a query's text: a query's figure comes from a share that the other folds chose. Five draws of folds; a
query's figure is the mean over them. Each query is asked of the finetuned model that learnt from the other half of
them (benchmarks/chorus_finetune.py). Intervals are bootstraps over queries, differences are paired. The last rows have a
typing error in a word of each query that has one of four letters, with the share of words in the middle of those chosen.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bm25s
import chorus
import numpy as np
import Stemmer
import torch
from chorus_finetune import CACHE, SETTINGS, finetuned, half_of
from ethics_sets import mistype
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from components.core.ranking_metrics import Floats, mean_ndcg, mean_recall, mean_reciprocal_rank
from components.query_model.export import export_model
from components.query_model.onnx_encoder import OnnxEncoder
from components.query_model.query_words import list_query_words
from components.search.bm25 import BM25Index, fuse_scores
from components.search.item_text import item_texts, matched_texts
from components.search.spelling import SpellingCorrector, correct_spelling
from components.text_model.encoder import TextEncoder, Vectors
from components.text_model.evaluate import grade_matrix

FOLDS, DRAWS, STEPS, SAMPLES, LONG_WORD = 5, 5, 20, 2000, 4
HEAD_TEXTS, DIMENSIONS, TOKENS = 1000, 512, 32
MEASURES: dict[str, Callable[[Floats, Floats], float]] = {
    "ndcg_10": lambda scores, grades: mean_ndcg(scores, grades, 10),
    "recall_100": lambda scores, grades: mean_recall(scores, grades, 100),
    "mrr_10": lambda scores, grades: mean_reciprocal_rank(scores, grades, 10),
}
Figures = dict[str, NDArray[np.float64]]


def by_query(scores: Floats, grades: Floats) -> Figures:
    """Each measure of each query (q,)."""
    rows = [slice(row, row + 1) for row in range(len(grades))]
    return {
        name: np.array([measure(scores[row], grades[row]) for row in rows])
        for name, measure in MEASURES.items()
    }


def fold_of(text: str, draw: int) -> int:
    """The fold of a query in a draw."""
    return hashlib.sha256(f"{draw}:{text}".encode()).digest()[0] % FOLDS


def cross_validated(
    words: Floats, similarities: Floats, grades: Floats, texts: list[str]
) -> tuple[Figures, list[float]]:
    """Each query's measures under the share of words with the best NDCG@10 on the other folds; the shares chosen."""
    shares = np.linspace(0, 1, STEPS + 1)
    found = [by_query(fuse_scores(words, similarities, share), grades) for share in shares]
    quality = np.stack([figures["ndcg_10"] for figures in found])
    total = {name: np.zeros(len(texts)) for name in MEASURES}
    chosen = []
    for draw in range(DRAWS):
        folds = np.array([fold_of(text, draw) for text in texts])
        for fold in range(FOLDS):
            held = folds == fold
            best = int(quality[:, ~held].mean(axis=1).round(9).argmax())
            chosen.append(round(float(shares[best]), 2))
            for name in MEASURES:
                total[name][held] += found[best][name][held] / DRAWS
    return total, chosen


def interval(values: NDArray[np.float64]) -> list[float]:
    """Mean over queries with its 95 % bootstrap interval: [mean, low, high]."""
    draw = np.random.default_rng(0).integers(0, len(values), (SAMPLES, len(values)))
    low, high = np.quantile(values[draw].mean(axis=1), [0.025, 0.975])
    return [round(float(value), 4) for value in (values.mean(), low, high)]


def kept(name: str, make: Callable[[], Vectors]) -> Vectors:
    """An array made once a checkout."""
    file = CACHE / f"{name}.npy"
    if not file.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        np.save(file, make())
    return np.load(file)


def peers(texts: list[str], asked: list[str], quick: bool) -> dict[str, Floats]:
    """Scores (q, i) of BM25 as bm25s has it by default, and of TF-IDF over characters."""
    stemmer = Stemmer.Stemmer("english")
    plain = bm25s.BM25()
    plain.index(bm25s.tokenize(texts, stemmer=stemmer, show_progress=False), show_progress=False)
    said = bm25s.tokenize(asked, stemmer=stemmer, show_progress=False, return_ids=False)
    known = [[word for word in words if word in plain.vocab_dict] for words in said]
    none = np.zeros(len(texts), np.float32)
    found = {"bm25s": np.stack([plain.get_scores(words) if words else none for words in known])}
    if not quick:
        characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, dtype=np.float32
        )
        matrix = characters.fit_transform(texts)
        found["character TF-IDF"] = (characters.transform(asked) @ matrix.T).toarray()
    return found


def directions(vectors: Vectors) -> Vectors:
    """The head that finetuning starts from: main directions of some texts' vectors, (whole, DIMENSIONS)."""
    sample = vectors[np.random.default_rng(42).permutation(len(vectors))[:HEAD_TEXTS]]
    return np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :DIMENSIONS].astype(np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def milliseconds(call: Callable[[str], object], texts: list[str], rounds: int) -> float:
    """CPU time of a query: the best of several medians over queries."""
    medians = []
    for _ in range(rounds):
        taken = []
        for text in texts:
            start = time.process_time()
            call(text)
            taken.append(time.process_time() - start)
        medians.append(float(np.median(taken)))
    return round(1000 * min(medians), 2)


def read_items(folder: Path, texts: list[str]) -> Vectors:
    """Unit vectors of the items (i, d), in bfloat16 as the processor multiplies fastest; made once a checkout."""

    def encode() -> Vectors:
        encoder = TextEncoder.load(folder)
        encoder.model.max_seq_length = TOKENS
        encoder.model.to(torch.bfloat16)
        return unit(encoder.encode(texts, progress=True))

    return kept(f"{folder.name}-{hashlib.sha256(''.join(texts).encode()).hexdigest()[:12]}", encode)


def query_model_of(folder: Path) -> OnnxEncoder:
    """The model for queries in 8 bits, exported once a checkout."""
    exported = CACHE / f"{folder.name}-query"
    if not exported.is_dir():
        encoder = TextEncoder.load(folder, exact=True)
        encoder.model.max_seq_length = TOKENS
        export_model(encoder, exported)
    return OnnxEncoder.load(exported)


def misspelt(asked: list[str]) -> list[str]:
    """The queries with a typing error in one word of at least four letters."""
    random = np.random.default_rng(0)

    def once(text: str) -> str:
        words = text.split()
        long = [place for place, word in enumerate(words) if word.isalpha() and len(word) >= LONG_WORD]
        if long:
            place = int(random.choice(long))
            words[place] = mistype(random, words[place])
        return " ".join(words)

    return [once(text) for text in asked]


def finetuned_similarities(
    base: Path, seed: int, asked: list[str], halves: NDArray[np.int64], texts: list[str]
) -> Floats:
    """Each query (q, i) as the model sees it that was finetuned on the catalogue and the other half of the queries."""
    found = np.zeros((len(asked), len(texts)), np.float32)
    for half in (0, 1):
        folder = finetuned(base, half, SETTINGS.model_copy(update={"seed": seed}))
        rows = np.flatnonzero(halves == half)
        queries = query_model_of(folder).encode([asked[row] for row in rows], batch_size=1)
        found[rows] = queries @ read_items(folder, texts).T
    return found


def measure(model: Path, quick: bool, seed: int) -> dict[str, Any]:
    """Every row of the table."""
    items = chorus.read_items()
    asked, grades = grade_matrix(chorus.read_judged(), items["item_id"])
    texts = item_texts(items)
    encoder, query_model = TextEncoder.load(model), query_model_of(model)
    encoder.model.max_seq_length = TOKENS
    lexical = BM25Index.from_texts(matched_texts(items))
    words = np.stack([lexical.scores(text) for text in asked])
    whole, queries = read_items(model, texts), encoder.encode(asked)
    halves = np.array([half_of(text) for text in asked])
    head = directions(whole)
    vectors = unit(whole @ head)
    similarities = {
        "MPNet 768": queries @ whole.T,
        "MPNet 512": unit(queries @ head) @ vectors.T,
        "MPNet 512, 8-bit queries": unit(query_model.encode(asked, batch_size=1) @ head) @ vectors.T,
        "finetuned 512, 8-bit queries": finetuned_similarities(model, seed, asked, halves, texts),
    }
    rows = {kind: by_query(scores, grades) for kind, scores in peers(texts, asked, quick).items()}
    rows["words"] = by_query(words, grades)
    rows |= {kind: by_query(scores, grades) for kind, scores in similarities.items()}
    shares = {}
    for kind, scores in list(similarities.items())[1:]:
        rows[f"hybrid, {kind}"], shares[kind] = cross_validated(words, scores, grades, asked)
    tuned = list(similarities)[-1]
    best = f"hybrid, {tuned}"
    spelling = SpellingCorrector.from_texts(matched_texts(items), list_query_words())
    typed = [correct_spelling(text, spelling.find_corrections(text, lexical)) for text in misspelt(asked)]
    slips = finetuned_similarities(model, seed, typed, halves, texts)
    found = np.stack([lexical.scores(text) for text in typed])
    middle = float(np.median(shares[tuned]))
    rows["words, a typing error"] = by_query(found, grades)
    rows["finetuned 512, a typing error"] = by_query(slips, grades)
    rows["hybrid, a typing error"] = by_query(fuse_scores(found, slips, middle), grades)

    def answer(text: str) -> object:
        vector = unit(query_model.encode([text]) @ head)[0]
        return np.argpartition(-fuse_scores(lexical.scores(text), vectors @ vector, 0.5), 100)[:100]

    rounds = 2 if quick else 5
    return {
        "queries": len(asked),
        "items": len(items),
        "table": {
            kind: {name: interval(values) for name, values in figures.items()}
            for kind, figures in rows.items()
        },
        "hybrid_less": {
            peer: {name: interval(rows[best][name] - rows[peer][name]) for name in MEASURES}
            for peer in ("bm25s", "words", tuned, "hybrid, MPNet 512, 8-bit queries")
        },
        "shares_of_words_chosen": {
            kind: [min(all_), float(np.median(all_)), max(all_)] for kind, all_ in shares.items()
        },
        "cpu_milliseconds": {
            "words": milliseconds(lexical.scores, asked, rounds),
            "encode, float32": milliseconds(lambda text: encoder.encode([text]), asked[::3], rounds),
            "encode, 8 bits": milliseconds(lambda text: query_model.encode([text]), asked, rounds),
            "hybrid in all, every item scored": milliseconds(answer, asked, rounds),
        },
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=["chorus"], default="chorus")
    parser.add_argument("--model", type=Path, default=Path("data/packages/weights/all-mpnet-base-v2"))
    parser.add_argument(
        "--quick", action="store_true", help="without the peer over characters, fewer timings"
    )
    parser.add_argument("--seed", type=int, default=SETTINGS.seed, help="of the finetuned models")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result = measure(given.model, given.quick, given.seed)
    for kind, figures in result["table"].items():
        cells = "  ".join(f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in figures.values())
        print(f"{kind:36} {cells}")
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
