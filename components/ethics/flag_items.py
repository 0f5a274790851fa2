"""The stage that lists the items and wishes whose texts the filter would block, for review; it hides and deletes none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.ethics.filter import EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.settings import EthicsSettings
from components.search.item_text import read_description

COLUMNS = ["item_id", "title", "part", "text", "category", "severity", "score", "nearest_sentence"]
Row = tuple[Any, ...]


def list_wishes(items: pd.DataFrame) -> pd.DataFrame:
    """Return every wish of every item that has a vector, in the order of the vectors: item_id, title, text."""
    rows = []
    for item in items.to_dict("records"):
        rows += [(item["item_id"], item["title"], wish) for wish in read_description(item).get("wishes", [])]
    return pd.DataFrame(rows, columns=["item_id", "title", "text"])


def flag_texts(
    part: str, texts: pd.DataFrame, file: Path, guard: EthicsFilter, known: KnownSentences
) -> Iterator[Row]:
    """Yield a row for each text that the filter would block; file: the vectors of the texts, in order."""
    # Scored in blocks: a large catalogue need not fit into memory
    vectors = np.load(file, mmap_mode="r")
    scores = guard.classifier.score_harm(vectors)
    for row in np.flatnonzero(scores > guard.threshold):
        category, severity = guard.classifier.predict_category(vectors[row])
        nearest = known.find_nearest(vectors[row], banned=True, count=1)[0][0]
        item = texts.iloc[row]
        score = round(float(scores[row]), 6)
        yield item["item_id"], item["title"], part, item["text"], category, severity, score, nearest


@stage(EthicsSettings)
def main(
    catalogue: Input,
    descriptions: Input,
    item_vectors: Input,
    wish_vectors: Input,
    ethics: Input,
    sentences: Input,
    flagged: Output,
    settings: EthicsSettings,
) -> Counts:
    """Judge the vectors that search has of all items and of their wishes, and write those above the threshold, the worst first."""
    items, guard, known = (
        read_enriched_items(catalogue, descriptions),
        EthicsFilter.load(ethics),
        KnownSentences.load(sentences),
    )
    rows = [*flag_texts("item", items, item_vectors, guard=guard, known=known)]
    # Without any weight wishes have no vectors, and are in no answer
    wishes = list_wishes(items).head(len(np.load(wish_vectors, mmap_mode="r")))
    rows += flag_texts("wish", wishes, wish_vectors, guard=guard, known=known)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.sort_values(["score", "item_id", "text"], ascending=[False, True, True]).to_csv(
        flagged, index=False
    )
    return {"items": len(items), "wishes": len(wishes), "flagged": len(table)}


if __name__ == "__main__":
    main.cli()
