"""The latest texts are kept, and only those."""

from components.bundle.query_cache import KEPT, LruCache


def test_the_text_not_asked_for_longest_is_forgotten_first() -> None:
    latest: LruCache[int] = LruCache()
    for number in range(KEPT):
        latest.keep(str(number), number)
    assert latest.get("0") == 0
    latest.keep("new", -1)
    assert latest.get("0") == 0 and latest.get("new") == -1 and latest.get("1") is None
