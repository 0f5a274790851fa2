"""Run one stage of the graph as `dvc repro` does, and follow what it prints."""

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
from flows.run.run_lock import mark_environment

State = Literal["ran", "cached", "restored"]
MAX_LINES_SHOWN = 25
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# DVC exits with the same status for every error: its messages tell them apart.
EXITED = re.compile(r"failed to run: .*, exited with (-?\d+)$")
BUSY = "is busy, it is being blocked by"
KILLED = {-SIGKILL, 128 + SIGKILL}  # as subprocess and as a shell report it


class StageError(Exception):
    """A stage that failed, with the last lines that it printed and the path of the rest.

    is_transient: whether to retry it as it is: the stage exited with EX_TEMPFAIL, or another process holds its files.
    """

    def __init__(self, message: str, is_transient: bool) -> None:
        super().__init__(message, is_transient)  # both, as pickle builds an exception anew from these
        self.message, self.is_transient = message, is_transient

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class StageResult:
    """The end of one stage: run now, unchanged, or restored from DVC's cache of earlier runs."""

    name: str
    state: State
    seconds: float


def run_stage(
    name: str, root: Path, log: Path, minutes: float, show: Callable[[str], None], force: bool = False
) -> StageResult:
    """Bring one stage up to date with DVC, passing each line of its progress to `show`.

    force: run it even though nothing that it reads has changed.

    Raises StageError with the stage's last lines, also after so many minutes; then all its processes are ended.
    """
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    # --wait-for-lock: DVC locks the repository for a moment around each command, and stages run at once.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    if force:
        command.append("--force")
    lines: list[str] = []
    is_late = threading.Event()

    def end_late() -> None:
        is_late.set()
        end_stage(root, name)

    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            cwd=root,
            env=stage_environment() | mark_environment(root, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        limit = threading.Timer(minutes * 60, end_late)
        limit.daemon = True  # a run that ends otherwise does not wait for the limit
        limit.start()
        assert process.stdout is not None
        for line in _split_lines(process.stdout.fileno()):
            show(line)
            lines.append(line)
            file.write(line + "\n")
            file.flush()  # a log that is read while the stage runs, or after kill -9, is up to date
    limit.cancel()
    if is_late.is_set():
        lines.append(f"It took longer than {minutes:g} minutes: see stage_minutes in conf/nightly.yaml.")
    if process.returncode != 0 or is_late.is_set():
        raise _build_error(lines, log, is_late.is_set())
    return StageResult(name, _read_state(name, lines), time.monotonic() - started)


def _build_error(lines: list[str], log: Path, is_late: bool) -> StageError:
    """Return the error of a failed stage: its last lines, and a likely reason if the system killed it."""
    status, is_busy = None, False
    for line in lines:
        is_busy = is_busy or BUSY in line
        if exited := EXITED.search(line):
            status = int(exited[1])
    # Progress bars and their advice would fill the few lines that are shown.
    shown = [line for line in lines if "it/s" not in line and "s/it" not in line][-MAX_LINES_SHOWN:]
    if status in KILLED and not is_late:
        shown.append("It was killed from outside: most often because memory ran out.")
    return StageError("\n".join([*shown, f"All that it printed: {log}"]), is_busy or status == EXIT_STATUS)


def stage_environment() -> dict[str, str]:
    """Return this process's environment, in which `python` is the one that runs here and does not buffer its output."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # Threads that wait by spinning take the processors from the stage that runs beside: encoding was a third slower.
    waiting = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    return os.environ | waiting | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def _split_lines(descriptor: int) -> Iterator[str]:
    """Yield lines as they come. A carriage return, with which a progress bar redraws itself, ends a line too."""
    pending = b""
    while chunk := os.read(descriptor, 65536):
        *complete, pending = re.split(rb"[\r\n]+", pending + chunk)
        yield from filter(None, map(_clean_line, complete))
    if text := _clean_line(pending):
        yield text


def _clean_line(line: bytes) -> str:
    return ESCAPE.sub("", line.decode(errors="replace")).rstrip()


def _read_state(name: str, lines: list[str]) -> State:
    printed = "\n".join(["", *lines])
    if f"\nStage '{name}' didn't change" in printed:
        return "cached"
    if f"\nStage '{name}' is cached" in printed:
        return "restored"
    return "ran"
