"""Pages of a ranking, by cursors that survive changes of the catalogue."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import numpy as np

from components.bundle.ranking import Ranking
from components.bundle.stores.item_store import ItemStore


class CursorError(ValueError):
    """A cursor that comes from no page."""


def take_page(ranking: Ranking, k: int, cursor: str | None, items: ItemStore) -> tuple[Ranking, str | None]:
    """Return the next k items after a cursor, and the cursor after them where there are more.

    Raises CursorError where the cursor cannot be read.
    """
    # by the last item and not by its number: items put or removed between two pages repeat and lose nothing
    start = 0 if cursor is None else _find_start(ranking, *_decode_cursor(cursor), items)
    shown = ranking.take(slice(start, start + k))
    end = start + len(shown)
    if end >= len(ranking) or not len(shown):
        return shown, None
    last = json.dumps([items.id_of(int(shown.rows[-1])), end], ensure_ascii=False)
    return shown, urlsafe_b64encode(last.encode("utf-8", "surrogatepass")).decode()


def _find_start(ranking: Ranking, item_id: str, n_shown: int, items: ItemStore) -> int:
    """Return the position after the last item shown; where that item is gone, after as many as were shown."""
    found = np.flatnonzero(ranking.rows == items.find_row(item_id))
    return (
        int(found[0]) + 1 if len(found) else max(0, n_shown - 1)
    )  # - 1, since the item that is gone was among them


def _decode_cursor(cursor: str) -> tuple[str, int]:
    try:
        # a client can write anything here, so types are checked as well
        item_id, n_shown = json.loads(urlsafe_b64decode(cursor.encode()))
        if isinstance(item_id, str) and isinstance(n_shown, int) and n_shown > 0:
            return item_id, n_shown
    except (ValueError, TypeError):
        pass
    raise CursorError(
        "cursor: no page has given it. Take it from `next` of the answer before, or leave it out."
    )
