"""The answers of language models, one a line of JSON, found by what was asked; nothing that was paid for is lost.

A line has item_id, item_hash, prompt_hash, model, date, input_tokens, output_tokens, requests and the answer: `answer`
where it is JSON, else `text` as the model wrote it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock, Timeout

from components.enrichment.settings import EnrichmentError

Line = dict[str, Any]
Key = tuple[str, str]  # hashes of the item and of the prompt
REQUIRED = ("item_id", "item_hash", "prompt_hash", "model", "date")
MERGED = "merged"  # marks answers that another machine asked for
OWN_FILE, LOCK_FILE = "answers.jsonl", "answers.lock"


class AnswerCache:
    """Answers in files of JSON lines, and a folder whose file is appended to; the last line of a question counts.

    Of each line only its place is kept in memory.
    """

    def __init__(self, folder: Path, others: Iterable[Path] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.lock = folder / OWN_FILE, FileLock(folder / LOCK_FILE)
        self._places: dict[Key, tuple[Path, int]] = {}
        for file in (*others, self.file):
            if file.is_file():
                self._index_file(file)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def read(self, key: Key) -> Line | None:
        """Return the answer to a question, None where it was never answered."""
        place = self._places.get(key)
        if place is None:
            return None
        file, offset = place
        with file.open("rb") as stream:
            stream.seek(offset)
            line: Line = json.loads(stream.readline())
        return line

    @contextmanager
    def open_for_writing(self) -> Iterator[None]:
        """Keep other processes from asking at the same time; drop what a killed writer left half-written.

        Raises EnrichmentError where another process is asking.
        """
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise EnrichmentError(
                f"Another run is asking for descriptions ({self.lock.lock_file} is locked). Wait until it ends, or end it."
            ) from None
        try:
            self._cut_half_line()
            # Another run may have written since this one looked
            if self.file.is_file():
                self._index_file(self.file)
            yield
        finally:
            self.lock.release()

    def append(self, line: Line) -> None:
        """Add an answer; it is on the disk when this returns."""
        data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        # Unbuffered: what finds no room must not be written by a later flush, in the middle of another line
        with self.file.open("ab", buffering=0) as stream:
            offset, rest = stream.tell(), memoryview(data)
            try:
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
            except BaseException:
                with suppress(OSError):
                    stream.truncate(offset)
                raise
        self._places[_key_of(line)] = self.file, offset

    def merge(self, file: Path) -> int:
        """Add the answers of a file, such as another machine's, to questions that have none; return their number.

        Raises EnrichmentError naming a line that is no answer; then none is added.
        """
        found = {_key_of(line): line for _, line in read_lines(file)}
        with self.open_for_writing():
            new = [line for key, line in found.items() if key not in self]
            for line in new:
                self.append(line | {MERGED: True})
        return len(new)

    def lines_of(self, date: str) -> Iterator[Line]:
        """Yield the answers that were paid for here on a day, such as 2026-12-01."""
        if self.file.is_file():
            for _, line in read_lines(self.file):
                # What another machine paid for is no spending of this one
                if line["date"] == date and not line.get(MERGED):
                    yield line

    def mean_output_tokens(self) -> float:
        """Return the mean number of tokens of the answers that were paid for here; 0 without any."""
        tokens = []
        if self.file.is_file():
            for _, line in read_lines(self.file):
                if line.get("output_tokens"):
                    tokens.append(int(line["output_tokens"]))
        return fmean(tokens) if tokens else 0.0

    def _index_file(self, file: Path) -> None:
        for offset, line in read_lines(file):
            self._places[_key_of(line)] = file, offset

    def _cut_half_line(self) -> None:
        """Cut a last line without its end, which a process that was killed while it wrote leaves behind."""
        if not self.file.is_file():
            return
        data = self.file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.file, whole)


def read_lines(file: Path) -> Iterator[tuple[int, Line]]:
    """Yield the answers of a file, each with the place where its line starts; a last line without its end is left out.

    Raises EnrichmentError naming a line that is no answer.
    """
    offset = 0
    with file.open("rb") as stream:
        for number, data in enumerate(stream, start=1):
            if not data.endswith(b"\n"):
                return
            yield offset, _read_line(file, number, data)
            offset += len(data)


def _read_line(file: Path, number: int, data: bytes) -> Line:
    try:
        line = json.loads(data)
    except ValueError as error:
        raise EnrichmentError(
            f"{file}, line {number} is not JSON: {error}. Correct or remove that line."
        ) from None
    missing = [name for name in REQUIRED if not isinstance(line, dict) or not isinstance(line.get(name), str)]
    if missing:
        raise EnrichmentError(f"{file}, line {number} has no {missing[0]}. Correct or remove that line.")
    return dict(line)


def _key_of(line: Mapping[str, Any]) -> Key:
    return line["item_hash"], line["prompt_hash"]
