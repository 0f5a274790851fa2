"""Read the age of a person in a query, as audiences."""

import re

from text_to_num import alpha2digit

from components.query_model.audiences import (
    BABIES_ALONE,
    BOYS,
    CHILDREN,
    GIRLS,
    GROWN,
    SOMEBODY,
    TEENAGERS,
    Audiences,
)

TO = r"\s?(?:-|–|to)\s?"
NOT_LASTING = r"(?<!last )(?<!lasts )(?<!\S)"
NO_SPAN = r"(?!\s+(?:of|ago|in|warrant|guarantee|batter|life|experience))"
THINGS = [
    "size",
    "waist",
    "chest",
    "number",
    "budget",
    "price",
    "limit",
    "maximum",
    "max",
    "it",
    "this",
    "that",
    "what",
]
NO_THING = "".join(rf"(?<!\b{thing} )" for thing in THINGS)
NO_COUNT = (
    r"(?!\s+(?:of|months?)\b)(?!\s+(?!(?:years?|yrs|loves|likes|wants|needs|adores|has|is|this|as)\b)\w+s\b)"
)
AGE = re.compile(
    r"\b(\d{1,2})[- ]?(?:(?:years?|yrs?)[- ]?olds?|yo)\b|\bage[ds]? (\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th) birthday\b|"
    rf"\b(?:{NO_THING}is|(?:she|he)['’]s|turns|turning|turned) (\d{{1,2}})(?![\w%]|\s?[$€£]){NO_COUNT}|"
    rf"\b{SOMEBODY}s?, (\d{{1,2}})(?=,| and\b)|"
    r"\bunder[- ](\d{1,2})s\b|\b(?:girl|boy|lad|lass|lassie|child|kid) of (\d{1,2})\b|"
    rf"{NOT_LASTING}(\d|1[0-5]){TO}\d{{1,2}}[- ]?(?:years?|yrs?)\b{NO_SPAN}",
    re.I,
)
EXPECTED = re.compile(
    r"\b(?:expect(?:s|ing)|pregnant with|(?:just|has|have) had) "
    r"(?:(?:a|an|our|my|their|his|her|the|first|second|third|new|little|another) ){0,3}"
    r"(?:(?:grand)?(?:child|baby|kid|son|daughter)|girl|boy|twins)\b|"
    r"\bbaby shower (?:gift|present)s?\b",
    re.I,
)
JOB = (
    "accountant|architect|barista|builder|chef|dentist|developer|doctor|electrician|engineer|farmer|firefighter|journalist|"
    "lawyer|manager|mechanic|midwife|nurse|paramedic|pilot|plumber|policeman|policewoman|programmer|scientist|secretary|"
    "solicitor|surgeon|teacher|vet|waiter|waitress"
)
AT_WORK_OR_UNIVERSITY = re.compile(
    rf"(?:['’]s|\bis|\bas|\bbecame) an? (?:\w+ )?(?:{JOB})\b|"
    r"\bgraduat\w+ from (?:university|college|uni)\b|\b(?:at|to|starts?|starting) uni(?:versity)?\b",
    re.I,
)
MONTHS = re.compile(
    rf"\b\d{{1,2}}[- ]?months?[- ]?olds?\b|{NOT_LASTING}\d{{1,2}}{TO}\d{{1,2}}[- ]?(?:months?|mths?|mos)\b{NO_SPAN}",
    re.I,
)


def read_age(query: str) -> Audiences | None:
    """Return the audiences of the first age in a query, None without one; an expected or newborn child is a baby."""
    if EXPECTED.search(query):
        return BABIES_ALONE
    # The patterns read digits only: "turning four" becomes "turning 4"
    in_digits = alpha2digit(query, "en", 0)
    if found := AGE.search(in_digits):
        return _age_audiences(int(next(filter(None, found.groups()))))
    if MONTHS.search(in_digits):
        return BABIES_ALONE
    return GROWN if AT_WORK_OR_UNIVERSITY.search(query) else None


def _age_audiences(years: int) -> Audiences:
    """Return the audiences of an age in years."""
    if years < 4:
        return BABIES_ALONE if years < 2 else CHILDREN
    if years < 13:
        return frozenset({GIRLS, BOYS})
    if years < 16:
        return TEENAGERS
    return GROWN if years >= 18 else TEENAGERS | GROWN
