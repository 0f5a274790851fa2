"""The stage that tries edited lists and settings on past queries, and lists what changes against the live filter."""

from pathlib import Path

import pandas as pd

from components.core.stage import Counts, Input, Output, stage
from components.enrichment.enriched_items import read_enriched_items
from components.ethics.calibrate import calibrate_filter, sample_titles
from components.ethics.filter import EthicsFilter
from components.ethics.known_sentences import KnownSentences
from components.ethics.past_queries import sample_queries
from components.ethics.sentence_lists import read_lists
from components.ethics.sentence_vectors import SentenceVectors
from components.ethics.settings import EthicsError, EthicsSettings
from components.query_model.onnx_encoder import OnnxEncoder

CHANGES = {  # by whether the live and the changed filter block
    (False, True): "newly blocked",
    (True, False): "let through",
    (True, True): "stays blocked",
}
COLUMNS = ["change", "query", "category", "severity", "score", "nearest_sentence"]


def read_queries(file: Path) -> list[str]:
    """Return past queries, one a line, each once.

    Raises EthicsError where the file is not UTF-8 or holds no query.
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()  # Excel begins a UTF-8 file with a byte order mark
    except UnicodeDecodeError:
        raise EthicsError(f"{file} is not UTF-8. Save it as UTF-8.") from None
    queries = list(dict.fromkeys(filter(None, map(str.strip, lines))))
    if not queries:
        raise EthicsError(f"{file} holds no query. Write one a line.")
    return queries


def compare_filters(
    queries: list[str], live: EthicsFilter, changed: EthicsFilter, known: KnownSentences, encoder: OnnxEncoder
) -> pd.DataFrame:
    """Return the queries that either filter blocks, what changes for them, and why the changed one blocks."""
    rows = []
    for query in queries:
        before, after = live.judge_text(query, encoder), changed.judge_text(query, encoder)
        if before.blocked or after.blocked:
            change = CHANGES[before.blocked, after.blocked]
            nearest = known.find_nearest(after.worst_span, banned=True, count=1)[0][0]
            rows.append((change, query, after.category, after.severity, after.score, nearest))
    # Int64: a query that is let through has no severity
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"severity": "Int64"})
    return table.sort_values(["change", "score"], ascending=[True, False])


@stage(EthicsSettings)
def main(
    banned: Input,
    benign: Input,
    catalogue: Input,
    descriptions: Input,
    query_model: Input,
    live: Input,
    queries: Input,
    preview: Output,
    settings: EthicsSettings,
) -> Counts:
    """Calibrate a filter aside, judge past queries by it and by the live one, and list the differences."""
    past_texts, live_filter = read_queries(queries), EthicsFilter.load(live)
    # Beside the live filter, where the vectors of unchanged sentences are stored
    store = SentenceVectors(live, query_model, settings.window_tokens)
    items = read_enriched_items(catalogue, descriptions)
    titles, past = sample_titles(items, settings), sample_queries(catalogue, items, settings)
    lists = read_lists(banned, benign)
    calibration = calibrate_filter(lists, titles, past=past, store=store, settings=settings)
    known = KnownSentences(calibration.texts, calibration.vectors)
    table = compare_filters(
        past_texts, live_filter, changed=calibration.filter, known=known, encoder=store.encoder
    )
    table.to_csv(preview, index=False)
    counts = table["change"].value_counts()
    changes = {name: int(counts.get(name, 0)) for name in CHANGES.values()}
    return {"queries": len(past_texts), "threshold": calibration.filter.threshold, **changes}


if __name__ == "__main__":
    main.cli()
