"""What programs may tell the service: items and interactions, checked field by field."""

import json
import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from components.catalogue.cell_values import CONTROL

DAY = 86_400


def without_control(text: str) -> str:
    return CONTROL.sub(" ", text).strip()


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("has characters that cannot be printed, or none at all")
    return text


def _written(text: str) -> str:
    if not (cleaned := without_control(text)):
        raise ValueError("is empty")
    return cleaned


def _not_ahead(seconds: int) -> int:
    if seconds > time.time() + DAY:
        raise ValueError("lies in the future, or is in milliseconds: give seconds since 1970, UTC")
    return seconds


Identity = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Line = Annotated[str, Field(max_length=500), AfterValidator(_written)]
Value = Annotated[str, Field(max_length=200), AfterValidator(_written)]
Price = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]


class StrictModel(BaseModel):
    """A body that has nothing but the fields that are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(StrictModel):
    """An item as it is from now on; a field that is left out is empty."""

    title: Line = Field(examples=["Children's sun hat"])
    text: Annotated[str, Field(max_length=10_000), AfterValidator(without_control)] = Field(
        "", examples=["A light hat that shades the neck, for the beach."]
    )
    category: Value | None = Field(None, examples=["hats"])
    brand: Value | None = Field(None, examples=["Lumena"])
    price: Price | None = Field(None, examples=[12.95])
    price_original: Price | None = Field(None, description="The price before, shown struck through")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(None, examples=["EUR"])
    year: Annotated[int, Field(ge=0, le=9999)] | None = None
    image: Annotated[str, Field(max_length=2000, pattern=r"^(https://|/)[^\s]*$")] | None = Field(
        None, description="An https address, or a path of this service"
    )
    available: bool = True
    attributes: dict[Value, Annotated[list[Value], Field(max_length=50)]] = Field(
        default_factory=dict, max_length=50, examples=[{"audience": ["girls", "boys"], "season": ["summer"]}]
    )

    def as_row(self, item_id: str) -> dict[str, Any]:
        """A row of the items table."""
        row = self.model_dump() | {"item_id": item_id}
        return row | {"attributes": json.dumps(self.attributes, ensure_ascii=False)}


class BatchItemBody(ItemBody):
    """A line of a batch: an item with its id."""

    item_id: Identity


class InteractionBody(StrictModel):
    """What a person did with an item."""

    user_id: Identity = Field(examples=["u234"])
    item_id: Identity = Field(examples=["f0001"])
    kind: Literal["click", "view", "purchase", "rating"] = "click"
    weight: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        1.0, description="How much it counts; of a rating, the rating"
    )
    timestamp: Annotated[int, Field(ge=0), AfterValidator(_not_ahead)] | None = Field(
        None, description="Seconds since 1970, UTC; now where it is left out"
    )

    def as_body(self) -> dict[str, Any]:
        """What is kept of it."""
        return self.model_dump() | {
            "timestamp": int(time.time()) if self.timestamp is None else self.timestamp
        }

    def liking(self, minimum_rating: float) -> float:
        """How much it tells of liking, 0 for nothing: the rule of the recommender."""
        if self.kind == "rating":
            return 1.0 if self.weight >= minimum_rating else 0.0
        return self.weight


class SessionBody(StrictModel):
    """Items of a session, the latest last."""

    item_ids: Annotated[list[Identity], Field(min_length=1, max_length=200)] = Field(
        examples=[["f0001", "f0002"]]
    )
    k: Annotated[int, Field(ge=1, le=100)] = 12
