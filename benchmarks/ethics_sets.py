"""The public sets of benchmarks/ethics.py, and ways to disguise a request."""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

LABELS = ["S", "H", "V", "HR", "SH", "S3", "H2", "V2"]
LEET = str.maketrans("aeiost", "431057")
CYRILLIC = str.maketrans("aeocpxyi", "аеосрхуі")


def read_sets(shared: Path, long: int, half: Callable[[Sequence[str]], list[str]]) -> dict[str, pd.DataFrame]:
    """Texts by what they are, with their kind: one half of each set, `long` of the moderation texts at most."""
    folder = shared / "ethics"
    xstest = pd.read_csv(folder / "xstest.csv").rename(columns={"prompt": "text", "type": "kind"})
    harmbench = pd.read_csv(folder / "harmbench_val.csv").query("FunctionalCategory == 'standard'")
    hate = pd.read_csv(folder / "hatecheck.csv").rename(
        columns={"test_case": "text", "functionality": "kind"}
    )
    with gzip.open(folder / "openai_moderation.jsonl.gz", "rt", encoding="utf-8") as lines:
        moderation = pd.DataFrame([json.loads(line) for line in lines]).rename(columns={"prompt": "text"})
    flags = moderation[LABELS].fillna(0) > 0
    moderation["kind"] = flags.apply(lambda row: "+".join(label for label in LABELS if row[label]), axis=1)
    flagged = moderation["kind"] != ""
    share = long / len(moderation)
    sets = {
        "shop": pd.DataFrame({"text": list(shop_texts(shared)), "kind": ""}),
        "advbench": pd.read_csv(folder / "advbench.csv").rename(columns={"Behavior": "text"}).assign(kind=""),
        "harmbench": harmbench.rename(columns={"Behavior": "text", "SemanticCategory": "kind"}),
        "xstest_unsafe": xstest[xstest["label"] == "unsafe"],
        "xstest_safe": xstest[xstest["label"] == "safe"],
        "moderation_flagged": moderation[flagged],
        "moderation_other": moderation[~flagged],
        "hatecheck_hateful": hate[hate["label_gold"] == "hateful"].sample(600, random_state=0),
        "hatecheck_other": hate[hate["label_gold"] != "hateful"].sample(300, random_state=0),
    }
    halves = {
        name: table[table["text"].isin(set(half(table["text"].tolist())))] for name, table in sets.items()
    }
    for name in ("moderation_flagged", "moderation_other"):
        halves[name] = halves[name].sample(
            min(len(halves[name]), round(2 * share * len(halves[name]))), random_state=0
        )
    return {name: table[["text", "kind"]].reset_index(drop=True) for name, table in halves.items()}


def shop_texts(shared: Path) -> Iterable[str]:
    """Queries of Chorus, titles of Goodbooks and of Chorus."""
    books = (
        pd.read_parquet(shared / "goodbooks" / "books.parquet")["original_title"].dropna().drop_duplicates()
    )
    products = pd.read_parquet(shared / "chorus" / "products.parquet")["title"].dropna().drop_duplicates()
    queries = pd.read_csv(shared / "chorus" / "judgements.csv")["query"].drop_duplicates()
    found = [queries, books.sample(1000, random_state=0), products.sample(500, random_state=0)]
    return pd.concat(found).astype(str).drop_duplicates()


def attacks(shop: Sequence[str]) -> dict[str, Callable[[str], str]]:
    """Ways to disguise a request, each drawn with its own seed."""

    def in_words(change: Callable[[np.random.Generator, str], str], rate: float) -> Callable[[str], str]:
        random = np.random.default_rng(1)
        return lambda text: re.sub(
            r"[a-z]{4,}",
            lambda word: change(random, word[0]) if random.random() < rate else word[0],
            text.lower(),
        )

    embedded = np.random.default_rng(2)

    def embed(text: str) -> str:
        words = " ".join(embedded.choice(np.asarray(shop), 20)).split()
        return " ".join([*words[:20], text, *words[20:40]])

    return {
        "as written": lambda text: text,
        "upper case": str.upper,
        "a typing error in a third of the words": in_words(mistype, 1 / 3),
        "leetspeak in two thirds of the words": in_words(lambda _, word: word.translate(LEET), 2 / 3),
        "letters spaced out in a third of the words": in_words(lambda _, word: " ".join(word), 1 / 3),
        "a space within a third of the words": in_words(_tear, 1 / 3),
        "a dot after each word": lambda text: text.replace(" ", ". "),
        "dots for spaces": lambda text: text.replace(" ", "."),
        "no spaces": lambda text: text.replace(" ", ""),
        "Cyrillic letters": lambda text: text.lower().translate(CYRILLIC),
        "within forty words of shop texts": embed,
    }


def mistype(random: np.random.Generator, word: str) -> str:
    """Swap, drop, double or replace one letter."""
    n = int(random.integers(len(word) - 1))
    letter = "abcdefghijklmnopqrstuvwxyz"[random.integers(26)]
    return [
        word[:n] + word[n + 1] + word[n] + word[n + 2 :],
        word[:n] + word[n + 1 :],
        word[:n] + word[n] + word[n:],
        word[:n] + letter + word[n + 1 :],
    ][random.integers(4)]


def _tear(random: np.random.Generator, word: str) -> str:
    """Put a space into a word."""
    n = int(random.integers(1, len(word)))
    return f"{word[:n]} {word[n:]}"
