"""Items that nobody has met: a fifth of the goodbooks are hidden from ELSA and ranked for test users by their texts.

python benchmarks/recommender_cold_items.py --encoder data/packages/weights/all-mpnet-base-v2 \\
    --json benchmarks/results/recommender_cold_items.json
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from recommender_data import SHARED, read_interactions, split

from components.catalogue.held_out import COLD_SHARE
from components.core.arrays import Floats
from components.recommender.cold_start import evaluate_hidden_items
from components.recommender.settings import RecommenderSettings
from components.text_model.encoder import TextEncoder

METRICS = ("recall_20", "recall_50", "ndcg_100")


def describe_books() -> pd.Series:
    """Title, authors and description of each book, by its id."""
    books = pd.read_parquet(SHARED / "goodbooks" / "books.parquet").sort_values("book_id")
    text = books["title"] + ". " + books["authors"] + ". " + books["llama31_description"].fillna("")
    return pd.Series(text.to_numpy(), index=books["book_id"].astype(str))


def drawn(count: int, seed: int) -> NDArray[np.bool_]:
    """Which of so many items are hidden, (i,)."""
    order = np.random.default_rng(seed + 1).permutation(count)
    return np.isin(np.arange(count), order[: round(count * COLD_SHARE)])


def encode(texts: pd.Series, encoder: Path, words: int, vectors: Path) -> Floats:
    """Vectors of the texts' first word pieces, from a file where they have been written before."""
    if not vectors.is_file():
        model = TextEncoder.load(next(encoder.rglob("modules.json")).parent)
        model.model.max_seq_length = words
        vectors.parent.mkdir(parents=True, exist_ok=True)
        np.save(vectors, model.encode(texts.tolist(), progress=True))
    found: Floats = np.load(vectors)
    return found


def main(
    encoder: Annotated[Path, typer.Option(help="Folder of a Sentence-Transformers model")],
    vectors: Annotated[Path, typer.Option(help="Where the vectors are kept")] = Path(".tandem/goodbooks.npy"),
    words: Annotated[int, typer.Option(help="Word pieces of a text that are read")] = 64,
    seeds: int = 3,
    quick: Annotated[bool, typer.Option(help="One seed, one epoch")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures there")] = None,
) -> None:
    """Compare the map from texts to factors with zero-shot texts and popularity on hidden items."""
    interactions = read_interactions("goodbooks", Path())
    parts = split(interactions.matrix)
    texts = describe_books()
    content = encode(texts, encoder, words, vectors)[
        texts.index.get_indexer(interactions.item_ids[parts.items])
    ]
    reports = []
    for seed in range(1 if quick else seeds):
        settings = RecommenderSettings(
            dimensions=256,
            epochs=1 if quick else 8,
            patience=8,
            batch_size=1024,
            learning_rate=0.03,
            seed=seed,
        )
        reports.append(
            evaluate_hidden_items(
                parts.train, parts.validation, parts.test, content, drawn(len(content), seed), settings
            )
        )
        typer.echo(json.dumps(reports[-1]), err=True)
    means = {name: round(float(np.mean([report[name] for report in reports])), 4) for name in reports[0]}
    for way in ("popularity", "text", "map"):
        typer.echo(f"{way:<12}" + "  ".join(f"{metric} {means[f'{way}_{metric}']:.4f}" for metric in METRICS))
    if file:
        summary = {"encoder": encoder.name, "words": words, "seeds": reports, "mean": means}
        file.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
