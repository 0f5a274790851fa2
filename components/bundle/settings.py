"""Settings of the bundle, read from `conf/bundle.yaml` and carried in the manifest."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class BundleError(TandemError):
    """A bundle that is not whole or differs from its manifest."""


class BundleSettings(Settings):
    """Settings of ranking: the weights that are tried, and the number of candidates."""

    conf_file = "bundle.yaml"
    renamed_keys: ClassVar = {
        "taste_nodes": "history_search_k",
        "fusion_people": "validation_users",
        "minimum_rating": "minimum_rating in conf/catalogue.yaml",
    }

    taste_weights: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Weights of the user embedding that are tried beside the text score, whose weight is 1",
    )
    popularity_weights: tuple[float, ...] = Field(
        (0.0, 0.02, 0.05, 0.1, 0.2),
        min_length=1,
        description="Weights of popularity that are tried beside the text score",
    )
    validation_users: int = Field(300, ge=0, description="Users of a part whose queries choose the weights")
    bootstrap_samples: int = Field(1000, ge=1, description="Bootstrap samples behind an interval")
    candidates: int = Field(
        200, ge=10, description="Items that BM25, text vectors and factors each propose for ranking"
    )
    history_search_k: int = Field(
        3000,
        ge=1,
        description="Annoy search_k for user embeddings once sparse neighbours fill the candidate list",
    )
