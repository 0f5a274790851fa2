"""People whom a query names though nothing is for them: things named after them, hosts, givers."""

import re

from components.language.audiences import WHO

SOMEBODY = f"(?:{'|'.join(sorted(WHO, key=len, reverse=True))})"
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
BYSTANDER = re.compile(rf"\b(?:{NAMED_AFTER}|{COMPANY}|{COMPARED}|{GIVER})(?!\w)", re.I)
EVENT = r"(?:wedding|christening|baptism|funeral|engagement)"
HOST = re.compile(rf"\b(?:(?:{WHOSE} )?(?:\w+ )?{OWNER} (?:\w+ )?{EVENT}|baby shower)\b", re.I)
GIFT = re.compile(r"\b(?:gifts?|presents?)\b", re.I)


def without_bystanders(query: str) -> str:
    """A query without the people for whom nothing in it is: who hosts a party gets gifts, and wears no guest's dress."""
    return BYSTANDER.sub(" ", query if GIFT.search(query) else HOST.sub(" ", query))
