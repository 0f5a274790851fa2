"""Show the progress of a run in the terminal: every stage, its state, its last line, and what remains."""

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
    """A table that follows the run. A terminal redraws it; elsewhere changes and a heartbeat are printed."""

    def __init__(self, nodes: list[StageNode], heartbeat_seconds: float) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        # A pipe has no width: Rich takes 80 columns there, too few for a description beside the name and the state.
        self.console = Console(width=None if sys.stdout.isatty() else 120)
        self.rows = {node.name: ProgressRow(node.name, node.description) for node in nodes}
        self.began = time.monotonic()
        self._over = threading.Event()
        self._live = Live(
            get_renderable=self.render_table, console=self.console, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> "ProgressTable":
        if self.console.is_terminal:
            self._live.start()
        else:
            threading.Thread(target=self._print_heartbeats, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self.console.is_terminal:
            self._live.stop()
        for row in self.rows.values():
            # Those that neither ended nor failed by themselves: the run was stopped, or a stage before them failed.
            if row.state in ("waiting", "running"):
                row.state = "not run" if row.state == "waiting" else "failed"
        self.console.print(self.render_table())

    def start_stage(self, name: str) -> None:
        """Show a stage as running from now on."""
        row = self.rows[name]
        row.state, row.started = "running", time.monotonic()
        self._print_line(f"▶ {name}: {row.description}")

    def show_line(self, name: str, line: str) -> None:
        """Show a running stage's last line."""
        self.rows[name].line = line

    def end_stage(self, name: str, state: str, seconds: float) -> None:
        """Show how a stage ended."""
        row = self.rows[name]
        row.state, row.seconds, row.line = state, seconds, ""
        if state != "cached":  # a line for each unchanged stage would hide the others
            self._print_line(f"{MARKS[state][0]} {name}: {state} in {seconds:.1f} s ({self._count_done()})")

    def render_table(self) -> Table:
        """Return the run as a table: stage, state, seconds, and what it does or its last line."""
        table = Table(
            title=f"{self._count_done()}, {time.monotonic() - self.began:.0f} s",
            title_justify="left",
            box=None,
            expand=True,
        )
        for heading in ("", "stage", "state"):
            table.add_column(heading, no_wrap=True)
        table.add_column("seconds", no_wrap=True, justify="right")
        # Only this column gives way: Rich otherwise squeezes the names and states out of a narrow terminal.
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
                _escape_markup(row.line if running and row.line else row.description),
            )
        return table

    def _count_done(self) -> str:
        done = sum(row.state in FINISHED for row in self.rows.values())
        return f"{done} of {len(self.rows)} stages done"

    def _print_line(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")

    def _print_heartbeats(self) -> None:
        while not self._over.wait(self.heartbeat_seconds):
            for row in self.rows.values():
                if row.state == "running":
                    self._print_line(f"  {row.name}, {time.monotonic() - row.started:.0f} s: {row.line}")
            waiting = [row.name for row in self.rows.values() if row.state == "waiting"]
            self._print_line(f"  {self._count_done()}; waiting: {', '.join(waiting) or 'nothing'}")


def _escape_markup(text: str) -> str:
    # Rich would take brackets in a stage's output, such as a progress bar's, for markup.
    return text.replace("[", "\\[")
