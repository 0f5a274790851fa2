"""Hard negatives: texts that share an anchor's words and that the model finds clearly less fitting than its positive."""

import numpy as np
import pandas as pd

from components.search.bm25 import BM25Index
from components.text_model.encoder import TextEncoder

MAX_CANDIDATES = 20


def mine_negatives(pairs: pd.DataFrame, encoder: TextEncoder, margin: float, seed: int) -> pd.DataFrame:
    """Add the column `negative`: of the texts that BM25 finds for an anchor, the one that the model finds most like it.

    A candidate is refused as likely true where its cosine to the anchor is not `margin` below the positive's, and
    where it is a positive of the same anchor in any pair. Where none is left, one of the other texts is drawn; a pair
    whose anchor all texts fit is left out.
    """
    texts = pairs["positive"].drop_duplicates().tolist()
    anchors = pairs["anchor"].drop_duplicates().tolist()
    row_of = dict(zip(texts, range(len(texts)), strict=True))
    vectors, anchor_vectors = encoder.encode(texts), dict(zip(anchors, encoder.encode(anchors), strict=True))
    fitting = pairs.groupby("anchor")["positive"].agg(set).to_dict()
    lexical, chance = BM25Index.from_texts(texts), np.random.default_rng(seed)
    # Once an anchor and not once a pair: an anchor may have many positives
    candidates_of = {anchor: _find_candidates(lexical, anchor, texts, fitting[anchor]) for anchor in anchors}

    def choose_negative(anchor: str, positive: str) -> str | None:
        candidates = candidates_of[anchor]
        likeness = vectors[candidates] @ anchor_vectors[anchor]
        allowed = likeness <= vectors[row_of[positive]] @ anchor_vectors[anchor] - margin
        if allowed.any():
            return texts[candidates[int(np.argmax(np.where(allowed, likeness, -np.inf)))]]
        return _draw_negative(texts, fitting[anchor], chance)

    negatives = list(map(choose_negative, pairs["anchor"], pairs["positive"]))
    return pairs.assign(negative=negatives).dropna(subset="negative", ignore_index=True)


def _draw_negative(texts: list[str], fitting: set[str], chance: np.random.Generator) -> str | None:
    # Without this the loop below would not end
    if len(fitting) == len(texts):
        return None
    while (text := texts[int(chance.integers(len(texts)))]) in fitting:
        pass
    return text


def _find_candidates(lexical: BM25Index, anchor: str, texts: list[str], fitting: set[str]) -> list[int]:
    """Return the rows of the texts that share words with an anchor and do not fit it, the best first."""
    scores = lexical.scores(anchor)
    # As many more as fit the anchor, since these may all come first and are left out
    best = np.argsort(-scores, kind="stable")[: MAX_CANDIDATES + len(fitting)]
    return [int(row) for row in best if scores[row] > 0 and texts[row] not in fitting][:MAX_CANDIDATES]
