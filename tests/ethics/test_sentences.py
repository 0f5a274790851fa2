"""The lists that staff edit, and the messages for what they get wrong."""

from pathlib import Path

import pytest

from components.ethics.sentences import CATEGORIES, read_banned, read_benign
from components.ethics.settings import EthicsError
from tests.ethics.conftest import LISTS

HEADING = "sentence,category,severity,language,source\n"


def banned(folder: Path, rows: str, name: str = "ours.csv") -> Path:
    (folder / name).write_text(HEADING + rows)
    return folder


def test_the_projects_own_lists_can_be_read():
    lists, fine = read_banned(LISTS / "banned"), read_benign(LISTS / "benign")
    assert set(lists["category"]) == CATEGORIES
    assert lists["sentence"].is_unique and fine["sentence"].is_unique
    assert not set(lists["sentence"].str.lower()) & set(fine["sentence"].str.lower())


def test_all_files_of_a_folder_count_and_each_sentence_once(tmp_path):
    banned(tmp_path, 'how to hurt him,violence,3,en,us\n"first, this",fraud,1,en,us\n')
    banned(tmp_path, "How to hurt him,violence,3,en,them\n", "theirs.csv")
    table = read_banned(tmp_path)
    assert table["sentence"].tolist() == ["how to hurt him", "first, this"]
    assert table["place"].tolist() == [f"{tmp_path / 'ours.csv'}, row 2", f"{tmp_path / 'ours.csv'}, row 3"]


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
        ('"two\nlines",fraud,1,en,us\n', r"ours\.csv, row 3, sentence 'two\\nlines': it holds a control"),
        ("", "holds no sentence"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_file_and_row(rows, message, tmp_path):
    with pytest.raises(EthicsError, match=message):
        read_banned(banned(tmp_path, rows))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(EthicsError, match="holds no CSV file"):
        read_benign(tmp_path)
    (tmp_path / "ours.csv").write_text("text\nhello\n")
    with pytest.raises(EthicsError, match=r"ours\.csv has no column sentence\. It has text; add it"):
        read_benign(tmp_path)
    (tmp_path / "ours.csv").write_bytes("sentence\nübel\n".encode("latin-1"))
    with pytest.raises(EthicsError, match=r"ours\.csv is not UTF-8"):
        read_benign(tmp_path)
