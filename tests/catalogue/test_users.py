"""Users kept aside stay aside when others come."""

import pandas as pd

from components.catalogue.held_out import hidden_items
from components.catalogue.movielens import natural_title, split_year
from components.catalogue.settings import CatalogueSettings
from components.catalogue.split import split_users


def test_a_user_keeps_their_part_when_others_come_and_short_histories_train() -> None:
    settings = CatalogueSettings(folder="data/inbox")
    few = pd.DataFrame({"user_id": [f"u{n}" for n in range(300) for _ in range(5)]})
    more = pd.concat([few, pd.DataFrame({"user_id": [f"new{n}" for n in range(50)]})])
    before = split_users(few, settings).set_index("user_id")["part"]
    after = split_users(more, settings).set_index("user_id")["part"]
    assert (after[before.index] == before).all()
    assert set(after[after.index.str.startswith("new")]) == {"train"}
    assert 0.12 < (before == "test").mean() < 0.28


def test_an_item_stays_hidden_or_shown_when_others_come() -> None:
    few = [f"i{n}" for n in range(1000)]
    hidden = hidden_items(few)
    assert (hidden_items([*few, "new"])[:1000] == hidden).all()
    assert 0.15 < hidden.mean() < 0.25


def test_titles_read_naturally() -> None:
    assert natural_title("Shawshank Redemption, The") == "The Shawshank Redemption"
    assert split_year("Great Giving (1995)", "V") == ("Great Giving", "1995")
