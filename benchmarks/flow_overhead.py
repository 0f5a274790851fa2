"""Measure what the flow costs when nothing has changed: `tandem run` beside `dvc repro`, in turns, in a project up to date.

python benchmarks/flow_overhead.py --root . --repeats 3 --json benchmarks/results/flow_overhead.json
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import psutil
import typer
import yaml

COMMANDS = {"dvc repro": ("dvc", "repro", "--quiet"), "tandem run": ("tandem", "run")}
GOAL_TIMES, GOAL_SECONDS = 1.5, 10.0


def measure_command(command: tuple[str, ...], root: Path) -> tuple[float, float]:
    """Return wall seconds, and CPU seconds of the command with all that it started and waited for."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        cwd=root, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu


def main(
    root: Annotated[
        Path, typer.Option(help="A project that is up to date: tandem run has ended well")
    ] = Path(),
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each command")] = 3,
    target: Annotated[Path | None, typer.Option("--json", help="Where the figures go")] = None,
) -> None:
    """Measure both, print the medians, and whether the goal of 1.5 times and 10 seconds is met."""
    stages = len(yaml.safe_load((root / "dvc.yaml").read_text())["stages"])
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, turns in measured.items():
            turns.append(measure_command(COMMANDS[name], root))
    figures = {
        name: {
            "seconds": [round(wall, 2) for wall, _ in turns],
            "median_seconds": round(statistics.median(wall for wall, _ in turns), 2),
            "median_cpu_seconds": round(statistics.median(cpu for _, cpu in turns), 2),
        }
        for name, turns in measured.items()
    }
    peer, own = figures["dvc repro"]["median_seconds"], figures["tandem run"]["median_seconds"]
    summary = {
        "stages": stages,
        "repeats": repeats,
        "cores": psutil.cpu_count(),
        "load": os.getloadavg()[0],
        "commands": figures,
        "ratio": round(own / peer, 2),
        "extra_seconds_a_stage": round((own - peer) / stages, 2),
        "goal_seconds": round(GOAL_TIMES * peer + GOAL_SECONDS, 2),
        "goal_met": own <= GOAL_TIMES * peer + GOAL_SECONDS,
    }
    print(json.dumps(summary, indent=1))
    if target is not None:
        target.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
