"""Read the chosen catalogue, check it, and write the tables that every other room reads."""

import json

from components.catalogue.change_feed import FOLDER, with_told
from components.catalogue.data_profile import PROFILE, profile
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
    """Write items, interactions, queries, judgements, videos, the rows set aside and what is said of the shop."""
    if settings.source == "movielens":
        raw = read_movielens(movielens, clips)
    else:
        raw = read_folder({"fashion": fashion, "folder": folder}[settings.source], settings.decimal)
    tables, through = with_told(validate_tables(raw), folder / FOLDER)
    for name, frame in tables.items():
        write_table(name, frame, catalogue)
    shop = raw.shop | ({"told": through} if through else {})
    (catalogue / "shop.json").write_text(json.dumps(shop, indent=1, ensure_ascii=False) + "\n")
    (catalogue / PROFILE).write_text(json.dumps(profile(tables, settings.source), indent=1) + "\n")
    aside = tables["quarantine"]["table"].value_counts()
    counts = {name: len(frame) for name, frame in tables.items() if name != "quarantine"}
    counts |= {f"quarantined_{name}": int(aside.get(name, 0)) for name in counts}
    counts["users"] = tables["interactions"]["user_id"].nunique()
    counts["cold_items"] = int((~tables["items"]["item_id"].isin(tables["interactions"]["item_id"])).sum())
    metrics.write_text(json.dumps(counts, indent=1) + "\n")
    return counts


if __name__ == "__main__":
    main.cli()
