"""Past queries of the shop, and wishes for its items: harmless unless staff marked them, or banned sentences suggest otherwise."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.catalogue.tables import read_queries
from components.ethics.classifier import HarmClassifier, TrainingExamples
from components.ethics.sentence_vectors import SpanVectors
from components.ethics.settings import EthicsSettings
from components.search.item_text import read_description

TOP_K, MIN_BANNED_SHARE = 5, 0.5  # nearest sentences, more than half of which must be banned


def sample_past_queries(catalogue: Path, settings: EthicsSettings) -> pd.DataFrame:
    """Return past queries (text, harmful), each text once; harmful where staff marked any of its rows."""
    queries = read_queries(catalogue)
    queries["harmful"] = queries["harmful"].fillna(False).astype(bool)
    distinct = queries.groupby("text", sort=False, as_index=False)["harmful"].any()
    count = min(settings.maximum_past_queries, len(distinct))
    return distinct.sample(count, random_state=settings.seed).reset_index(drop=True)


def sample_wishes(items: pd.DataFrame, settings: EthicsSettings) -> pd.DataFrame:
    """Return what a language model thinks that people ask for the items (text, harmful): queries of days to come."""
    wishes = [wish for item in items.to_dict("records") for wish in read_description(item).get("wishes", [])]
    distinct = pd.DataFrame({"text": [*dict.fromkeys(wishes)], "harmful": False})
    count = min(settings.maximum_wishes, len(distinct))
    return distinct.sample(count, random_state=settings.seed).reset_index(drop=True)


def sample_queries(catalogue: Path, items: pd.DataFrame, settings: EthicsSettings) -> pd.DataFrame:
    """Return past queries and wishes for the items (text, harmful), each text once."""
    # Wishes are set aside as past queries are, where they are near to banned sentences
    both = [sample_past_queries(catalogue, settings), sample_wishes(items, settings)]
    return pd.concat(both).drop_duplicates("text", ignore_index=True)


def agrees_with_banned(
    spans: SpanVectors, classifier: HarmClassifier, lists: TrainingExamples, margin: float
) -> NDArray[np.bool_]:
    """Return which texts (t,) the classifier and most of the nearest sentences both call harmful."""
    scores = classifier.score_harm(spans.vectors)
    suspicious = spans.highest_scores(scores, margin) > 0
    harmful = np.zeros(len(suspicious), bool)
    # The neighbours are looked up for the few suspicious texts only
    for text in np.flatnonzero(suspicious):
        own = np.flatnonzero(spans.texts == text)
        worst = spans.vectors[own[int(scores[own].argmax())]]
        nearest = np.argsort(-(lists.vectors @ worst))[:TOP_K]
        harmful[text] = bool(lists.banned[nearest[0]] and lists.banned[nearest].mean() > MIN_BANNED_SHARE)
    return harmful
