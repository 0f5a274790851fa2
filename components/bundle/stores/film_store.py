"""What people see of films: a line of JSON a film, read from the disk when it is asked for."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

LINES, PLACES = "films.jsonl", "places.json"


class FilmStore:
    """The films of items; nothing of them is in memory but where each lies.

    places: where the lines of an item's films begin, and how long they are, in bytes.
    """

    def __init__(self, lines: Path, places: Mapping[str, list[tuple[int, int]]]) -> None:
        self._file, self._places = lines.open("rb"), places

    @classmethod
    def load(cls, folder: Path) -> "FilmStore":
        """Open what `write_films` wrote; the file stays open, so that it can be read after it was removed."""
        return cls(folder / LINES, json.loads((folder / PLACES).read_text()))

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._places

    def of_item(self, item_id: str) -> list[dict[str, Any]]:
        """The films of an item, as they were written; none of an item that has none."""
        found = self._places.get(item_id, [])
        return [from_json(os.pread(self._file.fileno(), length, start)) for start, length in found]


def write_films(folder: Path, films: Iterable[Mapping[str, Any]]) -> None:
    """Write films, each with its `item_id`, to a folder that `Films.load` opens."""
    folder.mkdir(parents=True, exist_ok=True)
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    with (folder / LINES).open("wb") as file:
        for film in films:
            line = json.dumps(film, ensure_ascii=False).encode()
            places[film["item_id"]].append((file.tell(), len(line)))
            file.write(line + b"\n")
    (folder / PLACES).write_text(json.dumps(places, ensure_ascii=False) + "\n")
