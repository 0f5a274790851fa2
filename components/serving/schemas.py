"""The bodies of requests: items, interactions and sessions, validated field by field."""

import json
import time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from components.catalogue.cell_values import CONTROL_CHARACTERS

DAY_SECONDS = 86_400


def strip_control(text: str) -> str:
    """Return a text with spaces in place of control characters, and without spaces at its ends."""
    return CONTROL_CHARACTERS.sub(" ", text).strip()


def _check_printable(text: str) -> str:
    # Ids are in addresses, file lines and logs, where a line break would make another line of one
    if not text.strip() or not text.isprintable():
        raise ValueError("has characters that cannot be printed, or none at all")
    return text


def _clean_text(text: str) -> str:
    if not (cleaned := strip_control(text)):
        raise ValueError("is empty")
    return cleaned


def _check_time(seconds: int) -> int:
    # A day of tolerance for clients whose clock or time zone is wrong; milliseconds are far beyond it
    if seconds > time.time() + DAY_SECONDS:
        raise ValueError("lies in the future, or is in milliseconds: give seconds since 1970, UTC")
    return seconds


Identity = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_printable)]
Title = Annotated[str, Field(max_length=500), AfterValidator(_clean_text)]
FacetValue = Annotated[str, Field(max_length=200), AfterValidator(_clean_text)]
Price = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]


class StrictModel(BaseModel):
    """A body in which an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(StrictModel):
    """An item as it is from now on; a field that is left out is empty."""

    title: Title = Field(examples=["Children's sun hat"])
    text: Annotated[str, Field(max_length=10_000), AfterValidator(strip_control)] = Field(
        "", examples=["A light hat that shades the neck, for the beach."]
    )
    category: FacetValue | None = Field(None, examples=["hats"])
    brand: FacetValue | None = Field(None, examples=["Lumena"])
    price: Price | None = Field(None, examples=[12.95])
    price_original: Price | None = Field(None, description="The price before, shown struck through")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(None, examples=["EUR"])
    year: Annotated[int, Field(ge=0, le=9999)] | None = None
    # No http: the page is served over https behind a proxy. No other scheme: javascript: would run in the page
    image: Annotated[str, Field(max_length=2000, pattern=r"^(https://|/)[^\s]*$")] | None = Field(
        None, description="An https address, or a path of this service"
    )
    available: bool = True
    attributes: dict[FacetValue, Annotated[list[FacetValue], Field(max_length=50)]] = Field(
        default_factory=dict, max_length=50, examples=[{"audience": ["girls", "boys"], "season": ["summer"]}]
    )

    def as_row(self, item_id: str) -> dict[str, Any]:
        """Return the row of the items table."""
        row = self.model_dump() | {"item_id": item_id}
        return row | {"attributes": json.dumps(self.attributes, ensure_ascii=False)}


class BatchItemBody(ItemBody):
    """A line of a batch: an item with its id."""

    item_id: Identity


class InteractionBody(StrictModel):
    """What a user did with an item."""

    user_id: Identity = Field(examples=["u234"])
    item_id: Identity = Field(examples=["f0001"])
    kind: Literal["click", "view", "purchase", "rating"] = "click"
    weight: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        1.0, description="How much it counts; for a rating, the rating itself"
    )
    timestamp: Annotated[int, Field(ge=0), AfterValidator(_check_time)] | None = Field(
        None, description="Seconds since 1970, UTC; the present time where it is left out"
    )

    def as_body(self) -> dict[str, Any]:
        """Return the interaction as the change log keeps it."""
        timestamp = int(time.time()) if self.timestamp is None else self.timestamp
        return self.model_dump() | {"timestamp": timestamp}

    def preference_weight(self, minimum_rating: float) -> float:
        """Return how much the interaction counts as a preference, 0 for none: the rule of the recommender."""
        if self.kind == "rating":
            return 1.0 if self.weight >= minimum_rating else 0.0
        return self.weight


class SessionBody(StrictModel):
    """The items of a session, the latest last."""

    item_ids: Annotated[list[Identity], Field(min_length=1, max_length=200)] = Field(
        examples=[["f0001", "f0002"]]
    )
    k: Annotated[int, Field(ge=1, le=100)] = 12
