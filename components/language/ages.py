"""How old somebody is whom a query tells of, as audiences."""

import re

from text_to_num import text2num

from components.language.audiences import BABIES, BOYS, CHILDREN, GIRLS, MEN, TEENAGERS, WOMEN, Audiences

TO = r"\s?(?:-|–|to)\s?"
NOT_LASTING = r"(?<!last )(?<!lasts )(?<!\S)"
NO_SPAN = r"(?!\s+(?:of|ago|in|warrant|guarantee|batter|life|experience))"
NO_THING = "".join(
    rf"(?<!\b{thing} )"
    for thing in (
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
    )
)
AGE = re.compile(
    r"\b(\d{1,2})[- ]?(?:(?:years?|yrs?)[- ]?olds?|yo)\b|\bage[ds]? (\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th) birthday\b|"
    rf"\b(?:{NO_THING}is|(?:she|he)['’]s|turns|turning|turned) (\d{{1,2}})(?![\w%]|\s?[$€£])|"
    r"\bunder[- ](\d{1,2})s\b|\b(?:girl|boy|lad|lass|lassie|child|kid) of (\d{1,2})\b|"
    rf"{NOT_LASTING}(\d|1[0-5]){TO}\d{{1,2}}[- ]?(?:years?|yrs?)\b{NO_SPAN}",
    re.I,
)
AGE_IN_WORDS = re.compile(
    r"\b(?P<before>turn(?:s|ed|ing)? |aged? )?(?P<age>one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
    r"(?(before)\b(?! of\b)|(?=[- ]years?[- ]old))",
    re.I,
)
FIRST_BIRTHDAY = re.compile(r"\bfirst birthday\b", re.I)
EXPECTED = re.compile(
    r"\bexpect(?:s|ing) (?:(?:a|an|our|my|their|his|her|the|first|second|third|new|little|another) ){0,3}"
    r"(?:(?:grand)?(?:child|baby|kid|son|daughter)|girl|boy|twins)\b",
    re.I,
)
MONTHS = re.compile(
    rf"\b\d{{1,2}}[- ]?months?[- ]?olds?\b|{NOT_LASTING}\d{{1,2}}{TO}\d{{1,2}}[- ]?(?:months?|mths?|mos)\b{NO_SPAN}",
    re.I,
)
BABIES_ALONE: Audiences = frozenset({BABIES})


def age_in(query: str) -> Audiences | None:
    """Audiences of the first age that a query names; who is expected is a baby."""
    if EXPECTED.search(query):
        return BABIES_ALONE
    in_digits = AGE_IN_WORDS.sub(
        lambda said: f"{said['before'] or ''}{text2num(said['age'].lower(), 'en')}",
        FIRST_BIRTHDAY.sub("1st birthday", query),
    )
    if found := AGE.search(in_digits):
        return _of_age(int(next(filter(None, found.groups()))))
    return BABIES_ALONE if MONTHS.search(query) else None


def _of_age(years: int) -> Audiences:
    if years < 4:
        return BABIES_ALONE if years < 2 else CHILDREN
    children, grown = frozenset({GIRLS, BOYS}), frozenset({WOMEN, MEN})
    if years < 13:
        return children
    return TEENAGERS if years < 16 else grown if years >= 18 else TEENAGERS | grown
