"""Read the prices in a query: a range, its currency, and whether cheap or premium things are wanted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from text_to_num import text2num

from components.query_model.audiences import SOMEBODY
from components.query_model.bystanders import GIFT
from components.query_model.recipients import label_audiences, names_child
from components.search.item_text import remove_spans

Third = Literal["lower", "upper"]
CURRENCIES = {
    "CAD": r"c(?:ad|anadian)?\s?\$|canadian dollars?|cad",
    "AUD": r"a(?:u|ud)?\s?\$|australian dollars?|aud",
    "USD": r"us\s?\$|\$|(?:us )?dollars?|usd|bucks?",
    "EUR": r"€|euros?|eur",
    "GBP": r"£|pounds?|gbp|quid",
    "JPY": r"¥|yen|jpy",
    "CHF": r"chf|(?:swiss )?francs?",
    "PLN": r"zł|zl|z[lł]oty(?:ch)?|pln",
    "INR": r"₹|rs\.?|rupees?|inr",
    "SEK": r"kr|sek|kron(?:a|or|er)",
}
SHARED = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "¥": ("JPY", "CNY"),
}
CURRENCY = rf"(?<![^\W\d])(?:{'|'.join(CURRENCIES.values())})(?![^\W\d])"
UNIT = (
    r"years?|yrs?|months?|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|am|pm|mm|cm|m|km|inch(?:es)?|feet|foot|ft|"
    r"mg|g|kg|oz|lbs?|ml|cl|l|lit(?:re|er)s?|[mgt]b|m?hz|ghz|k?w|watts?|v|volts?|mah|mp|dpi|%|percent|°\s?[cf]?|"
    r"degrees?|stars?|pieces?|pcs|pairs?|packs?|pages?|people|persons?|players?|pockets?|buttons?|items?|"
    r"ports?|cores?|threads?|channels?|[kmg]bps|[kmg]bits?|ppm|rpm|fps|nits|lumens?|lm|va|db|gsm|megapixels?|pixels?|"
    r"sheets?|bags?|tablets?|capsules?|servings?|calories|kcal|slots?|bays?|outlets?|keys?|pins?|cents?|pence"
)
DIGIT = "(?:one|two|three|four|five|six|seven|eight|nine)"
TENS = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
SPOKEN = re.compile(rf"({DIGIT})[-\s]({TENS}(?:[-\s]{DIGIT})?)")  # one-fifty
WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)"
)
WRITTEN = (
    rf"(?:a\s)?{WORD}(?:(?:(?:(?<=hundred)|(?<=thousand))\sand(?!\s{DIGIT}[-\s]{TENS}))?[-\s]{WORD}){{0,6}}"
)
SPACED = rf"\d{{1,3}}(?:[ '’]\d{{3}}){{1,2}}(?:[.,]\d{{1,2}})?(?=\s?(?:{CURRENCY}))"
DIGITS = r"\d{1,3}(?:[.,]\d{3}){1,3}(?:[.,]\d{1,2})?|\d{1,9}(?:[.,]\d{1,2})?"
SLANG = {"fiver": 5.0, "tenner": 10.0, "half a grand": 500.0, "grand": 1000.0}
SCALES = {"k": 1000, "hundred": 100, "thousand": 1000, "grand": 1000}
AMOUNT = rf"(?<![\w.,])(?:{SPACED}|{DIGITS})(?![.,]?\d)|(?<!\w)(?:{WRITTEN}|half a grand|a\s(?:{'|'.join(SLANG)}))(?!\w)"
MONEY = re.compile(
    rf"(?:(?P<before>{CURRENCY})\s?)?(?P<amount>{AMOUNT})(?:(?P<scale>(?<=\d)k|\s?(?:hundred|thousand|grand))(?!\w))?(?!\s?-?\s?(?:{UNIT})(?!\w))"
    rf"(?!\s*(?:to|-|–|and)\s*\d+\s?-?\s?(?:{UNIT})(?!\w))"
    rf"(?P<more>\+?)(?:(?<=\d)\s?(?P<after>{CURRENCY})|\s(?P<named>{CURRENCY})|(?!(?!ish\b)[^\W\d]))(?P<still_more>\+?)",
    re.I,
)
AT_MOST = (
    r"under|below|beneath|south of|up\s?too?|at (?:the )?(?:very )?most|less(?: expensive)? th[ae]n|lower than|cheaper than|within|until|"
    r"(?:can|could|will|would|happy to|willing to) (?:go|stretch) (?:up )?to|(?<!pro )(?<!air )max(?:imum|\.)?(?: price)?|(?:price |budget )?limit|budget|<=?|≤"
)
AT_LEAST = (
    r"over|above|north of|at least|more th[ae]n|higher than|from|min(?:imum|\.)?(?: price)?|starting(?: at| from)?|"
    r"upwards? of|exceed(?:s|ing)?|>=?|≥"
)
SPENT = r"(?<!\d\s)for|have|got|spend"  # only before an amount that names its currency
NEARLY = r"around|approx(?:imately|\.)?|roughly"
AROUND = rf"{NEARLY}|about|circa|ca\.|~"
SURELY_AROUND = re.compile(rf"\b(?:{NEARLY})", re.I)  # "about 300" may be a book about it
FILLING = r"(?:\s|:|\bis\b|\bof\b|\babout\b|\baround\b|\broughly\b|\bapprox\.?|\bonly\b|\bjust\b)*"
NEGATED = (
    r"(?:(?:\w+n['’]?t|\bcannot|\bnot|\bnever|\bnothing|\bno)"
    r"\s+(?:(?:want|wish|like|to|spend|pay|pays|cost|costs|costing|be|go|is|it|priced|anything)\s+){0,4})"
)
BEFORE = re.compile(
    rf"(?P<negated>{NEGATED})?(?:(?<![\w-])(?:price\s+)?(?:(?P<most>{AT_MOST})|(?P<least>{AT_LEAST})|(?P<around>{AROUND})|(?P<spent>{SPENT}))){FILLING}$",
    re.I,
)
BARE_AFTER = re.compile(r"\s*(?:or|budget|to spend|is)\b", re.I)  # what needs no currency
MOST_AFTER = re.compile(
    r"\s*(?:or (?:less|under|below|cheaper)|and (?:less|under|below)|max(?:imum)?|at (?:the )?(?:very )?most|tops?|limit|budget|"
    r"to spend|is (?:my|our|the) (?:absolute )?(?:limit|max(?:imum)?|budget))\b",
    re.I,
)
MAX_AFTER = re.compile(r"\s*(?:max(?:imum)?|at (?:the )?(?:very )?most)", re.I)
APART_BEFORE = re.compile(r"(?:^|[,;:–.!?]|\b(?:maybe|perhaps|say))\s*$", re.I)
NOTHING = re.compile(r"\s*")
FOR_AFTER = re.compile(r"\s+for\b", re.I)
NO_MONEY_BEFORE = re.compile(
    rf"\b(?:sizes?|waist|chest|bust|leg|eu|uk|us|numbers?|no|spf|factor|episodes?|chapters?|volumes?|vol|levels?|grades?|"
    rf"of|is|are|turn(?:s|ing)?|aged?|ages|(?:an?|the) (?:\w+ )?{SOMEBODY}|{SOMEBODY}s|men|women|ladies|children|people|"
    r"seniors|adults)[\s.:]*$",
    re.I,
)

LEAST_AFTER = re.compile(
    r"\s*(?:or (?:more|over|above)|and (?:more|up|over|above)|min(?:imum)?|at least|upwards?)\b", re.I
)
AROUND_AFTER = re.compile(r"\s*(?:or so\b|-?ish\b)", re.I)
RANGE = re.compile(r"\s*(?:(?P<dash>to|-|–|—)|and|adn|&)\s*", re.I)
RANGE_BEFORE = re.compile(r"(?<!\w)(?:(?P<between>between)|from)\s+$", re.I)
# "laptop 500-700" and "camera around 300" have prices, "jeans 32-34" and "monitor around 27" sizes
MIN_BARE = 100
MIN_ROUND, ROUND, WIDE = 20, 5, 1.25  # "a scarf, 20-35" and "gift for mum around 45" have prices
END = re.compile(r"[\s.,!?]*$")
END_OF_CLAUSE = re.compile(r"\s*(?:$|[.,;!?](?:\s|$))")
SEEN_BEFORE = 80  # characters before an amount that are looked at
AROUND_SHARE = 0.2
OLDEST_CHILD = 12  # "girls over 10" says an age, "gift for my niece under 15" a price
YEARS, SINCE = range(1900, 2036), re.compile(r"from|since|over", re.I)
PRICED = re.compile(rf"max|budget|limit|price|{'|'.join(SLANG)}", re.I)
CHEAP = r"cheap(?:er|est)?(?!\s+than)|budget|affordable|inexpensive|low[- ]cost|reasonably priced"
DEAR = r"premium|luxury|luxurious|high[- ]end|upmarket|expensive|pricey|costly"
PRICE_WORDS = (
    "under below between around about above within less more than maximum minimum budget cheap cheaper affordable "
    "inexpensive expensive premium luxury costly pricey upmarket price euro euros dollar dollars pound pounds quid buck bucks rupee franc krona "
    "krone kroner kronor zloty yen fiver tenner pence"
)  # that are misspelt, or look so
LEVEL = re.compile(
    rf"(?<![-\w])(?:(?P<no>(?:\w+n['’]?t|not|no|nothing|less|without being)\s+(?:(?:be|too|so|very|that|overly)\s+){{0,2}}))?"
    rf"(?:(?P<lower>{CHEAP})|(?P<upper>{DEAR}))(?![-\w])(?!\s+of\b)",
    re.I,
)


@dataclass(frozen=True)
class PriceRange:
    """A price range, None where it is open; the code of its currency, if one is named; and the wanted third of prices."""

    low: float | None = None
    high: float | None = None
    currency: str | None = None
    third: Third | None = None


@dataclass(frozen=True)
class MoneyMention:
    """An amount in a query, from character `start` to `end`, and the code of its currency, if one is named.

    scale: the factor by which the number in the text was multiplied, 1000 in 2k. or_more: whether a plus follows.
    """

    start: int
    end: int
    amount: float
    scale: int
    currency: str | None
    or_more: bool


@dataclass(frozen=True)
class PriceLimit:
    """The price range that characters `start` to `end` of a query ask for, and its currency, if one is named."""

    start: int
    end: int
    low: float | None
    high: float | None
    currency: str | None


def read_prices(text: str, sold: tuple[float, float], own: str | None = None) -> tuple[str, PriceRange]:
    """Return a text without its prices, and the range that they ask for.

    sold: the lowest and the highest price of the catalogue. own: its currency, None if it has several. An amount without a
    currency is no price if nothing or everything is sold on its side. Nor is it one if it may be an age: up to 12 in a
    query about children, or "over 40" next to a person.
    """
    of_child = names_child(text)
    limits: list[PriceLimit] = []
    for limit in _find_limits(text, own):
        age = of_child and _may_be_age(text, limit)
        if limit.currency or (not age and _may_be_price(text, limit, sold)):
            limits.append(limit)
    third, spans = _read_third(text, limits)
    low = _strongest_limit([limit for limit in limits if limit.low is not None])
    high = _strongest_limit([limit for limit in limits if limit.high is not None])
    if low and high and low is not high and low.low > high.high:  # type: ignore[operator]
        low, high = (None, high) if high.currency and not low.currency else (low, None)
    prices = PriceRange(
        low=low.low if low else None,
        high=high.high if high else None,
        currency=next((limit.currency for limit in (high, low) if limit and limit.currency), None),
        third=third,
    )
    return remove_spans(text, [*spans, *((limit.start, limit.end) for limit in limits)]), prices


def _find_limits(text: str, own: str | None) -> Iterator[PriceLimit]:
    """Yield the limits that a text names, in its order."""
    moneys = list(_find_amounts(text, own))
    second: MoneyMention | None = None
    for money, following in pairwise([*moneys, None]):
        if money is None or money is second:
            continue
        if following is not None and (limit := _read_range(text, money, following)):
            second = following
            yield limit
        elif limit := _read_limit(text, money):
            yield limit


def _find_amounts(text: str, own: str | None) -> Iterator[MoneyMention]:
    """Yield the amounts of a text, in its order."""
    for found in MONEY.finditer(text):
        amount = _parse_number(found["amount"])
        if amount is not None:
            named = found["before"] or found["after"] or found["named"]
            more = bool(found["more"] or found["still_more"])
            scale = SCALES[found["scale"].strip().lower()] if found["scale"] else 1
            currency = own if _is_slang(found) else None
            if named:
                currency = _currency_code(named, own)
            yield MoneyMention(
                found.start(),
                found.end(),
                amount=amount * scale,
                scale=scale,
                currency=currency,
                or_more=more,
            )


def _is_slang(found: re.Match[str]) -> bool:
    """Return whether an amount is surely money, though it names no currency: a fiver, two grand."""
    said = f"{found['amount']} {found['scale'] or ''}".lower().split()
    return said[-1] in SLANG


def _currency_code(currency: str, own: str | None) -> str:
    """Return the code of a currency; if several share its sign, that of the catalogue."""
    if own is not None and own in SHARED.get(currency.lower(), ()):
        return own
    return next(code for code, names in CURRENCIES.items() if re.fullmatch(names, currency, re.I))


def _parse_number(text: str) -> float | None:
    """Return the number of an amount in digits or words, None if it is none; three digits after a sign are thousands."""
    if text[0].isdecimal():
        found = re.fullmatch(r"(.+?)(?:[.,](\d{1,2}))?", text)
        assert found
        return float(f"{re.sub('[^0-9]', '', found[1])}.{found[2] or 0}") if found[1].isascii() else None
    plain = text.lower()
    if (slang := plain.removeprefix("a ")) in SLANG:
        return SLANG[slang]
    if spoken := SPOKEN.fullmatch(plain):
        return float(100 * text2num(spoken[1], "en") + text2num(spoken[2], "en"))
    try:
        return float(text2num(re.sub(r"^a\s", "one ", plain), "en"))
    except ValueError:  # such as "ten twenty"
        return None


def _read_range(text: str, first: MoneyMention, second: MoneyMention) -> PriceLimit | None:
    """Return the range between two amounts, else None: between 20 and 30, from 20 to 30, 20-30 euros."""
    joined = RANGE.fullmatch(text, first.end, second.start)
    opened = RANGE_BEFORE.search(text, max(0, first.start - SEEN_BEFORE), first.start)
    currency = first.currency or second.currency
    scaled = first.scale == 1 and first.amount < second.amount / second.scale  # 3 to 4 hundred
    begin = first.amount * (second.scale if scaled else 1)
    large = second.amount > begin >= MIN_BARE and begin not in YEARS
    wide = _is_round(begin) and _is_round(second.amount) and second.amount >= WIDE * begin
    said = currency or ((large or wide) and _stands_alone(text, first.start, second.end))
    if not joined or not ((joined["dash"] and (opened or said)) or (opened and opened["between"])):
        return None
    low, high = sorted((begin, second.amount))
    return PriceLimit(opened.start() if opened else first.start, second.end, low, high, currency)


def _is_round(amount: float) -> bool:
    """Return whether an amount without a currency is as round as people name prices."""
    return amount >= MIN_ROUND and amount % ROUND == 0


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether an amount begins a query that goes on with "for", or ends a clause and is no size or age."""
    if FOR_AFTER.match(text, end):
        return NOTHING.fullmatch(text, 0, start) is not None
    return bool(
        END_OF_CLAUSE.match(text, end)
        and not NO_MONEY_BEFORE.search(text, max(0, start - SEEN_BEFORE), start)
    )


def _is_price(text: str, start: int, end: int, amount: float) -> bool:
    """Return whether an amount without a currency is a price: it stands apart, or in a query for a gift."""
    if not (_is_round(amount) and _stands_alone(text, start, end)):
        return False
    return bool(APART_BEFORE.search(text, max(0, start - SEEN_BEFORE), start) or GIFT.search(text))


def _read_limit(text: str, money: MoneyMention) -> PriceLimit | None:
    """Return the limit that the words around an amount make of it; an amount at the end of a query is a maximum."""
    before = BEFORE.search(text, max(0, money.start - SEEN_BEFORE), money.start)
    if before and (limit := _read_limit_before(text, before, money)):
        return limit
    if after := MOST_AFTER.match(text, money.end):
        bare = money.currency is None and not (
            BARE_AFTER.match(after[0]) or _ends_with_max(text, money, after)
        )
        return None if bare else PriceLimit(money.start, after.end(), None, money.amount, money.currency)
    nearly, least = AROUND_AFTER.match(text, money.end), LEAST_AFTER.match(text, money.end)
    after = nearly or least
    end = after.end() if after else money.end
    if money.currency is None and not _is_price(text, money.start, end, money.amount):
        return None
    if nearly:
        return _approximate_limit(money.start, end, money)
    if least or money.or_more:
        return PriceLimit(money.start, end, money.amount, None, money.currency)
    ends = money.currency is not None and END.match(text, end)
    return PriceLimit(money.start, end, None, money.amount, money.currency) if ends else None


def _ends_with_max(text: str, money: MoneyMention, after: re.Match[str]) -> bool:
    """Return whether an amount and "max" stand apart and end a clause: "a scarf, 40 max", but not "note 9 max"."""
    apart = money.scale > 1 or APART_BEFORE.search(text, max(0, money.start - SEEN_BEFORE), money.start)
    return bool(apart and MAX_AFTER.fullmatch(after[0]) and _stands_alone(text, money.start, after.end()))


def _read_limit_before(text: str, before: re.Match[str], money: MoneyMention) -> PriceLimit | None:
    """Return the limit that the words before an amount make; "not more than" is a maximum."""
    start, amount, currency = before.start(), money.amount, money.currency
    nearly = AROUND_AFTER.match(text, money.end) or (before["least"] and LEAST_AFTER.match(text, money.end))
    end = nearly.end() if nearly else money.end
    surely = SURELY_AROUND.search(before[0])
    large = surely and amount >= MIN_BARE and END.match(text, end)
    bare = large or (before["around"] and _is_price(text, start, end, amount))
    if (before["around"] or before["spent"]) and not (currency or bare):
        return None
    if (before["around"] or (before["spent"] and surely)) and not before["negated"]:
        return _approximate_limit(start, end, money)
    at_most = bool(before["least"]) == bool(before["negated"])
    return PriceLimit(start, end, None if at_most else amount, amount if at_most else None, currency)


def _approximate_limit(start: int, end: int, money: MoneyMention) -> PriceLimit:
    """Return the range of AROUND_SHARE around an amount."""
    around = AROUND_SHARE * money.amount
    return PriceLimit(
        start, end, round(money.amount - around, 2), round(money.amount + around, 2), money.currency
    )


def _may_be_age(text: str, limit: PriceLimit) -> bool:
    """Return whether a limit without a currency may be the age of a child."""
    return max(limit.low or 0, limit.high or 0) <= OLDEST_CHILD and not PRICED.search(
        text, limit.start, limit.end
    )


def _may_be_price(text: str, limit: PriceLimit, sold: tuple[float, float]) -> bool:
    """Return whether a limit without a currency may be a price: items are sold at it, and it is no age, year or count."""
    cheapest, dearest = sold
    if limit.high is not None:
        return limit.high >= cheapest and (limit.low or 0) <= dearest
    before = text[max(0, limit.start - SEEN_BEFORE) : limit.start].split()[-1:]
    of_somebody = before and (
        before[0].lower() == "for" or (before[0][-1] != "," and label_audiences(before[0]))
    )
    year = limit.low in YEARS and SINCE.match(text, limit.start)
    following = " ".join(text[limit.end :].split(maxsplit=1)[:1])
    counted = following.endswith("s")  # over 100 recipes
    assert limit.low is not None
    return cheapest < limit.low <= dearest and not (
        of_somebody or counted or year or label_audiences(following)
    )


def _strongest_limit(limits: Sequence[PriceLimit]) -> PriceLimit | None:
    """Return the first limit that names its currency, else the first, None without limits."""
    return next((limit for limit in limits if limit.currency), limits[0] if limits else None)


def _read_third(text: str, limits: Sequence[PriceLimit]) -> tuple[Third | None, list[tuple[int, int]]]:
    """Return the wanted third of prices and the spans that ask for it; "not too expensive" is cheap, "not cheap" neither."""
    third: Third | None = None
    spans = []
    for found in LEVEL.finditer(text):
        if any(limit.start <= found.start() < limit.end for limit in limits):
            continue
        spans.append(found.span())
        if found["upper"]:
            third = third or ("lower" if found["no"] else "upper")
        elif not found["no"]:
            third = third or "lower"
    return third, spans
