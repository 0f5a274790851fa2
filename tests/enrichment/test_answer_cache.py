"""Answers that were paid for are found again, whatever text they have and wherever a writer was killed."""

import json
import resource
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.enrichment.answer_cache import AnswerCache, Key, Line, read_lines
from components.enrichment.settings import EnrichmentError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # half of a character is no text
KEYS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["p", "q"]))
STEPS = st.lists(st.one_of(st.tuples(KEYS, TEXTS), st.just("reopen")), max_size=12)


def line_of(key: Key, text: str = "said", **changes: Any) -> Line:
    line = {"item_id": key[0], "item_hash": key[0], "prompt_hash": key[1], "model": "m", "date": "2026-12-01"}
    return line | {"text": text} | changes


def write(cache: AnswerCache, *lines: Line) -> None:
    with cache.open_for_writing():
        for line in lines:
            cache.append(line)


def texts(cache: AnswerCache, keys: Mapping[Key, object]) -> dict[Key, str]:
    """What a cache answers to questions."""
    found = {key: cache.read(key) for key in keys}
    return {key: line["text"] for key, line in found.items() if line is not None}


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_last_answer_to_a_question_is_read_before_and_after_reopening(
    steps: list[tuple[Key, str] | str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        cache, wanted = AnswerCache(Path(name)), dict[Key, str]()
        for step in steps:
            if isinstance(step, str):
                cache = AnswerCache(Path(name))
            else:
                write(cache, line_of(*step))
                wanted[step[0]] = step[1]
            assert texts(cache, wanted) == wanted
        assert all(key in cache for key in wanted) and ("d", "p") not in cache
        assert cache.read(("d", "p")) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.data())
def test_a_line_that_a_killed_writer_left_half_written_is_left_out_and_then_cut(
    said: list[str], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        keys = [(str(number), "p") for number in range(len(said))]
        write(AnswerCache(Path(name)), *map(line_of, keys, said))
        file = Path(name) / "answers.jsonl"
        whole = file.read_bytes()
        last = len(json.dumps(line_of(keys[-1], said[-1]), ensure_ascii=False).encode()) + 1
        file.write_bytes(whole[: -data.draw(st.integers(1, last))])
        wanted = dict(zip(keys[:-1], said[:-1], strict=True))
        assert texts(AnswerCache(Path(name)), dict.fromkeys(keys)) == wanted
        write(AnswerCache(Path(name)), line_of(keys[-1], said[-1]))
        assert file.read_bytes() == whole


def test_reading_alone_changes_no_file(tmp_path: Path) -> None:
    write(AnswerCache(tmp_path), line_of(("a", "p")))
    file = tmp_path / "answers.jsonl"
    file.write_bytes(file.read_bytes() + b'{"item_id": "half')
    before = file.read_bytes()
    assert ("a", "p") in AnswerCache(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (b'{"item_id": "a", "item', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "has no item_id"),
        (b"null", "has no item_id"),
        (b'{"item_id": "a", "item_hash": "b", "prompt_hash": 5}', "has no prompt_hash"),
        (b'{"item_id": "a", "item_hash": "b", "prompt_hash": "c", "date": "d"}', "has no model"),
    ],
)
def test_a_damaged_line_amid_others_is_named_by_file_and_number(
    damage: bytes, reason: str, tmp_path: Path
) -> None:
    write(AnswerCache(tmp_path), line_of(("a", "p")), line_of(("b", "p")))
    file = tmp_path / "answers.jsonl"
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + damage + b"\n" + second)
    with pytest.raises(
        EnrichmentError, match=rf"answers\.jsonl, line 2 {reason}.*Correct or remove that line"
    ):
        AnswerCache(tmp_path)


def test_answers_of_ones_own_go_before_those_of_other_files(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.jsonl"
    lines = [line_of(("a", "p"), "old"), line_of(("a", "p"), "shipped"), line_of(("b", "p"), "shipped")]
    shipped.write_text("".join(json.dumps(line) + "\n" for line in lines))
    cache = AnswerCache(tmp_path / "cache", [tmp_path / "absent.jsonl", shipped])
    write(cache, line_of(("b", "p"), "own"))
    for found in (cache, AnswerCache(tmp_path / "cache", [shipped])):
        assert texts(found, dict.fromkeys([("a", "p"), ("b", "p")])) == {
            ("a", "p"): "shipped",
            ("b", "p"): "own",
        }


def test_the_answers_of_two_machines_are_brought_together_without_changing_any(tmp_path: Path) -> None:
    here, there = AnswerCache(tmp_path / "here"), AnswerCache(tmp_path / "there")
    write(here, line_of(("a", "p"), "here"), line_of(("b", "p"), "here"))
    write(there, line_of(("b", "p"), "there"), line_of(("b", "q"), "there"), line_of(("c", "p"), "there"))
    with there.file.open("ab") as stream:
        stream.write(b'{"item_id": "half')
    assert here.merge(there.file) == 2
    wanted = {("a", "p"): "here", ("b", "p"): "here", ("b", "q"): "there", ("c", "p"): "there"}
    assert texts(here, wanted) == texts(AnswerCache(tmp_path / "here"), wanted) == wanted
    assert here.merge(there.file) == 0 and here.merge(here.file) == 0


def test_a_file_with_a_damaged_line_adds_nothing(tmp_path: Path) -> None:
    cache, other = AnswerCache(tmp_path / "cache"), tmp_path / "other.jsonl"
    other.write_text(json.dumps(line_of(("a", "p"))) + "\nno JSON\n")
    with pytest.raises(EnrichmentError, match=r"other\.jsonl, line 2 is not JSON"):
        cache.merge(other)
    assert ("a", "p") not in cache and not cache.file.exists()


def test_who_asks_keeps_others_from_asking_and_merging_until_it_ends(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(line_of(("a", "p"))) + "\n")
    first, second = AnswerCache(tmp_path / "cache"), AnswerCache(tmp_path / "cache")
    with first.open_for_writing(), pytest.raises(EnrichmentError, match=r"answers\.lock is locked"):
        second.merge(other)
    assert second.merge(other) == 1


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill_up(cache: AnswerCache) -> None:
    """Append an answer, and half of another one that does not fit."""
    write(cache, line_of(("a", "p")))
    with limited_files(cache.file.stat().st_size + 50), cache.open_for_writing(), pytest.raises(OSError):
        cache.append(line_of(("b", "p")))


def test_after_an_answer_that_did_not_fit_the_next_run_reads_the_earlier_ones(tmp_path: Path) -> None:
    fill_up(AnswerCache(tmp_path))
    cache = AnswerCache(tmp_path)
    assert ("a", "p") in cache and ("b", "p") not in cache
    write(cache, line_of(("c", "p")))
    assert [line["item_id"] for _, line in read_lines(cache.file)] == ["a", "c"]


def test_an_answer_that_did_not_fit_damages_none_that_is_added_after_it(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    write(cache, line_of(("a", "p")))
    with cache.open_for_writing():
        with limited_files(cache.file.stat().st_size + 50), pytest.raises(OSError):
            cache.append(line_of(("b", "p")))
        cache.append(line_of(("c", "p")))  # somebody has made room
    assert [line["item_id"] for _, line in read_lines(cache.file)] == ["a", "c"]
