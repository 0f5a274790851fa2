"""Read the chosen catalogue, check it, and write the tables that every other package reads."""

import json

from components.catalogue.change_feed import CHANGES_FOLDER, apply_changes
from components.catalogue.data_profile import PROFILE_FILE, profile_tables
from components.catalogue.folder_source import read_folder
from components.catalogue.movielens import read_movielens
from components.catalogue.settings import CatalogueSettings
from components.catalogue.tables import write_table
from components.catalogue.validation import validate_tables
from components.core.stage import Counts, Input, Output, stage


@stage(CatalogueSettings)
def main(
    movielens: Input,
    clips: Input,
    fashion: Input,
    folder: Input,
    catalogue: Output,
    metrics: Output,
    settings: CatalogueSettings,
) -> Counts:
    """Write items, interactions, queries, judgements, videos, the rows set aside, the shop's facts and the profile."""
    if settings.source == "movielens":
        raw = read_movielens(movielens, clips)
    else:
        raw = read_folder(fashion if settings.source == "fashion" else folder, settings.decimal)
    tables, position = apply_changes(validate_tables(raw), folder / CHANGES_FOLDER)
    for name, frame in tables.items():
        write_table(name, frame, catalogue)
    shop = raw.shop
    if position:
        # A service that loads the bundle applies only later changes
        shop = shop | {"told": position}
    (catalogue / "shop.json").write_text(json.dumps(shop, indent=1, ensure_ascii=False) + "\n")
    profile = profile_tables(tables, settings.source)
    (catalogue / PROFILE_FILE).write_text(json.dumps(profile, indent=1) + "\n")
    quarantined = tables.pop("quarantine")["table"].value_counts()
    counts = {name: len(frame) for name, frame in tables.items()}
    for name in tables:
        counts[f"quarantined_{name}"] = int(quarantined.get(name, 0))
    interactions = tables["interactions"]
    counts["users"] = interactions["user_id"].nunique()
    counts["cold_items"] = int((~tables["items"]["item_id"].isin(interactions["item_id"])).sum())
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    return counts


if __name__ == "__main__":
    main.cli()
