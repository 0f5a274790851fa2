"""What is asked of an item: the prompt of its kind of catalogue, the schema of the answer, the data of the item."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.enrichment.description import Answer, MatchedField
from components.enrichment.item_facts import item_facts, short_hash
from components.enrichment.settings import EnrichmentError

COPY_ID = 'Give "item_id" too, copied from the data. Answer with the JSON object alone.'


class Contradiction(BaseModel):
    """A fact of the catalogue, and the ages of which the answer must then name one at least."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribute: str
    value: str
    ages: list[str]


class Prompt(BaseModel):
    """The prompt of one kind of catalogue, the values that an answer may choose from, and what search makes of it.

    field_weights: how often each field counts in the words that search matches.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    summary_words: int
    ages: list[str]
    companions: list[str]
    genders: list[str]
    warnings: list[str]
    degrees: list[str]
    contradictions: list[Contradiction] = []
    field_weights: dict[MatchedField, Annotated[int, Field(ge=0, le=10)]] = {}

    @classmethod
    def read(cls, folder: Path, kind: str) -> Self:
        """Read the prompt of a kind of catalogue.

        Raises EnrichmentError where there is none of that kind, or the file lacks something.
        """
        file = folder / f"{kind}.yaml"
        if not file.is_file():
            kinds = ", ".join(sorted(known.stem for known in folder.glob("*.yaml")))
            raise EnrichmentError(
                f"{file} is missing: no prompt is for a catalogue of the kind {kind!r}. Set kind in the shop.yaml of "
                f"the catalogue to one of {kinds}, or write that file."
            )
        try:
            return cls(**yaml.safe_load(file.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValidationError, TypeError, UnicodeDecodeError) as error:
            raise EnrichmentError(
                f"{file} is no prompt: {error}. Compare it with {folder}/anything.yaml."
            ) from None

    @cached_property
    def schema_(self) -> dict[str, Any]:
        """The JSON schema of an answer, with the values that it may choose from."""
        schema = Answer.model_json_schema()
        schema["required"] = list(schema["properties"])
        whom = schema["$defs"]["ForWhom"]["properties"]
        for name, values in (("ages", self.ages), ("companions", self.companions)):
            # A list of no values at all cannot be written as an enumeration
            whom[name] = (
                {"type": "array", "items": {"enum": values}} if values else {"type": "array", "maxItems": 0}
            )
        whom["gender"] = {"enum": ["", *self.genders]}
        schema["properties"]["content_warnings"] = {
            "type": "object",
            "properties": {kind: {"enum": self.degrees} for kind in self.warnings},
            "additionalProperties": False,
        }
        return schema

    @cached_property
    def hash(self) -> str:
        """A hash of the prompt and the schema: another one asks every item again."""
        return short_hash(self.prompt.strip() + json.dumps(self.schema_, sort_keys=True))

    def messages(self, item: Mapping[Any, Any], max_characters: int) -> list[dict[str, str]]:
        """Return the chat that asks for an item's description."""
        data = {"item_id": item["item_id"]} | item_facts(item)
        # A price is given, since wishes name one, but is no part of the hash: a new price asks nothing again
        if not pd.isna(item["price"]):
            currency = item["currency"] if isinstance(item["currency"], str) else ""
            data["price"] = f"{item['price']:g} {currency}".strip()
        data["text"] = data.get("text", "")[:max_characters]
        # The data stand apart from the instructions, as one JSON value, so that a text cannot pass for an instruction
        return [
            {"role": "system", "content": f"{self.prompt.strip()}\n\n{COPY_ID}"},
            {"role": "user", "content": json.dumps(data, ensure_ascii=False)},
        ]
