"""Files of small films with shots, scenes, pictures and neighbours, as the video package writes them."""

import io
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from components.video.hdf5_store import write_array
from components.video.similar_films import COLUMNS


def write_films(folder: Path, item_ids: Sequence[str], shots: int = 6) -> tuple[Path, Path]:
    """A film of so many shots in two scenes for each item, each the neighbour of the next: films.h5 and neighbours.parquet."""
    films, neighbours = folder / "films.h5", folder / "neighbours.parquet"
    names = [f"film-{number}" for number in range(len(item_ids))]
    with h5py.File(films, "w") as file:
        for number, (name, item_id) in enumerate(zip(names, item_ids, strict=True)):
            group = file.create_group(name)
            group.attrs["item_id"] = item_id
            starts = np.arange(shots, dtype=np.float64)
            write_array(group, "shots", np.stack([starts, starts + 1], axis=1))
            write_array(group, "scenes", np.array([[0, 1], [2, shots - 1]]))
            write_array(group, "clip_shot", np.arange(shots))
            write_array(group, "thumbnails", _pictures(number, shots))
    rows = [(name, 1, names[(k + 1) % len(names)], 0.9, 0, 1, 0.95) for k, name in enumerate(names)]
    pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).to_parquet(neighbours, index=False)
    return films, neighbours


def _pictures(film: int, shots: int) -> np.ndarray:  # type: ignore[type-arg]
    files = []
    for shot in range(shots):
        file = io.BytesIO()
        Image.new("RGB", (112, 112), (40 * shot % 255, 90 * film % 255, 200)).save(file, "JPEG")
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    longest = max(map(len, files))
    return np.stack([np.pad(file, (0, longest - len(file))) for file in files])
