"""Words of items that came after the index was built count as if they had been built in."""

import numpy as np
import pytest

from components.search.bm25 import BM25Index
from components.search.live_bm25 import LiveBM25

BUILT = ["Super absorbent towel that stays dry", "Rain cape", "Coat of wool", "Leather boots"]


@pytest.fixture
def live() -> LiveBM25:
    return LiveBM25(BM25Index.from_texts(BUILT))


def test_a_word_that_only_a_new_item_has_is_known(live: LiveBM25) -> None:
    live.put_text(4, "Superdry jacket")
    scores = live.scores("superdry")
    assert scores.argmax() == 4 and not scores[:4].any()


def test_a_compound_that_only_a_new_item_has_is_found_apart(live: LiveBM25) -> None:
    assert live.scores("rain coat").argmax() in (1, 2)
    live.put_text(4, "Raincoat")
    assert live.scores("rain coat")[4] > 0


def test_a_text_put_again_is_matched_by_its_new_words_alone(live: LiveBM25) -> None:
    live.put_text(0, "Blue towel")
    assert live.scores("blue").argmax() == 0
    assert not live.scores("absorbent").any()
    np.testing.assert_array_equal(live.scores("boots") > 0, [False, False, False, True])


@pytest.mark.parametrize(
    "query", ["leather boots", "superdry jacket", "superdry leather", "xylophone", "towel"]
)
def test_new_items_say_as_much_of_a_query_as_built_ones(live: LiveBM25, query: str) -> None:
    """Where every text is put again, the same text says the same share."""
    before = live.scores(query)
    for row, text in enumerate(BUILT):
        live.put_text(row, text)
    np.testing.assert_allclose(live.scores(query), before, atol=1e-6)
    live.put_text(4, "Superdry jacket")
    assert live.scores("superdry jacket").max() == 1
    assert 0.3 < live.scores("superdry leather").max() < 0.7
