"""Pages of a ranking, by a cursor that survives changes of the catalogue."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import numpy as np

from components.bundle.ranking import Ranking
from components.bundle.stores.item_store import ItemStore


class CursorError(ValueError):
    """A cursor that no page has given."""


def take_page(ranking: Ranking, k: int, cursor: str | None, items: ItemStore) -> tuple[Ranking, str | None]:
    """Return the next k after a cursor, and the cursor after them where there are more.

    A cursor holds the last item shown and how many were shown: items put or removed in between repeat and lose nothing.
    Raises CursorError where it cannot be read.
    """
    start = 0 if cursor is None else _find_start(ranking, *_decode(cursor), items)
    shown = ranking.take(slice(start, start + k))
    end = start + len(shown)
    if end >= len(ranking) or not len(shown):
        return shown, None
    last = json.dumps([items.id_of(int(shown.rows[-1])), end], ensure_ascii=False)
    return shown, urlsafe_b64encode(last.encode("utf-8", "surrogatepass")).decode()


def _find_start(ranking: Ranking, item_id: str, n_shown: int, items: ItemStore) -> int:
    """The place after the last item shown; where that item is gone, after as many as were shown."""
    found = np.flatnonzero(ranking.rows == items.find_row(item_id))
    return int(found[0]) + 1 if len(found) else max(0, n_shown - 1)


def _decode(cursor: str) -> tuple[str, int]:
    try:
        item_id, n_shown = json.loads(urlsafe_b64decode(cursor.encode()))
        if isinstance(item_id, str) and isinstance(n_shown, int) and n_shown > 0:
            return item_id, n_shown
    except (ValueError, TypeError):
        pass
    raise CursorError(
        "cursor: no page has given it. Take it from `next` of the answer before, or leave it out."
    )
