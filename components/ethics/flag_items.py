"""List the items whose texts the filter would block, for people to review; no item is hidden or deleted."""

import numpy as np
import pandas as pd

from components.catalogue.tables import read_items
from components.ethics.filter import EthicsFilter
from components.ethics.settings import EthicsSettings
from components.stage import Counts, Input, Output, stage


@stage(EthicsSettings)
def main(
    catalogue: Input, item_vectors: Input, ethics: Input, flagged: Output, settings: EthicsSettings
) -> Counts:
    """Judge the vectors that the search has of all items; write those above the threshold, the worst first."""
    items, guard = read_items(catalogue), EthicsFilter.load(ethics)
    vectors = np.load(item_vectors)
    verdicts = [guard.verdict(vector[None, :]) for vector in vectors]
    table = pd.DataFrame(
        {
            "item_id": items["item_id"],
            "title": items["title"],
            "category": [verdict.category for verdict in verdicts],
            "severity": pd.array([verdict.severity for verdict in verdicts], "Int64"),
            "score": [verdict.score for verdict in verdicts],
            "nearest_sentence": [verdict.sentence for verdict in verdicts],
        }
    )
    over = table[[verdict.blocked for verdict in verdicts]].sort_values(
        ["score", "item_id"], ascending=[False, True]
    )
    over.to_csv(flagged, index=False)
    return {"items": len(items), "flagged": len(over)}


if __name__ == "__main__":
    main.cli()
