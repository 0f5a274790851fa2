"""The project's lists of sentences in small, for tests in which the filter only has to work."""

from pathlib import Path
from typing import Any

LISTS = Path(__file__).parents[1] / "conf"
# A small encoder over few sentences tells harm worse: with the project's limits it would block too little to test
SMALL_ETHICS: dict[str, Any] = {
    "landmarks": 2000,
    "parts": 5,
    "draws": 1,
    "maximum_titles": 500,
    "maximum_wishes": 100,
    "false_block_rate": 0.006,
    "kind_block_rate": 0.02,
    "sharp_block_rate": 0.05,
}


def thin_lists(folder: Path, step: int) -> Path:
    """Write every so many lines of the project's banned and benign lists below a folder, and return it."""
    for file in LISTS.glob("b*/*.csv"):
        heading, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / file.parent.name).mkdir(exist_ok=True, parents=True)
        (folder / file.parent.name / file.name).write_text(heading + "".join(rows[::step]), encoding="utf-8")
    return folder
