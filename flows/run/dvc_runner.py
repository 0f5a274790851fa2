"""Run one stage of the graph as `dvc repro` would, watching what it prints."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Literal

from components.core.transient_errors import EXIT_STATUS
from flows.run.crash_recovery import end_stage
from flows.run.run_lock import mark

State = Literal["ran", "cached", "restored"]
LOG_LINES_SHOWN = 25
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
EXITED = re.compile(r"failed to run: .*, exited with (-?\d+)$")
BUSY = "is busy, it is being blocked by"
KILLED = {-SIGKILL, 128 + SIGKILL}


class StageError(Exception):
    """A stage that ended badly, with the last lines that it printed and where the rest is.

    may_pass: whether it is worth another try as it is: the stage exited with EX_TEMPFAIL, or another holds its files.
    """

    def __init__(self, message: str, may_pass: bool) -> None:
        super().__init__(message, may_pass)
        self.message, self.may_pass = message, may_pass

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class StageResult:
    """How one stage ended: run now, unchanged, or restored from DVC's cache of earlier runs."""

    name: str
    state: State
    seconds: float


def reproduce(name: str, root: Path, log: Path, minutes: float, show: Callable[[str], None]) -> StageResult:
    """Bring one stage up to date with DVC, passing each line of its progress to `show`.

    Raises StageError with the stage's last lines, also after so many minutes, when all its processes are ended.
    """
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    lines: list[str] = []
    over = threading.Event()

    def end() -> None:
        over.set()
        end_stage(root, name)

    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            cwd=root,
            env=environment() | mark(root, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        limit = threading.Timer(minutes * 60, end)
        limit.daemon = True
        limit.start()
        assert process.stdout is not None
        for line in _split(process.stdout.fileno()):
            show(line)
            lines.append(line)
            file.write(line + "\n")
            file.flush()
    limit.cancel()
    if over.is_set():
        lines.append(f"It took longer than {minutes:g} minutes: see stage_minutes in conf/nightly.yaml.")
    if process.returncode != 0 or over.is_set():
        raise _fault(lines, log, over.is_set())
    return StageResult(name, _state(name, lines), time.monotonic() - started)


def _fault(lines: list[str], log: Path, too_long: bool) -> StageError:
    """What a stage that ended badly printed last, with a word on a kill by the system."""
    statuses = [int(found[1]) for line in lines if (found := EXITED.search(line))]
    status = statuses[-1] if statuses else None
    said = _worth_showing(lines)
    if status in KILLED and not too_long:
        said.append("It was killed from outside: most often because memory ran out.")
    may_pass = status == EXIT_STATUS or any(BUSY in line for line in lines)
    return StageError("\n".join([*said, f"All that it printed: {log}"]), may_pass)


def environment() -> dict[str, str]:
    """This process's, in which a stage's `python` is the one that runs here and prints at once."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def _split(descriptor: int) -> Iterator[str]:
    """Lines as they come, a progress bar's carriage returns counted as line ends."""
    pending = b""
    while chunk := os.read(descriptor, 65536):
        *complete, pending = re.split(rb"[\r\n]+", pending + chunk)
        yield from (text for line in complete if (text := _clean(line)))
    if text := _clean(pending):
        yield text


def _clean(line: bytes) -> str:
    return ESCAPE.sub("", line.decode(errors="replace")).rstrip()


def _worth_showing(lines: list[str]) -> list[str]:
    """The last lines without progress bars and DVC's own advice."""
    return [line for line in lines if "it/s" not in line and "s/it" not in line][-LOG_LINES_SHOWN:]


def _state(name: str, lines: list[str]) -> State:
    if any(line.startswith(f"Stage '{name}' didn't change") for line in lines):
        return "cached"
    if any(line.startswith(f"Stage '{name}' is cached") for line in lines):
        return "restored"
    return "ran"
