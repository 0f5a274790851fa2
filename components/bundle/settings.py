"""Settings of the bundle room, read from `conf/bundle.yaml`, and carried in the manifest."""

from pydantic import Field

from components.stage import Settings, TandemError


class BundleError(TandemError):
    """A bundle that is not whole or not what its manifest says."""


class BundleSettings(Settings):
    """How an answer weighs language, taste and popularity."""

    taste_weight: float = Field(0.15, ge=0, le=1, description="Weight of the user's taste in search")
    popularity_weight: float = Field(0.02, ge=0, le=1, description="Weight of popularity in search")
    candidates: int = Field(200, ge=10, description="Items that are ranked by all parts")
    minimum_rating: float = Field(
        4.0, ge=0, description="Ratings below it do not count as liking; the recommender's is the same"
    )
