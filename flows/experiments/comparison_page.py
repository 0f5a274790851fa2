"""Two bundles side by side as a page: figures with intervals, settings, data and answers that differ."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

from flows.promote.validation import ValidationResult

SHOWN = 50
Difference = Mapping[str, tuple[Any, Any]]
PAGES = Environment(loader=PackageLoader("flows.experiments", "pages"), autoescape=True, trim_blocks=True)
PAGES.filters["figure"] = lambda value: "" if value is None else f"{value:.4f}"
PAGES.filters["signed"] = lambda value: f"{value:+.4f}"


def comparison_page(trial: ValidationResult, before: str, after: str, settings: Difference | None) -> str:
    """HTML of a trial of `after` beside `before`; settings: None where those of one are not known."""
    changed = None if trial.changed is None else trial.changed.to_dict("records")
    shared = float(trial.changed["shared"].mean()) if changed and trial.changed is not None else 1.0
    return PAGES.get_template("comparison.html").render(
        before=before,
        after=after,
        fault=trial.fault,
        lines=trial.verdict.lines,
        settings=settings,
        data=trial.data,
        changed=changed,
        shared=shared,
        shown=SHOWN,
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference | None:
    """Settings that are not the same, with both values; None where one side's are not known."""
    if not before or not after:
        return None
    names = sorted(before.keys() | after.keys())
    return {
        name: (before.get(name, "absent"), after.get(name, "absent"))
        for name in names
        if before.get(name, "absent") != after.get(name, "absent")
    }
