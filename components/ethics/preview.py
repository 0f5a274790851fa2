"""What the lists and settings as they stand now would block of past queries, beside what the live filter blocks."""

from pathlib import Path

import pandas as pd

from components.core.stage import Counts, Input, Output, stage
from components.ethics.calibrate import calibrate, sample_titles
from components.ethics.filter import EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.past_queries import sample_past_queries
from components.ethics.sentence_lists import read_lists
from components.ethics.sentence_vectors import SentenceVectors
from components.ethics.settings import EthicsError, EthicsSettings
from components.query_model.onnx_encoder import OnnxEncoder


def read_queries(file: Path) -> list[str]:
    """Past queries, one a line, each once.

    Raises EthicsError where the file is not UTF-8 or holds none.
    """
    try:
        queries = list(dict.fromkeys(filter(None, map(str.strip, file.read_text("utf-8-sig").splitlines()))))
    except UnicodeDecodeError:
        raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
    if not queries:
        raise EthicsError(f"{file} holds no query. Write one a line.")
    return queries


def compare(
    queries: list[str],
    live: EthicsFilter,
    changed: EthicsFilter,
    known: KnownSentences,
    encoder: OnnxEncoder,
) -> pd.DataFrame:
    """The queries that either filter blocks, what changes for them, and why the changed one blocks."""
    rows = []
    for query in queries:
        before = live.verdict_on(query, encoder)
        after = changed.verdict_on(query, encoder)
        if before.blocked or after.blocked:
            change = {
                (True, True): "stays blocked",
                (False, True): "newly blocked",
                (True, False): "let through",
            }
            rows.append(
                (
                    change[before.blocked, after.blocked],
                    query,
                    after.category,
                    after.severity,
                    after.score,
                    known.nearest(after.tipping, banned=True, count=1)[0][0],
                )
            )
    columns = ["change", "query", "category", "severity", "score", "nearest_sentence"]
    table = pd.DataFrame(rows, columns=columns).astype({"severity": "Int64"})
    return table.sort_values(["change", "score"], ascending=[True, False])


@stage(EthicsSettings)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    query_model: Input,
    live: Input,
    queries: Input,
    preview: Output,
    settings: EthicsSettings,
) -> Counts:
    """Calibrate a filter on the side, judge past queries by it and by the live one, and list the difference."""
    asked, before = read_queries(queries), EthicsFilter.load(live)
    # Beside the live filter, where the vectors of the sentences lie that did not change
    store = SentenceVectors(live, query_model, settings.window_tokens)
    titles, past = sample_titles(catalogue, settings), sample_past_queries(catalogue, settings)
    found = calibrate(read_lists(banned, benign), titles, past, store, settings)
    known, after = KnownSentences(found.texts, found.whole), found.filter
    table = compare(asked, before, after, known, store.encoder)
    table.to_csv(preview, index=False)
    counts = table["change"].value_counts()
    changes = {name: int(counts.get(name, 0)) for name in ("newly blocked", "let through", "stays blocked")}
    return {"queries": len(asked), "threshold": after.threshold, **changes}


if __name__ == "__main__":
    main.cli()
