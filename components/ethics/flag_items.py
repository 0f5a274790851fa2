"""The stage that lists the items whose texts the filter would block, for review; it hides and deletes no item."""

from typing import Any

import numpy as np
import pandas as pd

from components.catalogue.tables import read_items
from components.core.stage import Counts, Input, Output, stage
from components.ethics.filter import EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.settings import EthicsSettings

COLUMNS = ["item_id", "title", "category", "severity", "score", "nearest_sentence"]


@stage(EthicsSettings)
def main(
    catalogue: Input,
    item_vectors: Input,
    ethics: Input,
    sentences: Input,
    flagged: Output,
    settings: EthicsSettings,
) -> Counts:
    """Judge the vectors that search has of all items, and write those above the threshold, the worst first."""
    items, guard, known = read_items(catalogue), EthicsFilter.load(ethics), KnownSentences.load(sentences)
    vectors = np.load(
        item_vectors, mmap_mode="r"
    )  # scored in blocks: a large catalogue need not fit into memory
    scores = guard.classifier.score_harm(vectors)
    rows: list[tuple[Any, ...]] = []
    for row in np.flatnonzero(scores > guard.threshold):
        category, severity = guard.classifier.predict_category(vectors[row])
        item = items.iloc[row]
        nearest = known.find_nearest(vectors[row], banned=True, count=1)[0][0]
        rows.append(
            (item["item_id"], item["title"], category, severity, round(float(scores[row]), 6), nearest)
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.sort_values(["score", "item_id"], ascending=[False, True]).to_csv(flagged, index=False)
    return {"items": len(items), "flagged": len(table)}


if __name__ == "__main__":
    main.cli()
