"""The gate's decision, differing settings and a sweep's trials as tables in the terminal."""

import pandas as pd
from rich.table import Table

from flows.experiments.comparison_page import Difference
from flows.promote.promotion_gate import GateDecision


def verdict_table(verdict: GateDecision, before: str, after: str) -> Table:
    """Return a row per rule: both figures, the interval of the improvement, and the verdict."""
    # No edge and one space between columns: it has to fit a terminal of 80 columns.
    table = Table(title="Gate", title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("metric", before, after, "better by", "verdict"):
        named = heading in ("metric", "verdict")
        table.add_column(heading, justify="left" if named else "right", no_wrap=heading != "verdict")
    for line in verdict.lines:
        style = "green" if line.passed else "red"
        known = line.low is not None and line.high is not None
        table.add_row(
            line.metric,
            _format_figure(line.champion),
            _format_figure(line.candidate),
            f"{line.low:+.4f} to {line.high:+.4f}" if known else "",
            f"[{style}]{line.reason}[/]",
        )
    return table


def difference_table(settings: Difference | None, before: str, after: str) -> Table:
    """Return a row per setting that differs; settings is None if those of one version are not known."""
    count = "not known" if settings is None else len(settings)
    table = Table(title=f"Settings that differ: {count}", title_justify="left", box=None)
    for heading in ("setting", before, after) if settings else ():
        table.add_column(heading)
    for name, (old, new) in (settings or {}).items():
        table.add_row(name, str(old), str(new))
    return table


def trials_table(trials: pd.DataFrame) -> Table:
    """Return a row per trial, in the order of the frame."""
    table = Table(title=f"Trials: {len(trials)}", title_justify="left", box=None)
    for heading in map(str, trials.columns):
        table.add_column(heading)
    for row in trials.itertuples(index=False):
        table.add_row(*(f"{value:.5g}" if isinstance(value, float) else str(value) for value in row))
    return table


def _format_figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
