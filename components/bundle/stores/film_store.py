"""The store of film previews: a line of JSON a film, read from the disk on request."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

LINES_FILE, POSITIONS_FILE = "films.jsonl", "places.json"


class FilmStore:
    """Previews of items' films.

    positions: the start and the length in bytes of the lines of each item's films.
    """

    def __init__(self, lines: Path, positions: Mapping[str, list[tuple[int, int]]]) -> None:
        # only the positions are in memory: the previews of ten thousand films would take too much of it
        self._file, self._positions = lines.open("rb"), positions

    @classmethod
    def load(cls, folder: Path) -> "FilmStore":
        """Open a folder of `write_films`; the file stays open, so that it can be read after it was removed."""
        return cls(folder / LINES_FILE, json.loads((folder / POSITIONS_FILE).read_text()))

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._positions

    def of_item(self, item_id: str) -> list[dict[str, Any]]:
        """Return the films of an item, as they were written."""
        positions = self._positions.get(item_id, [])
        # pread moves no file position, so that threads can read at the same time
        return [from_json(os.pread(self._file.fileno(), length, start)) for start, length in positions]


def write_films(folder: Path, films: Iterable[Mapping[str, Any]]) -> None:
    """Write films, each with its `item_id`, to a folder that `FilmStore.load` opens."""
    folder.mkdir(parents=True, exist_ok=True)
    positions: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    with (folder / LINES_FILE).open("wb") as file:
        for film in films:
            line = json.dumps(film, ensure_ascii=False).encode()
            positions[film["item_id"]].append((file.tell(), len(line)))
            file.write(line + b"\n")
    (folder / POSITIONS_FILE).write_text(json.dumps(positions, ensure_ascii=False) + "\n")
