"""Render the comparison of two bundles as a page: figures with intervals, settings, data and answers that differ."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

from flows.promote.candidate_validation import ValidationResult

MAX_QUERIES_SHOWN = 50
Difference = Mapping[str, tuple[Any, Any]]
# Autoescape: queries and titles come from users and feeds.
PAGES = Environment(loader=PackageLoader("flows.experiments", "pages"), autoescape=True, trim_blocks=True)
PAGES.filters["figure"] = lambda value: "" if value is None else f"{value:.4f}"
PAGES.filters["signed"] = lambda value: f"{value:+.4f}"


def render_comparison(result: ValidationResult, before: str, after: str, settings: Difference | None) -> str:
    """Return the HTML of the validation of `after` beside `before`; settings is None if those of one are not known."""
    changed = None if result.changed is None else result.changed.to_dict("records")
    shared = float(result.changed["shared"].mean()) if changed and result.changed is not None else 1.0
    return PAGES.get_template("comparison.html").render(
        before=before,
        after=after,
        refusal=result.refusal,
        lines=result.verdict.lines,
        settings=settings,
        data=result.data,
        changed=changed,
        shared=shared,
        shown=MAX_QUERIES_SHOWN,
    )


def diff_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference | None:
    """Return the settings that differ, with both values; None if those of one side are not known."""
    if not before or not after:
        return None
    changes = {}
    for name in sorted(before.keys() | after.keys()):
        # A word and not None: None is a value that a setting may have.
        old, new = before.get(name, "absent"), after.get(name, "absent")
        if old != new:
            changes[name] = (old, new)
    return changes
