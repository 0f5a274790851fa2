"""Find the attribute values of a catalogue that a query names, and those that it refuses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.query_model.audiences import SOMEBODY
from components.query_model.recipients import IS_NOT, POSSESSIVES
from components.query_model.vocabulary import BRAND, SEASON, WORD, Named, Vocabulary, Words, normalize_word

MEANS_ANOTHER_THING = re.compile(
    r"\b(?:fall(?:s|ing)? (?:apart|in|off|asleep|down|out|on|over|into|through)|"
    r"(?:that|which|they|it|not|never|to|will|won['’]t|don['’]t|doesn['’]t|can['’]t) fall|(?:i|you|we|always) fall|"
    r"(?:wouldn|won|can)['’]?t say no to|last (?:summer|winter|autumn|spring|fall)(?!['’])|spring in \w+ step|snow[- ]white|spring (?:a|the|this) surprise|winter (?:soldier|olympics)|"
    r"(?:to|will|would|happily|['’]d|['’]ll) spring for|"
    r"spring (?:onions?|loaded|rolls?|clean(?:ing|s)?)|black[- ](?:tie|friday)|red carpet|snow globes?|works? (?:with|for|in)|"
    r"(?:that|which|will|would|should|can|must|does) work|(?:way|commute|walk|cycle|drive) to work|"
    r"(?:(?:goes?|going|worn|wear|match(?:es|ing)?|paired|combined?) with|to match)\b[^,.;:!?]*|"
    r"sand (?:pits?|box(?:es)?|castles?)|winter (?:white|sun)|(?:january|july|april|november) sales?|mint (?:tea|flavou?r|condition)|coral reefs?)\b",
    re.I,
)
CALLED = re.compile(
    rf"(?i:\b{SOMEBODY}),? (?:Summer|Autumn|Winter|April|June|August)\b"
)  # my daughter Summer
IMITATED, IMITATION = {"faux", "fake", "imitation", "artificial", "synthetic"}, {"look", "effect", "style"}
TOPIC = {"for", "about", "of", "on", "like", "to", "than", "with", "as", "vs"}  # ink <for> hp
ARTICLES = {"a", "an", "the"}
RELATIVES = {"brother", "father", "mother", "sister"}
REFUSING = IS_NOT | {
    "no", "not", "non", "without", "except", "never", "nothing", "neither", "nor", "instead", "apart", "avoid", "avoids", "avoiding",
    "hate", "hates", "dislike", "dislikes", "allergic",
}  # fmt: skip
PAIRS = {
    ("other", "than"),
    ("rather", "than"),
    ("free", "from"),
    ("free", "of"),
    ("leave", "out"),
    ("leaving", "out"),
}
BUT = {("anything", "but"), ("everything", "but"), ("any", "but"), ("all", "but")}
BETWEEN = ARTICLES | {
    "any", "too", "in", "of", "made", "with", "for", "suitable", "by", "from", "to", "added", "on",
}  # fmt: skip
WISHING = {
    "want",
    "like",
    "need",
    "wear",
    "have",
    "contain",
    "eat",
    "drink",
    "love",
    "be",
    "include",
    "use",
    "wears",
    "stand",
    "bear",
    "keen",
    "fond",
}
SEEN_BEFORE = 60  # characters before a value that are looked at
TOKEN = re.compile(r"[\w'’]+|[.,;:!?]")
TOO_MUCH = re.compile(
    r"\s+(?:(?:is|are|was|were|feels?|looks?|gets?)\s+(?:(?:just|far|way|always|much|a (?:bit|little))\s+){0,2}too\s+\w+|"
    r"(?:is\s+|are\s+)?(?:itch(?:es|y)?|irritat(?:es?|ing)|scratch(?:es|y)|prickl(?:es|y))"
    r"|makes?\s+(?:(?:me|him|her|them|us)|my\s+\w+)\s+(?:itch|sneeze|sweat))\b",
    re.I,
)
FREE = re.compile(r"-free\b(?!-)", re.I)
FREE_OR_APART = re.compile(r"[- ]free\b(?!-|\s+(?:from|of)\b)", re.I)
JOINED = re.compile(
    r"\s*(?:(?P<or>,?\s*(?:or|nor)\b)|,?\s*(?:and\b|&|/)|(?P<comma>,))\s*(?:(?:any|a|an|the)\s+)?", re.I
)
GOES_ON = re.compile(r"\s*(?:,|/|&|or\b|nor\b|and\b)", re.I)
NEGATED = re.compile(r"\w+n['’]?t|not|never|cannot", re.I)


@dataclass(frozen=True)
class AttributeMention:
    """Attributes and values that characters `start` to `end` of a query name, and whether it refuses them."""

    start: int
    end: int
    values: Named
    refused: bool = False


def find_values(query: str, vocabulary: Vocabulary) -> Iterator[AttributeMention]:
    """Yield the values that a query names, in the order of the text; where two overlap, the longer one.

    A value comes with the narrower values of its attribute: "cotton" means organic cotton too.
    """
    literal = query
    for other in (MEANS_ANOTHER_THING, CALLED):
        # Blanks of the same length keep the positions of the characters
        literal = other.sub(lambda found: " " * len(found[0]), literal)
    found = list(WORD.finditer(literal))
    words = tuple(normalize_word(word[0]) for word in found)
    place, before = 0, None
    while place < len(words):
        size, values = _longest_value(words, place, vocabulary)
        start, end = found[place].start(), found[place + max(size, 1) - 1].end()
        mention = _find_refusal(
            literal, words[place], start=start, end=end, values=values, vocabulary=vocabulary, before=before
        )
        if mention is None and values and not _is_imitated(words, place, size):
            topic = _is_topic(words, place)
            wanted = [(name, value) for name, value in values if name != BRAND or not topic]
            mention = AttributeMention(start, end, _add_narrower(wanted, vocabulary)) if wanted else None
        if mention is not None:
            yield mention
            before = mention
        place += max(size, 1)


def _longest_value(words: Words, place: int, vocabulary: Vocabulary) -> tuple[int, Named]:
    """Return the number of words of the longest value that begins at a word, and its attributes and values."""
    for size in range(min(vocabulary.max_phrase_words, len(words) - place), 0, -1):
        if values := vocabulary.values_by_phrase.get(words[place : place + size]):
            return size, values
    return 0, []


def _add_narrower(values: Named, vocabulary: Vocabulary) -> Named:
    """Return values, each followed by the narrower values of its attribute."""
    widened: Named = []
    for name, value in values:
        widened.append((name, value))
        if name not in (BRAND, SEASON):  # which have no kinds
            widened += [(name, other) for other in vocabulary.narrower_values(name, value)]
    return widened


def _is_imitated(words: Words, place: int, size: int) -> bool:
    """Return whether a value is only imitated: faux leather, leather look."""
    return (place > 0 and words[place - 1] in IMITATED) or not IMITATION.isdisjoint(
        words[place + size : place + size + 1]
    )


def _is_topic(words: Words, place: int) -> bool:
    """Return whether a brand is only the topic, or a relative: ink for HP, my brother."""
    first = place - 1
    while first > 0 and words[first] in ARTICLES:
        first -= 1
    return place > 0 and (
        words[first] in TOPIC or (words[place - 1] in POSSESSIVES and words[place] in RELATIVES)
    )


def _find_refusal(
    query: str,
    word: str,
    start: int,
    end: int,
    values: Named,
    vocabulary: Vocabulary,
    before: AttributeMention | None,
) -> AttributeMention | None:
    """Return what a query refuses here: a value, the values with this word, or, as a wish, its "-free" value; else None."""
    lacking, wider = vocabulary.values_by_phrase.get((word, "free")), vocabulary.values_by_word.get(word, [])
    if not (values or lacking or wider):
        return None
    free = (FREE if values else FREE_OR_APART).match(query, end)
    span = _refusal_before(query, start, end) or _joined_refusal(query, start, end, values, before)
    if span is None and free:
        span = start, free.end()
    if span is None and (too_much := TOO_MUCH.match(query, end)):
        span = start, too_much.end()
    if span is None:
        return None
    if lacking:
        return AttributeMention(*span, lacking)
    if any(name in (BRAND, SEASON) for name, _ in values):
        wider = []
    refused = [
        *_add_narrower(values, vocabulary),
        *((name, value) for name, value in wider if not values or _contains_any(value, values)),
    ]
    return AttributeMention(*span, list(dict.fromkeys(refused)), refused=True) if refused else None


def _contains_any(value: str, values: Named) -> bool:
    """Return whether one of some values stands in another."""
    words = f" {' '.join(WORD.findall(value.lower()))} "
    return any(f" {' '.join(WORD.findall(other.lower()))} " in words for _, other in values)


def _refusal_before(query: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span of a value that the words before it refuse, else None: no wool, anything but black."""
    offset = max(0, start - SEEN_BEFORE)
    before = list(TOKEN.finditer(query, offset, start))
    tokens = [token[0].lower() for token in before]
    while tokens and tokens[-1] in BETWEEN and tuple(tokens[-2:]) not in PAIRS:
        tokens.pop()
    pair = tuple(tokens[-2:])
    if tokens and tokens[-1] in REFUSING:
        return before[len(tokens) - 1].start(), end
    if pair in PAIRS or pair in BUT:
        return before[len(tokens) - 2].start(), end
    if len(tokens) > 1 and tokens[-1] in WISHING and NEGATED.fullmatch(tokens[-2]):
        return before[len(tokens) - 2].start(), end
    return None


def _joined_refusal(
    query: str, start: int, end: int, values: Named, before: AttributeMention | None
) -> tuple[int, int] | None:
    """Return the span of a value that is refused with the one before it, else None: no red, navy or black.

    After "and" or a comma it has to be of the same attribute.
    """
    if before is None or not before.refused:
        return None
    joined = JOINED.fullmatch(query, before.end, start)
    alike = {name for name, _ in values} & {name for name, _ in before.values}
    if not joined or not (joined["or"] or alike) or (joined["comma"] and not GOES_ON.match(query, end)):
        return None
    return before.end, end
