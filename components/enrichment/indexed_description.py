"""A believed description as the stages after the enrichment read it: what is indexed, and the wish that is held out."""

import json
from collections.abc import Mapping
from typing import Any

from components.catalogue.held_out import hash_share
from components.enrichment.description import Description, MatchedField

HELD_OUT_SHARE = (
    0.4  # of the items, one of whose wishes serves as a query that no text and no training has seen
)


def encode_description(
    description: Description,
    item: Mapping[Any, Any],
    weights: Mapping[MatchedField, int],
    source: Mapping[str, str],
) -> str:
    """Return the JSON of a description: its fields, `held_out_wish`, `matched` and its source.

    matched: the words that search matches, each field as often as it counts (BM25F; Robertson et al., 2004).
    """
    fields = description.model_dump(exclude={"known"})
    fields |= split_wishes(str(item["item_id"]), fields["wishes"])
    matched = join_fields(fields | {"title": str(item["title"])}, weights)
    return json.dumps(fields | {"matched": matched} | dict(source), ensure_ascii=False)


def split_wishes(item_id: str, wishes: list[str]) -> dict[str, Any]:
    """Return an item's wishes, and the one that is held out of them; by hashes, so that it is the same in every run."""
    if not wishes or hash_share(f"wish:{item_id}") >= HELD_OUT_SHARE:
        return {"wishes": wishes, "held_out_wish": None}
    position = int(hash_share(f"wish of:{item_id}") * len(wishes))
    return {"wishes": wishes[:position] + wishes[position + 1 :], "held_out_wish": wishes[position]}


def join_fields(fields: Mapping[str, Any], weights: Mapping[MatchedField, int]) -> str:
    """Return the texts of fields, each as often as it counts."""
    whom = fields["for_whom"]
    lists = {**fields, "for_whom": [*whom["ages"], *whom["companions"], whom["gender"]]}
    texts: list[str] = []
    for name, weight in weights.items():
        value = lists[name]
        text = value if isinstance(value, str) else ". ".join(value)
        texts += [text] * (weight if text else 0)
    return " . ".join(texts)
