"""Kill -9 and Ctrl-C at random moments: no answer that came is asked for again, and every item is described."""

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from components.catalogue.tables import read_items
from components.enrichment.answer_cache import AnswerCache, Line
from components.enrichment.ask import Asking
from components.enrichment.budget import Budget
from components.enrichment.enrich import find_questions
from components.enrichment.language_model import LanguageModel
from components.enrichment.prompt import Prompt
from components.enrichment.settings import EnrichmentSettings
from tests.enrichment.conftest import PROJECT, PROMPTS, Shop, film
from tests.enrichment.endpoint import Asked, Endpoint, Reply, well

ITEMS, AT_ONCE, ANSWER_SECONDS = 60, 4, 0.03
BUSY_SECONDS = ITEMS / AT_ONCE * ANSWER_SECONDS  # how long an undisturbed run asks


def slowly(asked: Asked) -> Reply:
    return replace(well(asked), seconds=ANSWER_SECONDS)


@pytest.fixture
def large(shop: Shop, endpoint: Endpoint) -> Shop:
    shop.put(*map(film, range(ITEMS)))
    endpoint.behave = slowly
    return shop


@contextmanager
def started(shop: Shop, endpoint: Endpoint) -> Iterator["subprocess.Popen[str]"]:
    """A run in a process of its own, from its first request on."""
    before = len(endpoint.asked)
    process = subprocess.Popen(
        shop.command(concurrency=AT_ONCE), cwd=PROJECT, stderr=subprocess.PIPE, text=True
    )
    try:
        while len(endpoint.asked) == before:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.002)
        yield process
    finally:
        process.kill()
        process.communicate()


def kept(shop: Shop) -> list[str]:
    """The ids of the items whose answers are on the disk."""
    return [line["item_id"] for line in shop.lines()]


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.endurance)]
)
def test_a_killed_run_asks_no_item_twice_but_those_under_way_when_it_was_killed(
    kills: int, large: Shop, endpoint: Endpoint
) -> None:
    chance, under_way = random.Random(kills), Counter[str]()
    for _ in range(kills):
        with started(large, endpoint) as process:
            time.sleep(chance.uniform(0, 0.6 * BUSY_SECONDS / kills))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        time.sleep(0.1)  # the server may still be reading what was sent
        asked = endpoint.counts
        have = kept(large)
        assert len(have) == len(set(have)) < ITEMS
        lost = asked - Counter(have) - under_way
        assert sum(lost.values()) <= AT_ONCE
        under_way += lost
    assert large.run(concurrency=AT_ONCE)["described"] == ITEMS
    assert sorted(kept(large)) == sorted(large.described())
    # Every request is of an answer that is kept, or was under way at a kill
    assert endpoint.counts == Counter(kept(large)) + under_way


@pytest.mark.slow
def test_what_a_killed_run_spent_today_is_not_spent_again(large: Shop, endpoint: Endpoint) -> None:
    with started(large, endpoint) as process:
        time.sleep(BUSY_SECONDS / 3)
        process.kill()
    spent = len(kept(large))
    assert 0 < spent < 50
    time.sleep(0.1)  # the server may still be reading what was sent
    before = len(endpoint.asked)
    assert large.run(concurrency=AT_ONCE, maximum_requests=50)["unfinished"] == ITEMS - 50
    assert len(endpoint.asked) - before == 50 - spent


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_ctrl_c_waits_for_what_is_under_way_and_loses_no_answer(
    seed: int, large: Shop, endpoint: Endpoint
) -> None:
    with started(large, endpoint) as process:
        time.sleep(random.Random(seed).uniform(0, 0.8 * BUSY_SECONDS))
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=60)[1]
    assert process.returncode != 0 and "done in" not in printed
    assert sorted(kept(large)) == sorted(endpoint.counts) and len(kept(large)) < ITEMS
    assert not large.paths()["metrics"].exists()

    assert large.run(concurrency=AT_ONCE)["described"] == ITEMS
    assert set(endpoint.counts.values()) == {1} and len(endpoint.counts) == ITEMS


class InterruptedCache(AnswerCache):
    """A cache that Ctrl-C meets while it begins to write its third answer."""

    begun = 0

    def append(self, line: Line) -> None:
        self.begun += 1
        if self.begun == 3:
            raise KeyboardInterrupt
        super().append(line)


def test_ctrl_c_while_an_answer_is_being_written_loses_none(shop: Shop, endpoint: Endpoint) -> None:
    settings, prompt = EnrichmentSettings(**shop.settings(concurrency=1)), Prompt.read(PROMPTS, "films")
    cache = InterruptedCache(shop.cache)
    questions = find_questions(read_items(shop.catalogue).to_dict("records"), prompt, cache, 4000)
    with cache.open_for_writing(), pytest.raises(KeyboardInterrupt):
        Asking(LanguageModel(settings, prompt.schema_), cache, Budget(settings), settings).ask(questions)
    assert kept(shop) == endpoint.answered == ["i0", "i1", "i2"]
