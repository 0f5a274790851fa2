"""What an answer must hold before it is believed: its form, its language, the catalogue's own facts, no addresses."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.core.language_detection import language_probability
from components.enrichment.answer_cache import Line
from components.enrichment.description import MAX_PHRASES, Answer, Description
from components.enrichment.language_model import parse_answer, validate_answer
from components.enrichment.prompt import Prompt

N_WISHES = 5
AUDIENCE = "audience"  # the attribute by which a catalogue says whom an item is for
MIN_LANGUAGE_PROBABILITY = 0.5
MIN_TITLE_WORDS = 2  # a wish may well have the word that is a title of one word, such as Heat
# Addresses and numbers are formal language: a description has none of anybody
# ("1939 - 1945" is no telephone number)
ADDRESS = re.compile(
    r"https?://|www\.|[\w.+-]+@[\w-]+\.\w+|(?<!\d)(?!\d{4} ?[/-] ?\d{4}\b)\+?\d[\d ()/-]{8,}\d"
)
WORD = re.compile(r"\w+")
YEAR_OF_ITEM = re.compile(r"\b((?:18|19|20)\d\d) (?:film|movie|book|novel)\b")


class AnswerRejectedError(Exception):
    """An answer that is set aside; the message says why."""


@dataclass(frozen=True)
class CheckedAnswer:
    """A description that is believed, and the wishes that were taken out of it, each with the reason."""

    description: Description
    dropped_wishes: list[tuple[str, str]]


def check_line(line: Line, item: Mapping[Any, Any], prompt: Prompt, language: str) -> CheckedAnswer:
    """Return the description of a cached answer to a prompt about an item.

    Raises AnswerRejectedError with the reason where it is not believed.
    """
    answer = _read_answer(line)
    if answer.item_id != line["item_id"]:
        raise AnswerRejectedError(f"it is of another item, {answer.item_id!r}")
    description = Description.model_validate(answer.model_dump(exclude={"item_id"}))
    for reason in _find_reasons(description, item, prompt, language):
        raise AnswerRejectedError(reason)
    kept, dropped = [], []
    for wish in description.wishes:
        if _names_title(wish, str(item["title"])):
            dropped.append((wish, "it names the item"))
        else:
            kept.append(wish)
    return CheckedAnswer(description.model_copy(update={"wishes": kept}), dropped)


def _read_answer(line: Line) -> Answer:
    try:
        if "answer" in line:
            return validate_answer(line["answer"])
        return parse_answer(line.get("text", ""))
    except ValueError as error:
        raise AnswerRejectedError(str(error)) from None


def _find_reasons(
    description: Description, item: Mapping[Any, Any], prompt: Prompt, language: str
) -> Iterator[str]:
    """Yield why a description is not believed, the plainest reason first."""
    if not description.known:
        if description != Description(known=False):
            yield "it says that the item is unknown, and describes it"
        return
    yield from _check_form(description, prompt)
    text = " ".join([description.summary, *description.wishes])
    if address := ADDRESS.search(" ".join(_list_texts(description.model_dump()))):
        yield f"it has an address or a number: {address[0]!r}"
    if language_probability([language], text) < MIN_LANGUAGE_PROBABILITY:
        yield f"it is not in the language {language!r}"
    yield from _check_facts(description, item, prompt)


def _list_texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _list_texts([*value.items()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _list_texts(part)


def _check_form(description: Description, prompt: Prompt) -> Iterator[str]:
    words = len(description.summary.split())
    if not 3 <= words <= prompt.summary_words:
        yield f"its summary has {words} words, not 3 to {prompt.summary_words}"
    for name in ("themes", "moods", "occasions", "people_and_makers", "similar_to", "keywords"):
        if len(getattr(description, name)) > MAX_PHRASES:
            yield f"{name} has {len(getattr(description, name))} phrases, more than {MAX_PHRASES}"
    if len(description.wishes) != N_WISHES:
        yield f"it has {len(description.wishes)} wishes, not {N_WISHES}"
    whom, warnings = description.for_whom, description.content_warnings
    chosen = {
        "for_whom.ages": (whom.ages, prompt.ages),
        "for_whom.companions": (whom.companions, prompt.companions),
        "for_whom.gender": ([whom.gender] if whom.gender else [], prompt.genders),
        "content_warnings": (list(warnings), prompt.warnings),
        "degrees of content_warnings": (list(warnings.values()), prompt.degrees),
    }
    for name, (values, known) in chosen.items():
        for value in values:
            if value not in known:
                yield f"{name} has {value!r}, which is none of {', '.join(known) or 'no values'}"


def _check_facts(description: Description, item: Mapping[Any, Any], prompt: Prompt) -> Iterator[str]:
    """Yield where a description contradicts what the catalogue says of the item."""
    attributes: dict[str, list[str]] = json.loads(item["attributes"])
    gender, audience = description.for_whom.gender, attributes.get(AUDIENCE, [])
    # Only where the catalogue uses the same words: "unisex" fits everybody
    if gender and set(audience) & set(prompt.genders) and gender not in audience:
        yield f"it is for {gender}, but the catalogue says {', '.join(audience)}"
    for rule in prompt.contradictions:
        ages = description.for_whom.ages
        if rule.value in attributes.get(rule.attribute, []) and ages and not set(ages) & set(rule.ages):
            yield f"it is for {', '.join(ages)} alone, but its {rule.attribute} is {rule.value}"
    named = YEAR_OF_ITEM.search(description.summary)
    if named and isinstance(item["year"], int) and abs(int(named[1]) - item["year"]) > 1:
        yield f"its summary says {named[1]}, but the catalogue says {item['year']}"


def _names_title(wish: str, title: str) -> bool:
    words, said = WORD.findall(title.lower()), WORD.findall(wish.lower())
    return len(words) >= MIN_TITLE_WORDS and f" {' '.join(words)} " in f" {' '.join(said)} "
