"""The cache keeps the latest texts, and only those."""

from components.bundle.query_cache import CAPACITY, LruCache


def test_a_full_cache_evicts_the_least_recently_used_text() -> None:
    cache: LruCache[int] = LruCache()
    for number in range(CAPACITY):
        cache.put(str(number), number)
    assert cache.get("0") == 0
    cache.put("new", -1)
    assert cache.get("0") == 0 and cache.get("new") == -1 and cache.get("1") is None
