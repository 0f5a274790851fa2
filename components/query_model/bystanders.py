"""Find the people in a query who are no recipients: namesakes of things, hosts, givers and the person who asks."""

import re

from components.query_model.ages import read_age
from components.query_model.audiences import SOMEBODY

WHOSE = r"(?:my|our|your|his|her|their|the|a|an)"
OWNER = rf"{SOMEBODY}(?:['’]s?|s['’])"
NAMED_AFTER = (
    r"(?:boyfriend|girlfriend|mom|mum|dad|grand(?:d?ad|pa)) "
    r"(?:jeans|fit|shirt|blazer|cardigan|collar|shorts|hat|cap|shoes|trainers|sneakers)|"
    r"baby (?:blue|pink|dolls?)|couple of|twin (?:sets?|beds?|packs?)|kid (?:leather|gloves)|mother[- ]of[- ]pearl|"
    r"father christmas|mother nature|girl ?(?:boss(?:es)?|power)|mens sana|mr (?:and|&) mrs|mr men|"
    r"lady ?(?:bugs?|birds?)|brother (?:sewing|printers?)|boy ?scouts?|girl ?guides?"
)
RECEIVING = r"(?:giv|keep|dress|mak|treat|surpris|spoil|pleas|teach)ing"
COMPANY = (  # shoes for running after my toddler
    rf"for (?!{RECEIVING})\w+ing (?:(?:after|with|around|behind|to|at|up) )?"
    rf"(?:my|our|his|her|their|the) (?:\w+ )?{SOMEBODY}s?"
)
COMPARED = rf"(?:as|like|than) {WHOSE} {OWNER}(?! \w+['’])"  # a bag like my sister's
GIVER = rf"(?:{WHOSE} )?{SOMEBODY}s? (?:\w+ ){{0,2}}?gives?(?: it| them)?(?: to)?(?= {WHOSE} )"
ADVISER = rf"{WHOSE} {SOMEBODY}s? (?:says?|said|thinks?|thought|reckons?|insists?|told me|tells me)(?: that)?(?= (?:i|we|my|our)\b)"
WATCHED = rf"(?:i|we|me|us|myself|can|could|to) wear (?:to|at|for) {WHOSE} {OWNER}"  # a shirt to wear to my son's concert
MET = rf"(?:meeting|visiting) {WHOSE} (?:{OWNER} )?{SOMEBODY}s?"
BYSTANDER = re.compile(
    rf"\b(?:{NAMED_AFTER}|{COMPANY}|{COMPARED}|{GIVER}|{ADVISER}|{WATCHED}|{MET})(?!\w)", re.I
)
EVENT = r"(?:wedding|christening|baptism|funeral|engagement)"
HOST = re.compile(rf"\b(?:(?:{WHOSE} )?(?:\w+ )?{OWNER} (?:\w+ )?{EVENT}|baby shower)\b", re.I)
GIFT = re.compile(r"\b(?:gifts?|presents?)\b", re.I)
NO_NAME = r"(?:(?!(?:for|of|with|to|and|who|looking|buying|shopping|getting|after)\b)[\w-]+ )"
ASKS = re.compile(
    rf"\b(?:(?:i['’]?m|i am) (?:a|an|the|her|his|their) {NO_NAME}{{0,4}}?{SOMEBODY}|(?:i['’]?m|i am) pregnant|"
    rf"(?:we['’]?re|we are) {NO_NAME}{{0,1}}{SOMEBODY}s?|"
    rf"(?P<aside>i, (?:a|an|the|her|his|their) {NO_NAME}{{0,2}}?(?:maid of honou?r|{SOMEBODY}),))(?!\w)",
    re.I,
)
FOR_ME = re.compile(r"\bfor (?:me|myself)\b", re.I)
NAMED = re.compile(rf"\b{SOMEBODY}s?\b", re.I)


def find_asker(query: str) -> str | None:
    """Return what people who ask for themselves say of themselves, else None: "I'm a mum of three, and it is for me"."""
    asks = ASKS.search(query)
    return asks[0] if asks and (asks["aside"] or FOR_ME.search(query)) else None


def remove_bystanders(query: str) -> str:
    """Return a query without the people who are no recipients.

    The host of a party stays only in a query for gifts or with an age: a guest's dress is not for the bride. The person
    who asks stays only if nobody else is named.
    """
    hosts_stay = GIFT.search(query) or read_age(query)
    rest = BYSTANDER.sub(" ", query if hosts_stay else HOST.sub(" ", query))
    others = ASKS.sub(" ", rest)
    return others if NAMED.search(others) else rest
