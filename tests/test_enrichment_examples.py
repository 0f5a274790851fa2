"""The shipped answers of a language model have the form that their prompt asks for, one for each item."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples/enrichment"
LISTS = ("themes", "moods", "occasions", "people_and_makers", "similar_to", "keywords")
MAX_SUMMARY_WORDS = 60


def read_answers(kind: str) -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob(f"{kind}*.jsonl"))
    return [json.loads(line) for file in files for line in file.open(encoding="utf-8")]


@pytest.mark.parametrize("kind", ["films", "fashion"])
def test_each_answer_has_the_fields_of_the_prompt_and_five_wishes(kind: str) -> None:
    prompt_hash = sha256((FOLDER / f"{kind}.md").read_bytes()).hexdigest()[:16]
    for answer in read_answers(kind):
        assert answer["prompt_hash"] == prompt_hash, answer["item_id"]
        assert all(isinstance(answer[name], list) for name in LISTS), answer["item_id"]
        assert len(answer["summary"].split()) <= MAX_SUMMARY_WORDS, answer["item_id"]
        assert len(answer["wishes"]) == (5 if answer["known"] else 0), answer["item_id"]


def test_every_article_of_the_made_up_shop_has_one_answer() -> None:
    items = pd.read_csv(ROOT / "examples/fashion/items.csv", dtype=str)["item_id"].tolist()
    assert [answer["item_id"] for answer in read_answers("fashion")] == items


def test_every_film_has_one_answer() -> None:
    found = [answer["item_id"] for answer in read_answers("films")]
    assert len(found) == len(set(found)) == 1685
