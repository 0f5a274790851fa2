"""For whom something is, by the people that a query names."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from text_to_num import text2num

Audiences = frozenset[str]
GIRLS, BOYS, BABIES = "girls", "boys", "babies"
TEENS, WOMEN, MEN = "teens", "women", "men"
CHILDREN: Audiences = frozenset({GIRLS, BOYS, BABIES})
TEENAGERS: Audiences = frozenset({GIRLS, BOYS, TEENS})
NAMES: dict[Audiences, str] = {
    frozenset({GIRLS}): "girl daughter granddaughter grandaughter stepdaughter goddaughter niece schoolgirl",
    frozenset({BOYS}): "boy son grandson stepson godson nephew schoolboy",
    frozenset({BABIES}): "baby babies newborn infant toddler grandbaby grandbabies",
    frozenset({WOMEN}): (
        "women woman wife wives wifey missus mother stepmother mum mom mam mummy mommy mama stepmum stepmom "
        "grandmother grandma grannie granny gran nan nana nanna "
        "girlfriend fiancee bride bridesmaid lady ladies aunt auntie aunty female mrs mum-to-be mom-to-be "
        "daughter-in-law sister-in-law"
    ),
    frozenset({MEN}): (
        "men man husband hubby father stepfather dad daddy papa stepdad grandfather grandad granddad grandpa gramps "
        "boyfriend fiance groom groomsman groomsmen gentleman gentlemen gent guy bloke fella uncle male mr "
        "son-in-law brother-in-law"
    ),
    frozenset({GIRLS, WOMEN}): "sister sis lass lassie",
    frozenset({BOYS, MEN}): "brother bro lad",
    frozenset({WOMEN, MEN}): "parent grandparent couple adult grown-up",
    frozenset({TEENS}): "young-adult",
    TEENAGERS: "teen teenager teenage tween preteen youngster pupil schoolchild schoolchildren",
    CHILDREN: "child children kid kiddie kiddo grandchild grandchildren grandkid godchild godchildren stepchild twin triplet",
    frozenset(): (
        "friend teacher boss colleague neighbour neighbor doctor nurse coach nanny partner spouse someone somebody cousin "
        "host hostess guest student"
    ),
}  # fmt: skip
WHO = {name.replace("-", ""): audiences for audiences, names in NAMES.items() for name in names.split()}
GENERIC = {name for audiences in (CHILDREN, TEENAGERS) for name in NAMES[audiences].split()}
OF_ANY_AGE = {
    name for audiences in ({GIRLS, WOMEN}, {BOYS, MEN}) for name in NAMES[frozenset(audiences)].split()
}
OFFSPRING = {name for sex in (GIRLS, BOYS) for name in NAMES[frozenset({sex})].split()} - {
    "girl", "schoolgirl", "boy", "schoolboy",
}  # fmt: skip
GROWN_UP = {
    "wife", "wives", "wifey", "missus", "husband", "hubby", "girlfriend", "boyfriend", "fiancee", "fiance", "mumtobe", "momtobe",
    "groomsman", "groomsmen",
}  # fmt: skip
SOMEBODY = f"(?:{'|'.join(sorted(WHO, key=len, reverse=True))})"
WHOSE = r"(?:my|our|your|his|her|their|the|a|an)"
NOBODY = re.compile(
    r"\b(?:(?:boyfriend|girlfriend|mom|mum|dad|grand(?:d?ad|pa)) "
    r"(?:jeans|fit|shirt|blazer|cardigan|collar|shorts|hat|cap|shoes|trainers|sneakers)|"
    r"baby (?:blue|pink|dolls?)|couple of|twin (?:sets?|beds?|packs?)|kid (?:leather|gloves)|mother[- ]of[- ]pearl|father christmas|mother nature|"
    r"girl ?(?:boss(?:es)?|power)|mens sana|mr (?:and|&) mrs|mr men|lady ?(?:bugs?|birds?)|brother (?:sewing|printers?)|boy ?scouts?|girl ?guides?|"
    # to be worn by somebody else: shoes for running after my toddler, a bag like my sister's, a bag that my son gives to her
    r"for (?!(?:giv|keep|dress|mak|treat|surpris|spoil|pleas|teach)ing)\w+ing (?:(?:after|with|around|behind|to|at|up) )?"
    rf"(?:my|our|his|her|their|the) (?:\w+ )?{SOMEBODY}s?|"
    rf"(?:as|like|than) {WHOSE} {SOMEBODY}(?:['’]s?|s['’])(?! \w+['’])|"
    rf"(?:{WHOSE} )?{SOMEBODY}s? (?:\w+ ){{0,2}}?gives?(?: it| them)?(?: to)?(?= {WHOSE} ))(?!\w)",
    re.I,
)
GUEST = re.compile(
    rf"\b(?:{WHOSE} )?(?:\w+ )?{SOMEBODY}(?:['’]s?|s['’]) (?:\w+ )?(?:wedding|christening|baptism|funeral|engagement)\b|"
    r"\bbaby shower\b",
    re.I,
)
GIFT = re.compile(r"\b(?:gifts?|presents?)\b", re.I)
TO = r"\s?(?:-|–|to)\s?"
NOT_LASTING = r"(?<!last )(?<!lasts )(?<!\S)"
NO_SPAN = r"(?!\s+(?:of|ago|in|warrant|guarantee|batter|life|experience))"
NO_PERSON = "".join(
    rf"(?<!\b{thing} )"
    for thing in ("size", "waist", "chest", "number", "budget", "price", "limit", "maximum", "max")
)
AGE = re.compile(
    r"\b(\d{1,2})[- ]?(?:(?:years?|yrs?)[- ]?olds?|yo)\b|\bage[ds]? (\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th) birthday\b|"
    rf"\b(?:{NO_PERSON}is|(?:she|he)['’]s|turns|turning|turned) (\d{{1,2}})(?![\w%]|\s?[$€£])|"
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
YOUNG_ADULT = re.compile(r"\byoung adults?\b", re.I)
LITTLE_ONE = re.compile(r"\b(?:little|wee) ones?\b", re.I)
WORN_BY = (
    (re.compile(r"\b(?:hen|bachelorette) (?:party|parties|do|night|weekend)\b|\b(?:girl|ladie)s?['’]?s?['’]? (?:night|trip|weekend)(?: out| away)?\b", re.I), "women"),
    (re.compile(r"\b(?:stag|bachelor) (?:party|parties|do|night|weekend)\b|\b(?:lad|boy)s?['’]?s?['’]? (?:night|trip|weekend)(?: out| away)?\b", re.I), "groomsmen"),
    (re.compile(r"\b(?:maid|matron)s? of honou?r\b", re.I), "bridesmaid"),
    (re.compile(r"\b(?:maternity|pregnan(?:t|cy))\b|\bnursing(?= (?:tops?|bras?|dress(?:es)?|shirts?|wear|clothes|pyjamas|vests?)\b)", re.I), "mumtobe"),
)  # fmt: skip
IN_LAW = re.compile(r"\b(\w+?)s?[- ]in[- ]law", re.I)
MONTHS = re.compile(
    rf"\b\d{{1,2}}[- ]?months?[- ]?olds?\b|{NOT_LASTING}\d{{1,2}}{TO}\d{{1,2}}[- ]?(?:months?|mths?|mos)\b{NO_SPAN}",
    re.I,
)
BABIES_ALONE: Audiences = frozenset({BABIES})
PRONOUNS = (
    ({"she", "her", "hers"}, frozenset({GIRLS, WOMEN})),
    ({"he", "him", "his"}, frozenset({BOYS, MEN})),
)
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*['’]?|,")
SENTENCE = re.compile(r"[.!?;]+(?:\s|$)")
IS_NOT = {f"{verb}n{sign}t" for verb in ("is", "are", "was", "were") for sign in ("", "'", "’")}
NOT = IS_NOT | {"not", "no", "without", "except", "never", "unsuitable"}
MEANT = {"meant", "suitable", "intended", "made", "suited"}
POSSESSIVES = {"my", "our", "your", "his", "her", "their"}
OWN = POSSESSIVES | {"the", "a", "an", "to", "for"}
CERTAIN = {
    "my", "our", "his", "her", "their", "gift", "gifts", "present", "presents", "for", "is", "am", "wants", "needs",
}  # fmt: skip
DIRECT, APART = 5, 3  # words from "for" to whom it is for; words from an owner to whom is owned


@dataclass(frozen=True)
class Person:
    """Somebody whom word `place` of a query names; an owner is named with 's."""

    place: int
    name: str
    audiences: Audiences
    owner: bool


@dataclass(frozen=True)
class Whom:
    """Audiences that a query is for and is not for; certain: whether it says so, and does not merely name somebody."""

    wanted: Audiences
    unwanted: Audiences
    certain: bool


def for_whom(query: str) -> Whom:
    """Audiences that a query is for, and those that it is not for.

    The one after the last "for" that names any counts, whoever does the shopping; else whoever is named and gives nothing.
    """
    others = query if GIFT.search(query) else GUEST.sub(" ", query)
    sentences = [_words(sentence) for sentence in SENTENCE.split(NOBODY.sub(" ", others))]
    named = [_named(words) for words in sentences]
    unwanted = frozenset().union(*(not_wanted for _, not_wanted in named))
    segments = [segment for words in sentences for segment in _segments(words)]
    direct = [segment for segment in segments if _named(_begin(segment))[0] is not None or _pronoun(segment)]
    for segment in reversed(direct or segments):
        people, _ = _named(segment)
        if people is not None:
            return Whom(people - unwanted, unwanted, True)
        if pronoun := _pronoun(segment):
            return Whom(_of_pronoun(query, pronoun, named) - unwanted, unwanted, True)
    received = [_received(words) for words in sentences]
    given = [people for people, _ in map(_named, received) if people is not None]
    if given:
        certain = any(not CERTAIN.isdisjoint(words) for words in sentences)
        return Whom(frozenset().union(*given) - unwanted, unwanted, certain)
    said = {word for words in received for place, word in enumerate(words) if not _is_refused(place, words)}
    return Whom(_by_age(query, said) - unwanted, unwanted, True)


def _of_pronoun(
    query: str, pronoun: Audiences, named: Sequence[tuple[Audiences | None, Audiences]]
) -> Audiences:
    """Whom "for him" or "for her" means: who was named before, else whom an age tells, else a man or a woman."""
    known = frozenset().union(*(people for people, _ in named if people)) or (_age_in(query) or frozenset())
    return known & pronoun or pronoun - CHILDREN


def names_child(query: str) -> bool:
    """Whether a query names a child, and no sister or brother, who may be grown up."""
    people = _people(_words(NOBODY.sub(" ", query)))
    return any(person.audiences and person.audiences <= CHILDREN for person in people)


def audiences_of(label: str) -> Audiences:
    """Audiences that a catalogue's own word means: "Ladies" are women, "Kids" are girls, boys and babies."""
    return frozenset().union(*(person.audiences for person in _people(_words(label))))


def _by_age(query: str, words: set[str]) -> Audiences:
    """Audiences of an age or a pronoun: "a 6 year old", "she is 8"."""
    aged = _age_in(query)
    meant = next((audiences for pronouns, audiences in PRONOUNS if not pronouns.isdisjoint(words)), None)
    if aged is None or meant is None:
        return aged or meant or frozenset()
    return aged & meant or aged


def _age_in(query: str) -> Audiences | None:
    """Audiences of the first age that a query names; who is expected is a baby."""
    if EXPECTED.search(query):
        return BABIES_ALONE
    query = FIRST_BIRTHDAY.sub("1st birthday", query)
    query = AGE_IN_WORDS.sub(
        lambda said: f"{said['before'] or ''}{text2num(said['age'].lower(), 'en')}", query
    )
    ages = [int(next(filter(None, found.groups()))) for found in AGE.finditer(query)]
    return _of_age(ages[0]) if ages else BABIES_ALONE if MONTHS.search(query) else None


def _of_age(years: int) -> Audiences:
    if years < 4:
        return BABIES_ALONE if years < 2 else CHILDREN
    children, grown = frozenset({GIRLS, BOYS}), frozenset({WOMEN, MEN})
    if years < 13:
        return children
    return TEENAGERS if years < 16 else grown if years >= 18 else TEENAGERS | grown


def _words(text: str) -> list[str]:
    plain = (
        unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if not text.isascii() else text
    )
    plain = LITTLE_ONE.sub("child", YOUNG_ADULT.sub("youngadult", plain.replace("’", "'")))
    plain = IN_LAW.sub(r"\1inlaw", plain)
    for said, name in WORN_BY:
        plain = said.sub(name, plain)
    return [word.lower() for word in WORD.findall(plain)]


def _people(words: Sequence[str]) -> Iterator[Person]:
    for place, word in enumerate(words):
        bare = word.removesuffix("'").removesuffix("'s").replace("-", "")
        for name in (bare, bare.removesuffix("s"), bare.removesuffix("inlaw").removesuffix("s")):
            if name in WHO:
                yield Person(place, name, WHO[name], "'" in word)
                break


def _named(words: Sequence[str]) -> tuple[Audiences | None, Audiences]:
    """Audiences that words name, None where they name nobody, and those that they refuse."""
    people = list(_people(words))
    owned = [
        person for person in people if not _owns(person, people, words) and not _is_of(person, people, words)
    ]
    refused = [person for person in owned if _is_refused(person.place, words)]
    meant = [person for person in owned if person not in refused]
    children = [person for person in meant if person.audiences and person.audiences <= CHILDREN]
    if any(person.name not in GENERIC for person in children):
        meant = [person for person in meant if person.name not in GENERIC]
    age = _age_in(" ".join(words))
    grown_up = any(person.name in GROWN_UP for person in people)
    company = CHILDREN if children else frozenset({WOMEN, MEN}) if grown_up else None
    audiences: Audiences = frozenset().union(*(_at_age(person, company, age) for person in meant))
    return audiences if meant else None, frozenset().union(*(person.audiences for person in refused))


def _at_age(person: Person, company: Audiences | None, age: Audiences | None) -> Audiences:
    """Audiences of somebody of an age; of who may be a child or grown up, by the company, else by the age."""
    if person.name not in OF_ANY_AGE | OFFSPRING:
        return (age and person.audiences & age) or person.audiences
    known = (person.name in OF_ANY_AGE and company) or age
    grown = WOMEN if GIRLS in person.audiences else MEN
    return (known and (person.audiences & known or known & {BABIES, grown})) or person.audiences


def _owns(person: Person, people: Sequence[Person], words: Sequence[str]) -> bool:
    """Whether somebody is named only for somebody else: my sister's kids."""
    return person.owner and any(
        0 < other.place - person.place <= APART and "and" not in words[person.place : other.place]
        for other in people
    )


def _is_of(person: Person, people: Sequence[Person], words: Sequence[str]) -> bool:
    """Whether somebody is named only for whom stands before: the kids of my brother."""
    before = person.place - 1 - (words[person.place - 1] in OWN if person.place else 0)
    return before > 0 and words[before] == "of" and any(other.place == before - 1 for other in people)


def _is_refused(place: int, words: Sequence[str]) -> bool:
    """Whether it is said not to be for somebody: not for kids."""
    before = list(words[max(0, place - 4) : place])
    while before and before[-1] in OWN | MEANT:
        before.pop()
    return bool(before) and before[-1] in NOT


def _segments(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """What follows each "for", up to the next one and without who gives."""
    places = [place for place, word in enumerate(words) if word == "for"]
    for place, end in pairwise([*places, len(words)]):
        after = words[place + 1 : end]
        if not _is_refused(place, words):
            yield after[: after.index("from")] if "from" in after else after


def _begin(segment: Sequence[str]) -> Sequence[str]:
    """The first words after a "for", up to a comma."""
    return segment[: [*segment[:DIRECT], ","].index(",")]


def _pronoun(segment: Sequence[str]) -> Audiences | None:
    """Audiences of a "him" or "her" right after a "for"."""
    return next(
        (audiences for said, audiences in PRONOUNS if segment and segment[0] in said & {"him", "her"}), None
    )


def _received(words: Sequence[str]) -> Sequence[str]:
    """Words without who gives: a present from my dad to my sister."""
    if "from" not in words:
        return words
    start = words.index("from")
    rest = words[start:]
    return [*words[:start], *(rest[rest.index("to") :] if "to" in rest else ())]
