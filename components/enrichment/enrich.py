"""Describe every item by a language model, once: ask for what is missing, check all answers, set bad ones aside."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from components.catalogue.tables import read_items, read_shop
from components.core.stage import Counts, Input, Output, stage
from components.enrichment.answer_cache import AnswerCache, Line
from components.enrichment.ask import Asking, Question
from components.enrichment.budget import Budget
from components.enrichment.checks import AnswerRejectedError, check_line
from components.enrichment.estimate import Estimate, estimate_cost
from components.enrichment.indexed_description import encode_description
from components.enrichment.item_facts import item_hash
from components.enrichment.language_model import LanguageModel, check_endpoint
from components.enrichment.local_server import serve_model
from components.enrichment.prompt import Prompt
from components.enrichment.settings import EnrichmentError, EnrichmentSettings
from components.pinned_packages.settings import PinnedPackagesSettings

log = logging.getLogger(__name__)
Items = Sequence[dict[Any, Any]]
COLUMNS = ["item_id", "description", "model", "date"]
QUARANTINE_COLUMNS = ["item_id", "part", "reason", "value", "model", "date"]


def read_kind(catalogue: Path) -> str:
    """Return the kind of a catalogue, by which its prompt is chosen.

    Raises EnrichmentError where the catalogue was read by a version that knew no kinds.
    """
    kind = read_shop(catalogue).get("kind")
    if not kind:
        raise EnrichmentError(
            f"{catalogue}/shop.json has no kind. Read the catalogue again: dvc repro --force catalogue"
        )
    return str(kind)


def open_answers(
    cache: Path, known_answers: Path, shipped_films: Path, shipped_fashion: Path, **_others: Path
) -> AnswerCache:
    """Open all answers that there are, by some of the paths of `main`; one's own count before shipped ones, and these before an earlier run's."""
    return AnswerCache(cache, [known_answers, shipped_films, shipped_fashion])


def find_questions(items: Items, prompt: Prompt, cache: AnswerCache, max_characters: int) -> list[Question]:
    """Return what has to be asked: the items without an answer to this prompt, each text once."""
    questions: dict[str, Question] = {}
    for item in items:
        key = item_hash(item), prompt.hash
        if key not in cache and key[0] not in questions:
            messages = prompt.messages(item, max_characters)
            questions[key[0]] = Question(str(item["item_id"]), *key, messages=messages)
    return list(questions.values())


def tonights_budget(cache: AnswerCache, settings: EnrichmentSettings) -> Budget:
    """Return the budget with what was spent today, also by runs that were killed."""
    budget = Budget(settings)
    for line in cache.lines_of(datetime.now(UTC).date().isoformat()):
        budget.add(line)
    return budget


@contextmanager
def open_engine(
    settings: EnrichmentSettings, pinned_settings: PinnedPackagesSettings, folder: Path
) -> Iterator[EnrichmentSettings]:
    """Yield the settings that reach the engine's model; a local one is served meanwhile."""
    if settings.engine == "local":
        with serve_model(settings, pinned_settings.smollm2, folder) as reached:
            yield reached
    else:
        check_endpoint(settings)
        yield settings


def ask_missing(
    questions: Sequence[Question],
    prompt: Prompt,
    cache: AnswerCache,
    settings: EnrichmentSettings,
    pinned_settings: PinnedPackagesSettings,
) -> str | None:
    """Ask for what is missing; return why not all of it was asked, None where it was."""
    if settings.engine == "shipped" or not questions:
        return None
    with cache.open_for_writing(), open_engine(settings, pinned_settings, cache.file.parent) as reached:
        # Another run may have asked since they were looked up
        questions = [asked for asked in questions if (asked.item_hash, asked.prompt_hash) not in cache]
        model = LanguageModel(reached, prompt.schema_)
        return Asking(model, cache, tonights_budget(cache, settings), reached).ask(questions)


def check_answers(
    items: Items, prompt: Prompt, cache: AnswerCache, language: str
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[Line]]:
    """Return rows of believed descriptions, rows of what is set aside, and the answers that both are made of."""
    described, quarantined, used = [], [], []
    for item in items:
        line = cache.read((item_hash(item), prompt.hash))
        if line is None:
            continue
        used.append(line)
        item_id, source = str(item["item_id"]), (line["model"], line["date"])
        try:
            checked = check_line(line, item, prompt, language)
        except AnswerRejectedError as fault:
            raw = line.get("text") or json.dumps(line.get("answer"), ensure_ascii=False)
            quarantined.append((item_id, "answer", str(fault), raw, *source))
            continue
        quarantined += [(item_id, "wish", reason, wish, *source) for wish, reason in checked.dropped_wishes]
        # What nobody knows has no row: the item keeps its own text
        if checked.description.known:
            origin = {"model": line["model"], "date": line["date"]}
            text = encode_description(checked.description, item, prompt.field_weights, origin)
            described.append((item_id, text, *source))
    return described, quarantined, used


def write_answers(lines: Sequence[Line], file: Path) -> None:
    """Write answers, each once, in the order of what was asked: the same answers give the same bytes."""
    ordered = {(line["item_hash"], line["prompt_hash"]): line for line in lines}
    with file.open("w", encoding="utf-8") as stream:
        for key in sorted(ordered):
            stream.write(json.dumps(ordered[key], ensure_ascii=False) + "\n")


def estimate_stage(paths: Mapping[str, Path], settings: EnrichmentSettings) -> Estimate:
    """Estimate what a run of this stage would cost; paths: those of `main`, by name."""
    items: Items = read_items(paths["catalogue"]).to_dict("records")
    prompt = Prompt.read(paths["prompts"], read_kind(paths["catalogue"]))
    store = open_answers(**paths)
    questions = find_questions(items, prompt, store, settings.maximum_item_characters)
    return estimate_cost(len(items), questions, store, settings)


@stage(EnrichmentSettings)
def main(
    catalogue: Input,
    prompts: Input,
    shipped_films: Input,
    shipped_fashion: Input,
    cache: Input,
    known_answers: Input,
    answers: Output,
    descriptions: Output,
    quarantine: Output,
    metrics: Output,
    settings: EnrichmentSettings,
    pinned_settings: PinnedPackagesSettings,
) -> Counts:
    """Write the descriptions, what is set aside with the reason, and the answers that both are made of.

    cache: a folder to which each answer is added as soon as it comes. known_answers: the `answers` of an earlier run,
    here or on another machine.
    """
    items: Items = read_items(catalogue).to_dict("records")
    prompt = Prompt.read(prompts, read_kind(catalogue))
    store = open_answers(cache, known_answers, shipped_films, shipped_fashion)
    questions = find_questions(items, prompt, store, settings.maximum_item_characters)
    stopped = ask_missing(questions, prompt, store, settings, pinned_settings)
    described, quarantined, used = check_answers(items, prompt, store, settings.language)
    write_answers(used, answers)
    pd.DataFrame(described, columns=COLUMNS).astype("str").to_parquet(descriptions, index=False)
    pd.DataFrame(quarantined, columns=QUARANTINE_COLUMNS).astype("str").to_parquet(quarantine, index=False)
    set_aside = sum(part == "answer" for _, part, *_ in quarantined)
    counts = {
        "items": len(items),
        "described": len(described),
        "unknown": len(used) - len(described) - set_aside,
        "quarantined": set_aside,
        "dropped_wishes": len(quarantined) - set_aside,
        "without_answer": len(items) - len(used),
        # A run that finds it above 0 runs this stage again although nothing has changed
        "unfinished": 0 if settings.engine == "shipped" else len(items) - len(used),
    }
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    if stopped:
        log.warning(
            "%s of %s items have no answer yet: %s. The next run goes on with them, or at once: tandem enrich",
            len(items) - len(used),
            len(items),
            stopped.rstrip("."),
        )
    return counts


if __name__ == "__main__":
    main.cli()
