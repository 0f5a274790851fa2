"""For whom something is, by the people that a query names."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from components.query_model.ages import age_in
from components.query_model.audiences import (
    BABIES,
    BABIES_ALONE,
    BOYS,
    CHILDREN,
    GENERIC,
    GIRLS,
    GROWN,
    GROWN_UP,
    MEN,
    OF_ANY_AGE,
    OFFSPRING,
    WHO,
    WOMEN,
    Audiences,
)
from components.query_model.bystanders import who_asks, without_bystanders

PARTY, NIGHT = (
    r"(?:party|parties|do|night|weekend)",
    r"(?:night|trip|weekend)(?: out| away|(?! ?(?:dress|gown|shirt|suit|wear|light|bag)))",
)
SAID_AS = tuple(
    (re.compile(rf"\b(?:{said})\b", re.I), name)
    for said, name in (
        (r"4(?= (?:my|our|his|her)\b)", "for"),
        (r"young adults?", "youngadult"),
        (r"baby (sister|brother|sis|bro)", r"\1"),
        (r"baby (?:girl|boy|(?:grand)?(?:son|daughter)|niece|nephew)(s?)", r"baby\1"),
        (r"adult (women|woman|men|man|ladies)", r"\1"),
        (r"(?:wife|husband|hubby|girlfriend|boyfriend|fianc[ée]+|partner) and (?:i|me)", "couple"),
        (r"me and my (?:wife|husband|hubby|girlfriend|boyfriend|fianc[ée]+|partner)", "couple"),
        (r"(?:son|nephew|grandson)(?= and his (?:wife|girlfriend|fianc))", "man"),
        (r"(?:daughter|niece|granddaughter)(?= and her (?:husband|boyfriend|fianc))", "woman"),
        (r"(mother|father)[- ]of[- ]the[- ](?:bride|groom)", r"\1"),
        (r"(?:little|wee) ones?", "child"),
        (rf"(?:hen|bachelorette) {PARTY}|(?:girls?|ladies)'?s? {NIGHT}", "women"),
        (rf"(?:stag|bachelor) {PARTY}|(?:lads?|boys?)'?s? {NIGHT}", "groomsmen"),
        (r"(?:maid|matron)s? of honou?r", "bridesmaid"),
        (r"his (?:and|&) hers|hers (?:and|&) his|him (?:and|&) her|her (?:and|&) him", "couple"),
        (r"maternity|pregnan(?:t|cy)", "mumtobe"),
        (r"nursing(?= (?:tops?|bras?|dress(?:es)?|shirts?|wear|clothes|pyjamas|vests?)\b)", "mumtobe"),
    )
)
IN_LAW = re.compile(r"\b(\w+?)s?[- ]in[- ]law", re.I)
PRONOUNS = (
    ({"she", "she's", "her", "hers"}, frozenset({GIRLS, WOMEN})),
    ({"he", "he's", "him", "his"}, frozenset({BOYS, MEN})),
)
SUBJECTS = {"she", "she's", "he", "he's"}
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
class PersonMention:
    """Somebody whom word `place` of a query names; an owner is named with 's."""

    place: int
    name: str
    audiences: Audiences
    owner: bool


@dataclass(frozen=True)
class Recipients:
    """Audiences that a query is for and is not for; certain: whether it says so, and does not merely name somebody."""

    wanted: Audiences
    unwanted: Audiences
    certain: bool


def for_whom(query: str) -> Recipients:
    """Audiences that a query is for, and those that it is not for.

    The one after the last "for" that names any counts, whoever does the shopping; else whoever is named and gives nothing.
    """
    if asks := who_asks(query):
        return Recipients(_named(_words(asks))[0] or frozenset(), frozenset(), True)
    age = age_in(query)
    sentences = [_words(sentence) for sentence in SENTENCE.split(without_bystanders(query))]
    named = [_named(words, age) for words in sentences]
    unwanted = frozenset().union(*(not_wanted for _, not_wanted in named))
    segments = [segment for words in sentences for segment in _segments(words)]
    direct = [segment for segment in segments if _named(_begin(segment))[0] is not None or _pronoun(segment)]
    for segment in reversed(direct or segments):
        people, _ = _named(segment, age)
        if people is not None:
            return Recipients((people or _he_or_she(sentences)) - unwanted, unwanted, True)
        if pronoun := _pronoun(segment):
            return Recipients(_of_pronoun(age, pronoun, named) - unwanted, unwanted, True)
    received = [_received(words) for words in sentences]
    given = [people for words in received if (people := _named(words, age)[0]) is not None]
    if given:
        certain = any(not CERTAIN.isdisjoint(words) for words in sentences)
        people = frozenset().union(*given) or _he_or_she(sentences)
        return Recipients(people - unwanted, unwanted, certain)
    said = {word for words in received for place, word in enumerate(words) if not _is_refused(place, words)}
    return Recipients(_by_age(age, said) - unwanted, unwanted, True)


def _he_or_she(sentences: Sequence[Sequence[str]]) -> Audiences:
    """Whether a friend or a colleague is a man or a woman, by what a query calls them."""
    said = {word for words in sentences for word in words} & SUBJECTS
    return frozenset().union(*(audiences for words, audiences in PRONOUNS if words & said)) & GROWN


def _of_pronoun(
    age: Audiences | None, pronoun: Audiences, named: Sequence[tuple[Audiences | None, Audiences]]
) -> Audiences:
    """Whom "for him" or "for her" means: who was named before, else whom an age tells, else a man or a woman."""
    known = frozenset().union(*(people for people, _ in named if people)) or (age or frozenset())
    return known & pronoun or pronoun - CHILDREN


def names_child(query: str) -> bool:
    """Whether a query names a child, and no sister or brother, who may be grown up."""
    people = _people(_words(without_bystanders(query)))
    return any(person.audiences and person.audiences <= CHILDREN for person in people)


def audiences_of(label: str) -> Audiences:
    """Audiences that a catalogue's own word means: "Ladies" are women, "Kids" are girls, boys and babies."""
    return frozenset().union(*(person.audiences for person in _people(_words(label))))


def _by_age(aged: Audiences | None, words: set[str]) -> Audiences:
    """Audiences of an age or a pronoun: "a 6 year old", "she is 8"."""
    meant = next((audiences for pronouns, audiences in PRONOUNS if not pronouns.isdisjoint(words)), None)
    if aged is None or meant is None:
        return aged or meant or frozenset()
    return aged & meant or aged


def _words(text: str) -> list[str]:
    plain = (
        unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() if not text.isascii() else text
    )
    plain = IN_LAW.sub(r"\1inlaw", plain.replace("’", "'"))
    for said, name in SAID_AS:
        plain = said.sub(name, plain)
    return [word.lower() for word in WORD.findall(plain)]


def _people(words: Sequence[str]) -> Iterator[PersonMention]:
    for place, word in enumerate(words):
        bare = word.removesuffix("'").removesuffix("'s").replace("-", "")
        for name in (bare, bare.removesuffix("s"), bare.removesuffix("inlaw").removesuffix("s")):
            if name in WHO:
                yield PersonMention(place, name, WHO[name], "'" in word)
                break


def _named(words: Sequence[str], told: Audiences | None = None) -> tuple[Audiences | None, Audiences]:
    """Audiences that words name, None where they name nobody, and those that they refuse.

    told: of the age that a query tells, where these words tell none.
    """
    people = list(_people(words))
    owned = [
        person for person in people if not _owns(person, people, words) and not _is_of(person, people, words)
    ]
    refused = [person for person in owned if _is_refused(person.place, words)]
    meant = [person for person in owned if person not in refused]
    children = [person for person in meant if person.audiences and person.audiences <= CHILDREN]
    if any(person.name not in GENERIC for person in children):
        meant = [person for person in meant if person.name not in GENERIC]
    age = age_in(" ".join(words)) or told
    grown_up = any(person.name in GROWN_UP for person in people)
    company = CHILDREN if children else GROWN if grown_up else None
    audiences: Audiences = frozenset().union(*(_at_age(person, company, age) for person in meant))
    return audiences if meant else None, frozenset().union(*(person.audiences for person in refused))


def _at_age(person: PersonMention, company: Audiences | None, age: Audiences | None) -> Audiences:
    """Audiences of somebody of an age; of who may be a child or grown up, by the company, else by the age."""
    if age == BABIES_ALONE and person.audiences and person.audiences <= CHILDREN:
        return BABIES_ALONE
    if person.name not in OF_ANY_AGE | OFFSPRING:
        return (age and person.audiences & age) or person.audiences
    known = (person.name in OF_ANY_AGE and company) or age
    grown = WOMEN if GIRLS in person.audiences else MEN
    return (known and (person.audiences & known or known & {BABIES, grown})) or person.audiences


def _owns(person: PersonMention, people: Sequence[PersonMention], words: Sequence[str]) -> bool:
    """Whether somebody is named only for somebody else: my sister's kids."""
    return person.owner and any(
        0 < other.place - person.place <= APART and "and" not in words[person.place : other.place]
        for other in people
    )


def _is_of(person: PersonMention, people: Sequence[PersonMention], words: Sequence[str]) -> bool:
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
