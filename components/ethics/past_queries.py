"""What people asked this shop before: harmless unless it is marked, or the banned sentences say otherwise."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.tables import read_queries
from components.core.stage import Input
from components.ethics.classifier import HarmClassifier, TrainingExamples
from components.ethics.sentence_vectors import SpanVectors
from components.ethics.settings import EthicsSettings

NEIGHBOURS, MOST = 5, 0.5  # sentences that are asked, and the share of them that must be banned


def sample_past_queries(catalogue: Input, settings: EthicsSettings) -> pd.DataFrame:
    """Past queries (text, harmful), each text once; harmful is what staff marked in any of its rows."""
    queries = read_queries(catalogue)
    queries["harmful"] = queries["harmful"].fillna(False).astype(bool)
    distinct = queries.groupby("text", sort=False, as_index=False)["harmful"].any()
    count = min(settings.maximum_past_queries, len(distinct))
    return distinct.sample(count, random_state=settings.seed).reset_index(drop=True)


def agrees_with_banned(
    spans: SpanVectors, classifier: HarmClassifier, lists: TrainingExamples, margin: float
) -> NDArray[np.bool_]:
    """Whether each text (t,) is harmful by agreement: its score is, and so are most of the sentences nearest to it."""
    scores = classifier.harm(spans.vectors)
    suspicious = spans.highest(scores, margin) > 0
    found = np.zeros(len(suspicious), bool)
    for text in np.flatnonzero(suspicious):
        own = np.flatnonzero(spans.texts == text)
        tipping = spans.vectors[own[int(scores[own].argmax())]]
        near = np.argsort(-(lists.vectors @ tipping))[:NEIGHBOURS]
        found[text] = bool(lists.banned[near[0]] and lists.banned[near].mean() > MOST)
    return found
