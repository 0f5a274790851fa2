"""Read a query from an address, within the limits of the service."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import HTTPException
from fastapi import Query as Param

from components.bundle.query import Query, Sort
from components.serving.settings import ServingSettings

FACET = r"^[^:]{1,200}:.{1,200}$"


def question(settings: ServingSettings) -> Callable[..., Query]:
    """The dependency that reads a query from the URL within the limits."""

    def read(
        q: Annotated[
            str, Param(description="What a person would type", max_length=settings.maximum_query_characters)
        ] = "",
        user_id: Annotated[
            str | None, Param(description="Whose taste the answer is fitted to", max_length=200)
        ] = None,
        price_min: Annotated[
            str | None, Param(description="Lowest price; counts before one in q", max_length=40)
        ] = None,
        price_max: Annotated[
            str | None, Param(description="Highest price; counts before one in q", max_length=40)
        ] = None,
        k: Annotated[int, Param(description="Most items", ge=1, le=settings.maximum_items)] = 12,
        ignore: Annotated[
            list[str] | None,
            Param(
                description="What not to understand: season, price, not colour (refused colours), spelling (mended words)",
                max_length=20,
            ),
        ] = None,
        filter: Annotated[
            list[Annotated[str, Param(pattern=FACET)]] | None,
            Param(
                description="A value that items must have, as facet:value; of one facet any of its values",
                max_length=20,
                examples=["colour:red"],
            ),
        ] = None,
        sort: Annotated[Sort, Param(description="The order; a minus is from the largest")] = "relevance",
        cursor: Annotated[str | None, Param(description="`next` of the page before", max_length=1000)] = None,
        facets: Annotated[bool, Param(description="Count the values of what was found")] = False,
        explain: Annotated[bool, Param(description="Show the parts of each score")] = False,
    ) -> Query:
        low, high = price("price_min", price_min), price("price_max", price_max)
        if low is not None and high is not None and low > high:
            raise HTTPException(422, f"price_min: {low:g} is above price_max {high:g}. Swap them.")
        away, wanted = tuple(dict.fromkeys(ignore or ())), _by_facet(filter or ())
        return Query(q, user_id or None, low, high, k, away, wanted, sort, cursor or None, facets, explain)

    return read


def _by_facet(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    wanted: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for one in given:
        name, value = one.split(":", 1)
        wanted[name][value] = None
    return {name: tuple(values) for name, values in wanted.items()}


def price(name: str, text: str | None) -> float | None:
    """A price of the URL; an empty field is no limit."""
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise HTTPException(
            422, f"{name}: {text[:40]!r} is not a number. Write digits and a point."
        ) from None
    if not 0 <= value < 1e12:
        raise HTTPException(422, f"{name}: {text[:40]!r} is not a price. Give a number from 0.")
    return value
