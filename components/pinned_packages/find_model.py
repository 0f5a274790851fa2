"""Find a model by name: a local folder, else the pinned package's weights, else the hub."""

from pathlib import Path


def find_model(name: str, weights: Path) -> str:
    """Give what a loader takes for a model's name.

    name: a folder, the name of a folder in `weights`, or a name on the model hub.
    weights: the folder that the packages' weights were written to.
    """
    if Path(name).is_dir():
        return name
    if (weights / name).is_dir():
        return str(weights / name)
    return name
