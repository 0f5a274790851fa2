"""Hard negatives: texts that share an anchor's words, and that the model finds clearly less fitting than its positive."""

import numpy as np
import pandas as pd

from components.search.bm25 import BM25Index
from components.text_model.encoder import TextEncoder

CANDIDATES = 20


def mine(pairs: pd.DataFrame, encoder: TextEncoder, margin: float, seed: int) -> pd.DataFrame:
    """Add `negative`: of the texts that BM25 finds for an anchor, the one that the model finds most like it.

    A candidate is refused as likely true where its cosine to the anchor is not `margin` below the positive's, and
    where it is a positive of the same anchor in any pair. Where none is left, one of the other texts is drawn; a pair
    whose anchor all texts fit is left out.
    """
    texts = pairs["positive"].drop_duplicates().tolist()
    anchors = pairs["anchor"].drop_duplicates().tolist()
    row_of = {text: row for row, text in enumerate(texts)}
    vectors, asked = encoder.encode(texts), dict(zip(anchors, encoder.encode(anchors), strict=True))
    known = pairs.groupby("anchor")["positive"].agg(set).to_dict()
    lexical, chance = BM25Index.build(texts), np.random.default_rng(seed)
    found = {anchor: _candidates(lexical, anchor, texts, known[anchor]) for anchor in anchors}

    def negative(anchor: str, positive: str) -> str | None:
        candidates = found[anchor]
        likeness = vectors[[row_of[text] for text in candidates]] @ asked[anchor]
        allowed = likeness <= vectors[row_of[positive]] @ asked[anchor] - margin
        if allowed.any():
            return candidates[int(np.argmax(np.where(allowed, likeness, -np.inf)))]
        return _drawn(texts, known[anchor], chance)

    drawn = [negative(*pair) for pair in zip(pairs["anchor"], pairs["positive"], strict=True)]
    return pairs.assign(negative=drawn).dropna(subset="negative", ignore_index=True)


def _drawn(texts: list[str], known: set[str], chance: np.random.Generator) -> str | None:
    if len(known) == len(texts):
        return None
    while (text := texts[int(chance.integers(len(texts)))]) in known:
        pass
    return text


def _candidates(lexical: BM25Index, anchor: str, texts: list[str], known: set[str]) -> list[str]:
    scores = lexical.scores(anchor)
    best = np.argsort(-scores, kind="stable")[: CANDIDATES + len(known)]
    return [texts[row] for row in best if scores[row] > 0 and texts[row] not in known][:CANDIDATES]
