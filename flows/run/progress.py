"""What a person sees while the graph runs: every stage, its state, how far it is, and what remains."""

import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from flows.run.graph import StageNode

MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "ran": ("✔", "green"),
    "restored": ("✔", "green"),
    "cached": ("✔", "dim green"),
    "failed": ("✘", "bold red"),
    "not run": ("–", "yellow"),
}
FINISHED = ("ran", "restored", "cached")


@dataclass
class ProgressRow:
    """One stage as it is shown."""

    name: str
    description: str
    state: str = "waiting"
    started: float = 0.0
    seconds: float = 0.0
    line: str = ""


class ProgressTable:
    """A table that follows the run; on a terminal it is redrawn, elsewhere changes and a heartbeat are printed."""

    def __init__(self, nodes: list[StageNode], heartbeat_seconds: float) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        self.console = Console(width=None if sys.stdout.isatty() else 120)
        self.rows = {node.name: ProgressRow(node.name, node.description) for node in nodes}
        self.began = time.monotonic()
        self._over = threading.Event()
        self._live = Live(
            get_renderable=self.table, console=self.console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> "ProgressTable":
        if self.console.is_terminal:
            self._live.start()
        else:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self.console.is_terminal:
            self._live.stop()
        for row in self.rows.values():
            if row.state in ("waiting", "running"):
                row.state = "not run" if row.state == "waiting" else "failed"
        self.console.print(self.table())

    def start(self, name: str) -> None:
        """Show a stage as running from now on."""
        row = self.rows[name]
        row.state, row.started = "running", time.monotonic()
        self._say(f"▶ {name}: {row.description}")

    def show(self, name: str, line: str) -> None:
        """Show a running stage's last line."""
        self.rows[name].line = line

    def end(self, name: str, state: str, seconds: float) -> None:
        """Show how a stage ended."""
        row = self.rows[name]
        row.state, row.seconds, row.line = state, seconds, ""
        if state != "cached":
            self._say(f"{MARKS[state][0]} {name}: {state} in {seconds:.1f} s ({self._count()})")

    def table(self) -> Table:
        """The run as a table: stage, state, seconds, and what it does or how far it is."""
        table = Table(
            title=f"{self._count()}, {time.monotonic() - self.began:.0f} s",
            title_justify="left",
            box=None,
            expand=True,
        )
        for heading in ("", "stage", "state"):
            table.add_column(heading, no_wrap=True)
        table.add_column("seconds", no_wrap=True, justify="right")
        table.add_column("", style="dim", no_wrap=True, overflow="ellipsis", ratio=1)
        for row in self.rows.values():
            mark, style = MARKS[row.state]
            running = row.state == "running"
            seconds = time.monotonic() - row.started if running else row.seconds
            table.add_row(
                f"[{style}]{mark}[/]",
                f"[{style}]{row.name}[/]",
                row.state,
                "" if row.state in ("waiting", "not run") else f"{seconds:.1f}",
                _plain(row.line if running and row.line else row.description),
            )
        return table

    def _count(self) -> str:
        done = sum(row.state in FINISHED for row in self.rows.values())
        return f"{done} of {len(self.rows)} stages done"

    def _say(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")

    def _beat(self) -> None:
        while not self._over.wait(self.heartbeat_seconds):
            for row in self.rows.values():
                if row.state == "running":
                    self._say(f"  {row.name}, {time.monotonic() - row.started:.0f} s: {row.line}")
            waiting = [row.name for row in self.rows.values() if row.state == "waiting"]
            self._say(f"  {self._count()}; waiting: {', '.join(waiting) or 'nothing'}")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
