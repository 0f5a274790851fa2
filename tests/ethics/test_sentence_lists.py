"""The lists that staff edit, and the messages for what they get wrong."""

from pathlib import Path

import pytest

from components.ethics.sentence_lists import CATEGORIES, LOOK_ALIKE, NATURAL_KINDS, SentenceLists, read_lists
from components.ethics.settings import EthicsError
from tests.lists import LISTS

HEADING = "sentence,category,severity,language,source\n"


def banned(folder: Path, rows: str, name: str = "ours.csv") -> Path:
    (folder / "banned").mkdir(exist_ok=True)
    (folder / "banned" / name).write_text(HEADING + rows)
    return folder / "banned"


def benign(folder: Path, text: str = "sentence\na boat\n") -> Path:
    (folder / "benign").mkdir(exist_ok=True)
    (folder / "benign" / "ours.csv").write_text(text)
    return folder / "benign"


def read(folder: Path) -> SentenceLists:
    return read_lists(folder / "banned", folder / "benign")


def test_the_projects_own_lists_can_be_read():
    lists = read(LISTS)
    assert set(lists.banned["category"]) == CATEGORIES
    assert lists.banned["sentence"].is_unique and lists.benign["sentence"].is_unique
    assert lists.repeated == 0
    natural = lists.benign[lists.benign["kind"].isin(NATURAL_KINDS)]
    assert len(natural) >= 4000 and set(natural["kind"]) == set(NATURAL_KINDS)


def test_a_benign_file_may_leave_out_kind_and_language(tmp_path):
    banned(tmp_path, "a bad thing,fraud,1,en,us\n")
    benign(tmp_path, "sentence,kind,language\nein Boot,short,de\n")
    (tmp_path / "benign/plain.csv").write_text("sentence\na boat\n")
    table = read(tmp_path).benign.set_index("sentence")
    assert table.loc["ein Boot", ["kind", "language"]].tolist() == ["short", "de"]
    assert table.loc["a boat", ["kind", "language"]].tolist() == [LOOK_ALIKE, "en"]


def test_all_files_of_a_folder_count_and_each_sentence_once(tmp_path):
    banned(tmp_path, 'how to hurt him,violence,3,en,us\n"first, this",fraud,1,en,us\n')
    folder = banned(tmp_path, "How  to hurt him,violence,3,en,them\n", "theirs.csv")
    benign(tmp_path, "sentence\ncafé\ncafe\u0301\nCAFÉ\na boat\n")
    lists = read(tmp_path)
    assert lists.banned["sentence"].tolist() == ["how to hurt him", "first, this"]
    assert lists.banned["place"].tolist() == [
        f"{folder / 'ours.csv'}, row 2",
        f"{folder / 'ours.csv'}, row 3",
    ]
    assert lists.benign["sentence"].tolist() == ["café", "a boat"]
    assert lists.repeated == 3


def test_a_sentence_that_is_banned_and_benign_is_named_with_both_places(tmp_path):
    banned(tmp_path, "a coat,fraud,1,en,us\nA Boat,fraud,1,en,us\n")
    benign(tmp_path)
    with pytest.raises(
        EthicsError, match=r"benign/ours\.csv, row 2: 'a boat' is banned too, in .*ours\.csv, row 3"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "fine,fraud,1,en,us\nbad,frod,1,en,us\n",
            r"ours\.csv, row 3, category 'frod': unknown; did you mean fraud\?",
        ),
        (
            "bad,xyzzy,1,en,us\n",
            r"ours\.csv, row 2, category 'xyzzy': unknown; use one of disinformation, drugs,",
        ),
        (
            "a,fraud,1,en,us\n  ,fraud,1,en,us\n",
            r"ours\.csv, row 3, sentence '  ': it is empty; write a sentence",
        ),
        ("a,fraud,1,en,us\n\nb,fraud,1,en,us\n", r"ours\.csv, row 3, sentence '': it is empty"),
        ("a,fraud,9,en,us\n", r"ours\.csv, row 2, severity '9': use 1, 2 or 3"),
        ("a,fraud,1,English,us\n", r"ours\.csv, row 2, language 'English': use two letters"),
        ("a\x07b,fraud,1,en,us\n", r"ours\.csv, row 2, sentence 'a\\x07b': it holds a control"),
        ("first, this,fraud,1,en,us\n", r"ours\.csv, row 2: too many or too few fields\. Quote a sentence"),
        ("a,fraud\n", r"ours\.csv, row 2: too many or too few fields"),
        ('"two\nlines",fraud,1,en,us\n', r"ours\.csv, row 2, sentence 'two\\nlines': it holds a control"),
        ('a,fraud,1,en,us\n"open,fraud,1,en,us\nb,fraud,1,en,us\n', r"ours\.csv, row 3: .*Close the quotes"),
        ("", "holds no sentence"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_file_and_row(rows, message, tmp_path):
    with pytest.raises(EthicsError, match=message):
        banned(tmp_path, rows)
        benign(tmp_path)
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"text\nhello\n",
            r"ours\.csv has no columns named sentence\. Its heading is 'text'; write sentence",
        ),
        (b"sentence,sentence\na,b\n", r"ours\.csv has 2 columns named sentence"),
        (
            b"sentence,kind\na,tiny\n",
            r"ours\.csv, row 2, kind 'tiny': use one of short, long, persona, talk, sharp",
        ),
        (b"", r"ours\.csv has no columns named sentence\. Its heading is ''"),
        ("sentence\nübel\n".encode("latin-1"), r"ours\.csv is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(text, message, tmp_path):
    banned(tmp_path, "a coat,fraud,1,en,us\n")
    (benign(tmp_path) / "ours.csv").write_bytes(text)
    with pytest.raises(EthicsError, match=message):
        read(tmp_path)


def test_a_folder_without_lists_is_named(tmp_path):
    banned(tmp_path, "a coat,fraud,1,en,us\n")
    with pytest.raises(EthicsError, match="benign holds no CSV file"):
        read(tmp_path)
