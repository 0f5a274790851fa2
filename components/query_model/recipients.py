"""Find the recipients of a query, by the people that it names."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from components.query_model.ages import read_age
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
from components.query_model.bystanders import find_asker, remove_bystanders

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
    """A person whom word `place` of a query names; an owner is one with 's."""

    place: int
    name: str
    audiences: Audiences
    owner: bool


@dataclass(frozen=True)
class Recipients:
    """Audiences that a query is for and is not for; certain: the query says so, and does not merely name somebody."""

    wanted: Audiences
    unwanted: Audiences
    certain: bool


def find_recipients(query: str) -> Recipients:
    """Return the audiences that a query is for, and those that it is not for.

    The last "for" that is followed by a person counts, whoever does the shopping. Without one, everybody who is named and
    gives nothing counts.
    """
    if asks := find_asker(query):
        return Recipients(_named_audiences(_split_words(asks))[0] or frozenset(), frozenset(), True)
    age = read_age(query)
    sentences = [_split_words(sentence) for sentence in SENTENCE.split(remove_bystanders(query))]
    named = [_named_audiences(words, age) for words in sentences]
    unwanted = _join_audiences(refused for _, refused in named)
    segments = list(chain.from_iterable(map(_split_segments, sentences)))
    direct = [
        segment
        for segment in segments
        if _named_audiences(_first_words(segment))[0] is not None or _read_pronoun(segment)
    ]
    for segment in reversed(direct or segments):
        people, _ = _named_audiences(segment, age)
        if people is not None:
            return Recipients((people or _subject_audiences(sentences)) - unwanted, unwanted, True)
        if pronoun := _read_pronoun(segment):
            return Recipients(_pronoun_audiences(age, pronoun, named) - unwanted, unwanted, True)
    received = list(map(_remove_givers, sentences))
    given = [people for words in received if (people := _named_audiences(words, age)[0]) is not None]
    if given:
        certain = any(not CERTAIN.isdisjoint(words) for words in sentences)
        people = _join_audiences(given) or _subject_audiences(sentences)
        return Recipients(people - unwanted, unwanted, certain)
    wanted: set[str] = set()
    for words in received:
        wanted.update(word for place, word in enumerate(words) if not _is_refused(place, words))
    return Recipients(_fallback_audiences(age, wanted) - unwanted, unwanted, True)


def _join_audiences(groups: Iterable[Audiences]) -> Audiences:
    """Return the union of audiences."""
    return frozenset(chain.from_iterable(groups))


def _subject_audiences(sentences: Sequence[Sequence[str]]) -> Audiences:
    """Return women or men for a friend or a colleague, by the pronoun of a query, or nothing."""
    subjects = SUBJECTS.intersection(chain.from_iterable(sentences))
    return _join_audiences(audiences for words, audiences in PRONOUNS if words & subjects) & GROWN


def _pronoun_audiences(
    age: Audiences | None, pronoun: Audiences, named: Sequence[tuple[Audiences | None, Audiences]]
) -> Audiences:
    """Return the audiences of "for him" or "for her": people named before, else those of the age, else men or women."""
    known = _join_audiences(people for people, _ in named if people) or age or frozenset()
    return known & pronoun or pronoun - CHILDREN


def names_child(query: str) -> bool:
    """Return whether a query names a child; sisters and brothers may be grown up and do not count."""
    people = _find_people(_split_words(remove_bystanders(query)))
    return any(person.audiences and person.audiences <= CHILDREN for person in people)


def label_audiences(label: str) -> Audiences:
    """Return the audiences of a catalogue's label: "Ladies" are women, "Kids" are girls, boys and babies."""
    return _join_audiences(person.audiences for person in _find_people(_split_words(label)))


def _fallback_audiences(aged: Audiences | None, words: set[str]) -> Audiences:
    """Return the audiences of an age and a pronoun where nobody is named: "a 6 year old", "she is 8"."""
    meant = next((audiences for pronouns, audiences in PRONOUNS if not pronouns.isdisjoint(words)), None)
    if aged is None or meant is None:
        return aged or meant or frozenset()
    return aged & meant or aged


def _split_words(text: str) -> list[str]:
    """Return the words of a text in lower case and without accents, phrases for people as one word."""
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = IN_LAW.sub(r"\1inlaw", plain.replace("’", "'"))
    for said, name in SAID_AS:
        plain = said.sub(name, plain)
    return [word.lower() for word in WORD.findall(plain)]


def _find_people(words: Sequence[str]) -> Iterator[PersonMention]:
    """Yield the people that words name, in singular or plural."""
    for place, word in enumerate(words):
        bare = word.removesuffix("'").removesuffix("'s").replace("-", "")
        for name in (bare, bare.removesuffix("s"), bare.removesuffix("inlaw").removesuffix("s")):
            if name in WHO:
                yield PersonMention(place, name, WHO[name], "'" in word)
                break


def _named_audiences(
    words: Sequence[str], query_age: Audiences | None = None
) -> tuple[Audiences | None, Audiences]:
    """Return the audiences that words name, None if they name nobody, and those that they refuse.

    query_age: the audiences of the age in the whole query, which counts if these words have no age.
    """
    people = list(_find_people(words))
    wanted: list[PersonMention] = []
    refused: list[PersonMention] = []
    for person in people:
        if not _is_owner(person, people, words) and not _follows_of(person, people, words):
            (refused if _is_refused(person.place, words) else wanted).append(person)
    children = [person for person in wanted if person.audiences and person.audiences <= CHILDREN]
    if any(person.name not in GENERIC for person in children):
        # "My kids, a girl and a boy" says it more exactly than "kids" does
        wanted = [person for person in wanted if person.name not in GENERIC]
    age = read_age(" ".join(words)) or query_age
    company = GROWN if any(person.name in GROWN_UP for person in people) else None
    if children:
        company = CHILDREN
    audiences = _join_audiences(_person_audiences(person, company, age) for person in wanted)
    return audiences if wanted else None, _join_audiences(person.audiences for person in refused)


def _person_audiences(person: PersonMention, company: Audiences | None, age: Audiences | None) -> Audiences:
    """Return the audiences of a person; if they may be a child or grown up, by the company, else by the age."""
    if age == BABIES_ALONE and person.audiences and person.audiences <= CHILDREN:
        return BABIES_ALONE
    if person.name not in OF_ANY_AGE | OFFSPRING:
        return (age and person.audiences & age) or person.audiences
    known = (person.name in OF_ANY_AGE and company) or age
    grown = WOMEN if GIRLS in person.audiences else MEN
    return (known and (person.audiences & known or known & {BABIES, grown})) or person.audiences


def _is_owner(person: PersonMention, people: Sequence[PersonMention], words: Sequence[str]) -> bool:
    """Return whether a person is named only as the owner of another: my sister's kids."""
    return person.owner and any(
        0 < other.place - person.place <= APART and "and" not in words[person.place : other.place]
        for other in people
    )


def _follows_of(person: PersonMention, people: Sequence[PersonMention], words: Sequence[str]) -> bool:
    """Return whether a person is named only to say whose another is: the kids of my brother."""
    before = person.place - 1 - (words[person.place - 1] in OWN if person.place else 0)
    return before > 0 and words[before] == "of" and any(other.place == before - 1 for other in people)


def _is_refused(place: int, words: Sequence[str]) -> bool:
    """Return whether the person at a word is refused: not for kids."""
    before = list(words[max(0, place - 4) : place])
    while before and before[-1] in OWN | MEANT:
        before.pop()
    return bool(before) and before[-1] in NOT


def _split_segments(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the words after each "for", up to the next one and without givers."""
    places = [place for place, word in enumerate(words) if word == "for"]
    for place, end in pairwise([*places, len(words)]):
        after = words[place + 1 : end]
        if not _is_refused(place, words):
            yield after[: after.index("from")] if "from" in after else after


def _first_words(segment: Sequence[str]) -> Sequence[str]:
    """Return the first words after a "for", up to a comma."""
    return segment[: [*segment[:DIRECT], ","].index(",")]


def _read_pronoun(segment: Sequence[str]) -> Audiences | None:
    """Return the audiences of a "him" or "her" right after a "for", else None."""
    for words, audiences in PRONOUNS:
        if segment and segment[0] in words & {"him", "her"}:
            return audiences
    return None


def _remove_givers(words: Sequence[str]) -> Sequence[str]:
    """Return words without givers: a present from my dad to my sister."""
    if "from" not in words:
        return words
    start = words.index("from")
    rest = words[start:]
    return [*words[:start], *(rest[rest.index("to") :] if "to" in rest else ())]
