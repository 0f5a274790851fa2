"""Misspelt words are read as the words that they mean."""

import pytest

from components.query_model.query_words import list_query_words
from components.search.bm25 import BM25Index
from components.search.live_bm25 import LiveBM25
from components.search.spelling import SpellingCorrector, correct_spelling


def find_corrections(texts: list[str], query: str) -> dict[str, str]:
    spelling = SpellingCorrector.from_texts(texts, list_query_words())
    return spelling.find_corrections(query, BM25Index.from_texts(texts))


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("Keybord", "keyboard"),
        ("kyeboard, black", "keyboard, black"),
        ("ekyboard", "keyboard"),
        ("tripodd", "tripod"),
        ("wireless hedphones", "wireless headphones"),
        ("projetcor-scren", "projector-screen"),
        ("gift for grandchilden undr 20", "gift for grandchildren under 20"),
    ],
)
def test_a_misspelt_word_is_read_as_what_it_means(query, meant):
    shelf = ["Keyboard, black", "Tripod for cameras", "Wireless headphones", "Projector screen", "Key fob"]
    assert correct_spelling(query, find_corrections(shelf, query)) == meant


@pytest.mark.parametrize(
    ("query", "meant"), [("usb stjck", "stick"), ("a stjck pot", "stock"), ("stjck", "stock")]
)
def test_of_equally_near_words_the_one_that_texts_have_with_the_others_is_meant(query, meant):
    shelf = ["Usb stick", "Stock pot", "Stock cube", "Stock for soups"]
    assert find_corrections(shelf, query) == {"stjck": meant}


def test_a_word_that_is_known_or_like_no_other_is_right():
    shelf = ["nettle tea", "settle chairs", "cats", "XM4 4000", "cook book", "Zappo 3000"]
    right = (
        "settle chair for cats of my grandkids in a CARRIAGE, a rapidly nettle, cookbook, zapp-3000, zappo's"
    )
    assert not find_corrections(shelf, right)
    assert find_corrections(shelf, "for a Seetle and CHIARS") == {"seetle": "settle", "chiars": "chairs"}


def test_an_english_word_or_a_name_that_no_item_says_is_right():
    shelf = ["Work done", "Tower PC", "Pet bowl for the car", "A duet", "Para cord", "Tape"]
    assert not find_corrections(shelf, "drone towel carpet duvet zara cord in taupe")
    assert find_corrections(shelf, "duvets of towwer") == {"towwer": "tower"}


def test_a_slip_in_the_word_of_a_new_text_is_known_as_it_is_written() -> None:
    shelf = ["Super absorbent towel that stays dry", "Rain cape", "Coat of wool", "Leather boots"]
    live, spelling = LiveBM25(BM25Index.from_texts(shelf)), SpellingCorrector.from_texts(shelf)
    for known in (False, True, False):
        live.put_text(4, "Leathr, a card game" if known else "A card game")
        assert live.has_word("leathr") == known == (live.scores("leathr").argmax() == 4)
        corrections = spelling.find_corrections("leathr", live.index, live.vocabulary)
        assert corrections == ({} if known else {"leathr": "leather"})


def test_a_saved_corrector_corrects_alike(tmp_path) -> None:
    shelf = ["Usb stick", "Stock pot", "Ägäis blue"]
    index, spelling = BM25Index.from_texts(shelf), SpellingCorrector.from_texts(shelf, ["grandchildren"])
    spelling.save(tmp_path / "spelling.json")
    again = SpellingCorrector.load(tmp_path / "spelling.json")
    query = "stjck grandchilden ägäsi"
    assert again.find_corrections(query, index) == spelling.find_corrections(query, index)
    assert set(spelling.find_corrections(query, index)) == {"stjck", "grandchilden", "ägäsi"}
