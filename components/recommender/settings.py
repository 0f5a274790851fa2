"""Settings of the recommender, read from `conf/recommender.yaml`."""

from typing import ClassVar

from pydantic import Field

from components.core.errors import TandemError
from components.core.settings import Settings


class RecommenderError(TandemError):
    """Interactions or factors that the recommender cannot work with."""


class RecommenderSettings(Settings):
    """Settings of training and evaluation."""

    conf_file = "recommender.yaml"
    renamed_keys: ClassVar = {
        "blends": "sparse_weights",
        "minimum_rating": "minimum_rating in conf/catalogue.yaml",
    }

    dimensions: int = Field(128, ge=2, le=4096, description="Length of an item's factors")
    learning_rate: float = Field(0.03, gt=0, le=1, description="Learning rate of Adam")
    batch_size: int = Field(64, ge=1, description="Users a step")
    epochs: int = Field(40, ge=1, description="Most passes over the training users")
    patience: int = Field(
        8, ge=1, description="Epochs without a better validation metric before training ends"
    )
    neighbours: int = Field(
        50, ge=0, description="Items that predict each item in the sparse part; 0 leaves it out"
    )
    neighbour_ridge: float = Field(0.3, gt=0, description="L2 penalty of the neighbours' weights")
    sparse_weights: tuple[float, ...] = Field(
        (1.0, 3.0, 10.0, 30.0, 100.0),
        min_length=1,
        description="Weights of the sparse part that are tried beside ELSA",
    )
    held_out_share: float = Field(
        0.2, gt=0, lt=1, description="Share of a user's history that is hidden and has to be predicted"
    )
    cold_ridges: tuple[float, ...] = Field(
        (0.1, 1.0, 10.0, 100.0),
        min_length=1,
        description="L2 penalties that are tried for the regression of cold-start items",
    )
    # guesses of length 1 lie near every user's embedding: on MovieLens most of the first twelve were unrated films
    cold_lengths: tuple[float, ...] = Field(
        (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        min_length=1,
        description="Lengths that are tried for predicted factors beside trained ones of length 1",
    )
    bootstrap_samples: int = Field(500, ge=10, description="Bootstrap samples behind each interval")
