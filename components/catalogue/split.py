"""Hold out users: strong generalisation, as in Liang et al. (Variational Autoencoders for CF, WWW 2018)."""

import pandas as pd

from components.catalogue.held_out import hash_share
from components.catalogue.settings import CatalogueSettings
from components.catalogue.tables import read_interactions
from components.core.stage import Counts, Input, Output, stage


def split_users(interactions: pd.DataFrame, settings: CatalogueSettings) -> pd.DataFrame:
    """Assign each user to train, validation or test by a hash of their id.

    A user keeps their part when others come or go. Returns user_id and part, ordered by user_id.
    """
    histories = interactions.groupby("user_id").size().sort_index()
    parts = []
    for user, history in histories.items():
        # A short history leaves too little to recommend from and to measure on
        parts.append(_assign_part(user, settings) if history >= settings.minimum_history else "train")
    return pd.DataFrame({"user_id": histories.index.astype(str), "part": parts}).astype("str")


def _assign_part(user: object, settings: CatalogueSettings) -> str:
    drawn = hash_share(f"{settings.seed}:{user}")
    if drawn < settings.test_share:
        return "test"
    if drawn < settings.test_share + settings.validation_share:
        return "validation"
    return "train"


@stage(CatalogueSettings)
def main(catalogue: Input, split: Output, settings: CatalogueSettings) -> Counts:
    """Write which users train, which choose settings, and on which the final metrics are measured."""
    users = split_users(read_interactions(catalogue), settings)
    users.to_parquet(split, index=False)
    return {part: int((users["part"] == part).sum()) for part in ("train", "validation", "test")}


if __name__ == "__main__":
    main.cli()
