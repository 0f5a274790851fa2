"""Which answers are believed, and for each that is not, the reason."""

import json
from typing import Any

import pandas as pd
import pytest

from components.catalogue.tables import cast_columns
from components.enrichment.answer_cache import Line
from components.enrichment.checks import AnswerRejectedError, CheckedAnswer, check_line
from components.enrichment.prompt import Prompt
from tests.enrichment.conftest import PROMPTS, film
from tests.enrichment.endpoint import SUMMARY, WISHES, describe

FILMS, FASHION = Prompt.read(PROMPTS, "films"), Prompt.read(PROMPTS, "fashion")
WORDS = SUMMARY.removesuffix(".").split()
GERMAN = (
    "Zwei alte Freunde fahren mit dem Zug durch ein weites Land und lernen langsam, einander zu vertrauen."
)
CHILDREN = {"attributes": '{"genre": ["Children\'s", "Comedy"]}'}
WOMEN = {"attributes": '{"audience": ["women"]}'}
UNKNOWN = {
    "known": False, "summary": "", "themes": [], "moods": [], "keywords": [], "wishes": [],
}  # fmt: skip


def item_of(**changes: Any) -> dict[Any, Any]:
    """An item as it is read from the catalogue."""
    (item,) = cast_columns("items", pd.DataFrame([film(1, **changes)])).to_dict("records")
    return item


def whom(**changes: Any) -> dict[str, Any]:
    return {"for_whom": {"ages": [], "companions": [], "gender": ""} | changes}


def cached(answer: dict[str, Any]) -> Line:
    return {"item_id": "i1", "answer": answer}


def check(changes: dict[str, Any], item: dict[str, Any], prompt: Prompt) -> CheckedAnswer:
    return check_line(cached(describe({"item_id": "i1"}, **changes)), item_of(**item), prompt, "en")


GOOD: dict[str, tuple[dict[str, Any], dict[str, Any], Prompt]] = {
    "a plain one": ({}, {}, FILMS),
    "unknown": (UNKNOWN, {}, FILMS),
    "12 themes": ({"themes": ["travel"] * 12}, {}, FILMS),
    "70 words": ({"summary": " ".join((WORDS * 5)[:70])}, {}, FILMS),
    "years": ({"summary": f"{SUMMARY} It is set in 1939-1945."}, {}, FILMS),
    "warnings": ({"content_warnings": {"violence": "mild", "drugs": "strong"}}, {}, FILMS),
    "the catalogue's year": ({"summary": f"A 1950 film. {SUMMARY}"}, {"year": 1950}, FILMS),
    "a year beside it": ({"summary": f"A 1950 film. {SUMMARY}"}, {"year": 1951}, FILMS),
    "no year": ({"summary": f"A 1950 film. {SUMMARY}"}, {}, FILMS),
    "children": (whom(ages=["adults", "children"]), CHILDREN, FILMS),
    "children, no ages": ({}, CHILDREN, FILMS),
    "adults": (whom(ages=["adults"]), {}, FILMS),
    "women": (whom(gender="women"), WOMEN, FASHION),
    "women, no gender": ({}, WOMEN, FASHION),
    "unisex": (whom(gender="women"), {"attributes": '{"audience": ["unisex"]}'}, FASHION),
    "no audience": (whom(gender="women"), {"attributes": "{}"}, FASHION),
    "spaces": ({"summary": f"  {SUMMARY}\n"}, {}, FILMS),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_answer_is_believed(name: str) -> None:
    changes, item, prompt = GOOD[name]
    checked = check(changes, item, prompt)
    assert checked.dropped_wishes == []
    assert len(checked.description.wishes) == (5 if checked.description.known else 0)


def test_an_answer_amid_other_text_is_read() -> None:
    text = f"Sure! Here it is:\n```json\n{json.dumps(describe({'item_id': 'i1'}))}\n```\nAnything else?"
    checked = check_line({"item_id": "i1", "text": text}, item_of(), FILMS, "en")
    assert checked.description.summary == SUMMARY


BAD: dict[str, tuple[str, dict[str, Any], dict[str, Any], Prompt]] = {
    "a field is missing": ("known: Input should be a valid boolean", {"known": None}, {}, FILMS),
    "a field too many": ("colour: Extra inputs are not permitted", {"colour": "red"}, {}, FILMS),
    "another type": ("themes: Input should be a valid list", {"themes": "travel"}, {}, FILMS),
    "a field of whom": ("for_whom.size: Extra inputs", whom(size="M"), {}, FILMS),
    "an empty phrase": ("moods.0: String should have at least 1", {"moods": [" "]}, {}, FILMS),
    "a long phrase": ("themes.0: String should have at most 100", {"themes": ["x" * 101]}, {}, FILMS),
    "a long summary": ("summary: String should have at most 800", {"summary": "x" * 801}, {}, FILMS),
    "a long place": ("place_and_time: String should have at most 200", {"place_and_time": "x" * 201}, {}, FILMS),
    "a short wish": ("wishes.4: String should have at least 5", {"wishes": [*WISHES[:4], "film"]}, {}, FILMS),
    "a long wish": ("wishes.0: String should have at most 400", {"wishes": ["x" * 401] * 5}, {}, FILMS),
    "another item": ("it is of another item, 'i2'", {"item_id": "i2"}, {}, FILMS),
    "unknown and described": ("the item is unknown, and describes it", {"known": False}, {}, FILMS),
    "unknown with a wish": ("and describes it", UNKNOWN | {"wishes": WISHES[:1]}, {}, FILMS),
    "2 words": ("its summary has 2 words, not 3 to 70", {"summary": "A film."}, {}, FILMS),
    "no words": ("its summary has 0 words", {"summary": ""}, {}, FILMS),
    "71 words": ("its summary has 71 words", {"summary": " ".join((WORDS * 5)[:71])}, {}, FILMS),
    "13 themes": ("themes has 13 phrases, more than 12", {"themes": ["travel"] * 13}, {}, FILMS),
    "13 keywords": ("keywords has 13 phrases", {"keywords": ["train"] * 13}, {}, FILMS),
    "4 wishes": ("it has 4 wishes, not 5", {"wishes": WISHES[:4]}, {}, FILMS),
    "6 wishes": ("it has 6 wishes, not 5", {"wishes": [*WISHES, "something calm"]}, {}, FILMS),
    "an age": ("for_whom.ages has 'pensioners', which is none of young", whom(ages=["pensioners"]), {}, FILMS),
    "a companion": ("for_whom.companions has 'dog'", whom(companions=["dog"]), {}, FILMS),
    "a companion of clothes": ("has 'alone', which is none of no values", whom(companions=["alone"]), {}, FASHION),
    "a gender": ("for_whom.gender has 'women', which is none of no", whom(gender="women"), {}, FILMS),
    "a warning": ("content_warnings has 'boredom'", {"content_warnings": {"boredom": "mild"}}, {}, FILMS),
    "a degree": ("degrees of content_warnings has 'huge'", {"content_warnings": {"gore": "huge"}}, {}, FILMS),
    "an e-mail": ("a number: 'jan@example.com'", {"summary": f"{SUMMARY} jan@example.com"}, {}, FILMS),
    "an address": ("a number: 'https://'", {"wishes": [*WISHES[:4], "see https://example.com"]}, {}, FILMS),
    "a site": ("a number: 'www.'", {"keywords": ["www.example.com"]}, {}, FILMS),
    "a telephone": ("'+420 601 123 456'", {"people_and_makers": ["Jan, +420 601 123 456"]}, {}, FILMS),
    "German": ("it is not in the language 'en'", {"summary": GERMAN, "wishes": [GERMAN] * 5}, {}, FILMS),
    "men": ("it is for men, but the catalogue says women", whom(gender="men"), WOMEN, FASHION),
    "adults alone": ("it is for adults alone, but its genre is Children's", whom(ages=["adults"]), CHILDREN, FILMS),
    "a wrong year": ("its summary says 1950, but the catalogue says 1952", {"summary": f"A 1950 film. {SUMMARY}"}, {"year": 1952}, FILMS),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_an_answer_is_not_believed_for_a_reason(name: str) -> None:
    reason, changes, item, prompt = BAD[name]
    with pytest.raises(AnswerRejectedError) as fault:
        check(changes, item, prompt)
    assert reason in str(fault.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot help with that.", "there is no JSON object in it"),
        ("", "there is no JSON object in it"),
        ('{"item_id": "i1", "known": tr', "it is not JSON"),
        ('} and {"item_id"', "it is not JSON"),
        ('{"item_id": "i1"}', "known: Field required"),
        ('{"known": true}', "item_id: Field required"),
    ],
)
def test_a_text_that_holds_no_answer_is_not_believed(text: str, reason: str) -> None:
    with pytest.raises(AnswerRejectedError, match=reason):
        check_line({"item_id": "i1", "text": text}, item_of(), FILMS, "en")


@pytest.mark.parametrize(
    "changes",
    [
        {"themes": ["write to jan@example.com"]},
        {"moods": ["www.example.com"]},
        {"occasions": ["call +420 601 123 456"]},
        {"place_and_time": "https://example.com"},
        {"similar_to": ["https://example.com"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_address_is_found_in_every_field(changes: dict[str, Any]) -> None:
    with pytest.raises(AnswerRejectedError, match="an address or a number"):
        check(changes, {}, FILMS)


@pytest.mark.parametrize("years", ["1939 - 1945", "1914 / 1918"])
def test_two_years_are_no_telephone_number(years: str) -> None:
    check({"summary": f"{SUMMARY} It is set in {years}."}, {}, FILMS)


@pytest.mark.parametrize(
    ("title", "wish", "names_it"),
    [
        ("Quiet Journey 1", "Is quiet journey, 1 on tonight?", True),
        ("The Lost Train", "I want to see THE LOST TRAIN again with my father", True),
        ("The Lost Train", "What was the lost training film that they made?", False),
        ("The Lost Train", "A film about the train that was lost on its way.", False),
        ("Heat", "Something for this heat, calm and cool please.", False),
        ("Amélie à Paris", "Where can I watch Amélie à Paris with friends?", True),
    ],
)
def test_a_wish_that_names_the_item_is_dropped_and_the_others_stay(
    title: str, wish: str, names_it: bool
) -> None:
    checked = check({"wishes": [*WISHES[:4], wish]}, {"title": title}, FILMS)
    if names_it:
        assert checked.dropped_wishes == [(wish, "it names the item")]
        assert checked.description.wishes == WISHES[:4]
    else:
        assert checked.dropped_wishes == [] and checked.description.wishes == [*WISHES[:4], wish]
