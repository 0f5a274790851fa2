"""Settings of the bundle room, read from `conf/bundle.yaml`, and carried in the manifest."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class BundleError(TandemError):
    """A bundle that is not whole or not what its manifest says."""


class BundleSettings(Settings):
    """How an answer weighs language, taste and popularity, and from how many items."""

    conf_file = "bundle.yaml"
    renamed_keys: ClassVar = {
        "taste_nodes": "search_k",
        "fusion_people": "validation_users",
        "minimum_rating": "minimum_rating in conf/catalogue.yaml",
    }

    taste_weights: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Weights of the person's taste that are tried beside language, whose weight is 1",
    )
    popularity_weights: tuple[float, ...] = Field(
        (0.0, 0.02, 0.05, 0.1, 0.2), min_length=1, description="Weights of popularity that are tried"
    )
    validation_users: int = Field(
        300, ge=0, description="People of a part who ask when the weights are chosen"
    )
    bootstrap_samples: int = Field(1000, ge=1, description="Samples behind an interval")
    candidates: int = Field(200, ge=10, description="Items that are ranked by all parts")
    search_k: int = Field(
        3000,
        ge=1,
        description="Least number of nodes that the trees of tastes inspect where neighbours speak for as many items",
    )
