"""The parameters of a query in a URL, within the limits of the service."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import HTTPException
from fastapi import Query as Param

from components.bundle.query import Query, Sort
from components.serving.settings import ServingSettings

FILTER_PATTERN = r"^[^:]{1,200}:.{1,200}$"  # only the first colon divides, so values may hold more of them
Cursor = Annotated[str | None, Param(description="`next` of the page before", max_length=1000)]
UserId = Annotated[
    str | None, Param(description="The user whose interactions personalize the answer", max_length=200)
]
# Prices are texts here: an HTML form sends an empty field, which FastAPI would refuse as a number
MinPrice = Annotated[
    str | None, Param(description="Lowest price; takes precedence over one in q", max_length=40)
]
MaxPrice = Annotated[
    str | None, Param(description="Highest price; takes precedence over one in q", max_length=40)
]
IgnoredFilters = Annotated[
    list[str] | None,
    Param(
        description="Filters of the text to leave out: season, price, not colour (excluded colours), "
        "spelling (corrected words)",
        max_length=20,
    ),
]
RequiredValues = Annotated[
    list[Annotated[str, Param(pattern=FILTER_PATTERN)]] | None,
    Param(
        description="A value that items must have, as facet:value; several values of a facet mean any of them",
        max_length=20,
        examples=["colour:red"],
    ),
]


def query_dependency(settings: ServingSettings) -> Callable[..., Query]:
    """Return the dependency that reads a query from the URL.

    The dependency raises HTTPException 422 for a price that is no number, or a range whose ends are swapped.
    """
    # Made for each service, because the bounds in OpenAPI are those of its settings
    max_characters, max_items = settings.maximum_query_characters, settings.maximum_items

    def read_query(
        q: Annotated[str, Param(description="What a person would type", max_length=max_characters)] = "",
        user_id: UserId = None,
        price_min: MinPrice = None,
        price_max: MaxPrice = None,
        k: Annotated[int, Param(description="Most items", ge=1, le=max_items)] = 12,
        ignore: IgnoredFilters = None,
        filter: RequiredValues = None,
        sort: Annotated[Sort, Param(description="The order; a minus means descending")] = "relevance",
        cursor: Cursor = None,
        facets: Annotated[bool, Param(description="Count the values of the items that were found")] = False,
        explain: Annotated[bool, Param(description="Show the parts of each score")] = False,
    ) -> Query:
        low, high = parse_price("price_min", price_min), parse_price("price_max", price_max)
        if low is not None and high is not None and low > high:
            raise HTTPException(422, f"price_min: {low:g} is above price_max {high:g}. Swap them.")
        return Query(
            q,
            user_id or None,
            price_min=low,
            price_max=high,
            k=k,
            ignore=tuple(dict.fromkeys(ignore or ())),
            filters=_group_by_facet(filter or ()),
            sort=sort,
            cursor=cursor or None,
            facets=facets,
            explain=explain,
        )

    return read_query


def _group_by_facet(filters: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the values of each facet, in the order of the URL and each once."""
    values_by_facet: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for text in dict.fromkeys(filters):
        facet, value = text.split(":", 1)
        values_by_facet[facet] += (value,)
    return dict(values_by_facet)


def parse_price(name: str, text: str | None) -> float | None:
    """Return a price of the URL, or None for an empty field.

    Raises HTTPException 422 where the text is no number from 0.
    """
    if text is None or not text.strip():
        return None
    try:
        price = float(text)
    except ValueError:
        raise HTTPException(
            422, f"{name}: {text[:40]!r} is not a number. Write digits and a point."
        ) from None
    # float() reads nan and inf too; comparisons with nan are false, so this refuses both
    if not 0 <= price < 1e12:
        raise HTTPException(422, f"{name}: {text[:40]!r} is not a price. Give a number from 0.")
    return price
