"""A published bundle in memory: everything that answers a query, with the changes since it was built."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from components.bundle.manifest import identify_bundle, identify_encoder, read_manifest, verify_files
from components.bundle.query_cache import CachedEncoder
from components.bundle.settings import BundleSettings
from components.bundle.stores.film_store import FilmStore
from components.bundle.stores.item_store import ItemStore
from components.bundle.stores.user_histories import UserHistories
from components.ethics.filter import EthicsFilter
from components.index.annoy_index import AnnoyVectors
from components.index.growable_array import GrowableArray
from components.index.live_index import LiveIndex
from components.query_model.vocabulary import Vocabulary
from components.recommender.factors import ItemFactors
from components.search.bm25 import BM25Index
from components.search.live_bm25 import LiveBM25
from components.search.spelling import SpellingCorrector


@dataclass(repr=False, eq=False)
class Bundle:
    """Everything that answers a query, with the items in one order throughout.

    identity: the manifest's SHA-256, by which the registry knows the bundle. encoder_identity: a hash of the query
    encoder, by which its vectors are known. popularity: (i,), the largest is 1. most_popular: (i,) rows of the bundle's own items, the most popular first.
    """

    identity: str
    encoder_identity: str
    manifest: dict[str, Any]
    settings: BundleSettings
    items: ItemStore
    histories: UserHistories
    films: FilmStore
    encoder: CachedEncoder
    bm25: LiveBM25
    spelling: SpellingCorrector
    vocabulary: Vocabulary
    ethics: EthicsFilter
    factors: ItemFactors
    text_index: LiveIndex
    factor_index: LiveIndex
    popularity: GrowableArray[np.float32]
    most_popular: NDArray[np.int64]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Verify the files, then load; what grows with items and users stays memory-mapped.

        Raises BundleError where the bundle is not whole.
        """
        # verified first: a mapped file that is broken would fail in the middle of an answer
        verify_files(folder)
        manifest = read_manifest(folder)
        factors = ItemFactors.load(folder / "item_factors")
        popularity = factors.relative_popularity
        return cls(
            identity=identify_bundle(folder),
            encoder_identity=identify_encoder(manifest),
            manifest=manifest,
            settings=BundleSettings(**manifest["settings"]),
            items=ItemStore.load(folder / "items"),
            histories=UserHistories.load(folder / "histories"),
            films=FilmStore.load(folder / "films"),
            encoder=CachedEncoder.load(folder / "query_model"),
            bm25=LiveBM25(BM25Index.load(folder / "bm25")),
            spelling=SpellingCorrector.load(folder / "spelling.json"),
            vocabulary=Vocabulary.load(folder / "vocabulary.json"),
            ethics=EthicsFilter.load(folder / "ethics"),
            factors=factors,
            text_index=LiveIndex(AnnoyVectors.open_segment(folder / "index", "text")),
            factor_index=LiveIndex(AnnoyVectors.open_segment(folder / "index", "taste")),
            popularity=GrowableArray(popularity),
            # sorted once, since every visit without a history asks for the most popular items
            most_popular=np.argsort(-popularity, kind="stable"),
        )

    @property
    def minimum_rating(self) -> float:
        """The lowest rating that counts as a positive interaction."""
        return float(self.manifest["minimum_rating"])

    @property
    def bm25_weight(self) -> float:
        """The share of BM25 in the text score, chosen on validation queries."""
        return float(self.manifest["metrics"]["search.hybrid_weight"])

    @property
    def taste_weight(self) -> float:
        """The weight of the user embedding beside the text score, chosen on validation users."""
        return float(self.manifest["metrics"]["tune_weights.taste_weight"])

    @property
    def popularity_weight(self) -> float:
        """The weight of popularity beside the text score, chosen on validation users."""
        return float(self.manifest["metrics"]["tune_weights.popularity_weight"])

    @property
    def cold_length(self) -> float:
        """The length of the factors of a cold-start item, chosen on validation users."""
        # missing where the catalogue has no interactions, so that nothing could be chosen
        return float(self.manifest["metrics"].get("cold_start.cold_length", 1.0))

    @property
    def n_trained_items(self) -> int:
        """The number of items that the bundle was built with; later rows were put since."""
        return len(self.most_popular)
