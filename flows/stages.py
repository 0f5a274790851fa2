"""Run one stage of the graph as `dvc repro` would, watching what it prints."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

State = Literal["ran", "cached", "restored"]
ROOT_VARIABLE = "TANDEM_RUN_ROOT"
LOG_LINES_SHOWN = 25
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StageError(Exception):
    """A stage that ended badly, with the last lines that it printed and where the rest is."""


@dataclass(frozen=True)
class Result:
    """How one stage ended: run now, unchanged, or restored from DVC's cache of earlier runs."""

    name: str
    state: State
    seconds: float


def reproduce(name: str, root: Path, log: Path, show: Callable[[str], None]) -> Result:
    """Bring one stage up to date with DVC, passing each line of its progress to `show`.

    Raises StageError with the stage's last lines.
    """
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    lines: list[str] = []
    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            cwd=root,
            env=_environment(root),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        assert process.stdout is not None
        for line in _split(process.stdout.fileno()):
            show(line)
            lines.append(line)
            file.write(line + "\n")
            file.flush()
    if process.returncode != 0:
        raise StageError("\n".join([*_worth_showing(lines), f"All that it printed: {log}"]))
    return Result(name, _state(name, lines), time.monotonic() - started)


def end_abandoned(root: Path) -> int:
    """End the processes of a run that was killed; returns how many there were. Call it with the run's lock held."""
    me = psutil.Process()
    mine = {me.pid, *(process.pid for process in [*me.parents(), *me.children(recursive=True)])}
    abandoned = []
    for process in psutil.process_iter():
        try:
            if process.pid not in mine and process.environ().get(ROOT_VARIABLE) == str(root.resolve()):
                process.kill()
                abandoned.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    psutil.wait_procs(abandoned, timeout=10)
    return len(abandoned)


def mark(root: Path) -> dict[str, str]:
    """What a process has in its environment by which a later run knows it for one of an earlier run."""
    return {ROOT_VARIABLE: str(root.resolve())}


def _environment(root: Path) -> dict[str, str]:
    """The stage's commands use this Python, and carry the run's mark."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"} | mark(root)


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
