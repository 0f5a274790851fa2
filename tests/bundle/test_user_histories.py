"""Whose history a person's is, and what counts in it."""

import pandas as pd

from components.bundle.stores.user_histories import UserHistories

TAKEN = pd.DataFrame(
    [
        ("ann", "a", 3, 1.0, "click"), ("ann", "a", 4, 3.0, "purchase"), ("ann", "c", 1, 5.0, "rating"),
        ("ann", "b", 1, 2.0, "rating"), ("bob", "b", 2, 1.0, "view"), ("bob", "gone", 2, 1.0, "view"),
        ("cy", "b", 2, 1.0, "rating"),
    ],
    columns=["user_id", "item_id", "timestamp", "weight", "kind"],
)  # fmt: skip


def test_each_item_counts_once_by_its_largest_weight_and_bad_ratings_not() -> None:
    histories = UserHistories.from_interactions([TAKEN], ["a", "b", "c"], 4.0)
    rows, weights = histories.of_user("ann")
    assert rows.tolist() == [0, 2] and weights.tolist() == [3.0, 1.0]
    assert histories.of_user("bob")[0].tolist() == [1]
    assert histories.find_most_active(5) == ["ann", "bob"]


def test_people_without_likes_strangers_and_nobody_have_none() -> None:
    histories = UserHistories.from_interactions([TAKEN], ["a", "b", "c"], 4.0)
    for user in ("cy", "eve", "", None):
        assert not len(histories.of_user(user)[0])


def test_what_is_liked_since_counts_and_the_forgotten_are_strangers(tmp_path) -> None:
    UserHistories.from_interactions([TAKEN], ["a", "b", "c"], 4.0).save(tmp_path)
    histories = UserHistories.load(tmp_path)
    histories.add("ann", 1, 1.0)
    histories.add("ann", 0, 2.0)
    histories.add("eve", 2, 1.0)
    assert dict(zip(*histories.of_user("ann"), strict=True)) == {0: 3.0, 2: 1.0, 1: 1.0}
    assert histories.of_user("eve")[0].tolist() == [2]
    histories.forget("ann")
    assert not len(histories.of_user("ann")[0]) and histories.find_most_active(5) == ["bob"]
    histories.add("ann", 1, 1.0)
    assert histories.of_user("ann")[0].tolist() == [1]


def test_nobodys_id_is_in_the_files_but_of_those_who_liked_most(tmp_path) -> None:
    many = TAKEN.loc[[0] * 300].assign(user_id=[f"person{number}" for number in range(300)])
    UserHistories.from_interactions([many], ["a"], 4.0).save(tmp_path)
    assert sum(b"person250" in file.read_bytes() for file in tmp_path.iterdir()) == 0
    assert UserHistories.load(tmp_path).of_user("person250")[0].tolist() == [0]
