"""Lookup of a model by name: a local folder, else the weights of a pinned package, else the model hub."""

from pathlib import Path


def find_model(name: str, weights: Path) -> str:
    """Return the folder or hub name that a loader takes for a model's name.

    name: a folder, the name of a folder in `weights`, or a name on the model hub.
    weights: the folder with the weights of the pinned packages.
    """
    if Path(name).is_dir():
        return name
    if (weights / name).is_dir():
        return str(weights / name)
    return name
