"""The description of an item that a language model writes, as pydantic reads it from JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Phrase = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Wish = Annotated[str, StringConstraints(min_length=5, max_length=400)]
MAX_PHRASES = 12
MatchedField = Literal[
    "title", "summary", "themes", "moods", "for_whom", "occasions", "people_and_makers", "place_and_time", "similar_to",
    "keywords", "wishes",
]  # fmt: skip


class StrictRecord(BaseModel):
    """A record without further fields."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ForWhom(StrictRecord):
    """Whom an item suits; empty where it does not matter."""

    ages: list[Phrase] = []
    companions: list[Phrase] = []
    gender: str = ""


class Description(StrictRecord):
    """What an item is, what it deals with, whom it suits, and what people say who look for it.

    known: whether the model knows the item; without it every field is empty. content_warnings: from kind to degree.
    wishes: requests that the item answers, in the voice of people.
    """

    known: bool
    summary: Annotated[str, StringConstraints(max_length=800)] = ""
    themes: list[Phrase] = []
    moods: list[Phrase] = []
    for_whom: ForWhom = ForWhom()
    occasions: list[Phrase] = []
    people_and_makers: list[Phrase] = []
    place_and_time: Annotated[str, StringConstraints(max_length=200)] = ""
    similar_to: list[Phrase] = []
    content_warnings: dict[Phrase, Phrase] = {}
    keywords: list[Phrase] = []
    wishes: list[Wish] = []


class Answer(Description):
    """A description with the id of the item that it is of, as a language model returns it."""

    item_id: str
