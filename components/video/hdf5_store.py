"""The HDF5 files of films: one group a film, its arrays compressed and check-summed, its attributes what made it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from components.core.content_cache import Arrays
from components.video.feature_cache import FilmInput
from components.video.settings import VideoError

UNITS = {
    "shots": "seconds (start, end)", "scenes": "shots (first, last)", "clip_start_seconds": "seconds",
    "clip_shot": "shots", "clip_features": "1", "audio_features": "log10 of energy", "voice_features": "1",
    "colours": "share of pixels", "thumbnails": "JPEG bytes, zeros behind",
}  # fmt: skip
SHOT_COLUMNS = ["start_frame", "end_frame", "start_seconds", "end_seconds"]
CLIP_ARRAYS = ("clip_features", "clip_shot", "clip_start_seconds", "thumbnails")
SHOT_ARRAYS = ("shots", "audio_features", "voice_features", "colours")


def films_from_shots(shots: pd.DataFrame) -> list[FilmInput]:
    """Return the films of a table of shots, ordered by id."""
    films = []
    for video_id, film in shots.groupby("video_id", sort=True):
        first = film.iloc[0]
        # itertuples gives Python's own numbers, as the cache hashes a film as JSON
        own = tuple(film[SHOT_COLUMNS].itertuples(index=False, name=None))
        frames = int(first["frames"])
        films.append(
            FilmInput(str(video_id), first["path"], sha256=first["sha256"], frames=frames, shots=own)
        )
    return films


def write_film(file: Any, film: FilmInput, result: Arrays | VideoError) -> Arrays:
    """Write a film's group: its arrays, or the reason why there are none. Returns the arrays."""
    group = file.create_group(film.video_id)
    if isinstance(result, VideoError):
        group.attrs["reason"] = str(result)
        return {}
    for name, array in result.items():
        write_array(group, name, array=array)
    return result


def write_array(group: Any, name: str, array: Any) -> None:
    """Write an array with its unit."""
    # fletcher32 lets HDF5 refuse an array of which a byte has changed; shuffle makes floats compress better
    dataset = group.create_dataset(name, data=array, compression="gzip", shuffle=True, fletcher32=True)
    dataset.attrs["unit"] = UNITS[name]


def find_problems(film: Any) -> Iterator[str]:
    """Yield what is wrong with a film's group."""
    missing = UNITS.keys() - film.keys()
    if missing:
        yield f"lacks {', '.join(sorted(missing))}"
        return
    # Every array is read in full, as checksums are tested on reading alone
    try:
        arrays = {name: part[:] for name, part in film.items()}
    except OSError as error:
        yield f"cannot be read ({error})"
        return
    shots, scenes = arrays["shots"], arrays["scenes"]
    if len(shots) == 0 or (np.diff(shots.ravel()) < 0).any():
        yield "has shots out of order"
    if [*scenes[:, 0], len(shots)] != [0, *scenes[:, 1] + 1]:
        yield "has shots in no scene, or in two"
    if not np.isfinite(arrays["clip_features"]).all():
        yield "has clip features that are not finite"
    if set(arrays["clip_shot"]) != set(range(len(shots))):
        yield "has shots without a clip"
    if _count_lengths(arrays, CLIP_ARRAYS) > 1:
        yield "has clips without features, shot, time or thumbnail"
    if _count_lengths(arrays, SHOT_ARRAYS) > 1:
        yield "has shots without sound, voices or colours"


def _count_lengths(arrays: Arrays, names: tuple[str, ...]) -> int:
    """Return how many different lengths some arrays have."""
    return len({len(arrays[name]) for name in names})


def summarize_films(store: Path) -> list[str]:
    """Return a line a film: its length, its shots and scenes, and whether it has sound."""
    lines = []
    with _open_store(store) as file:
        for name, film in file.items():
            sound = "sound" if film.attrs["has_audio"] else "no sound"
            seconds, shots, scenes = film["shots"][-1, 1], len(film["shots"]), len(film["scenes"])
            lines.append(f"{name}  {seconds:.1f} s  {shots} shots  {scenes} scenes  {sound}")
    return lines


def describe_film(store: Path, name: str) -> Iterator[str]:
    """Yield a film's attributes, arrays and scenes, a line each."""
    with _open_store(store) as file:
        film = _find_film(file, name)
        for key, value in film.attrs.items():
            yield f"{key}: {value}"
        for key, part in film.items():
            yield f"{key}: {part.dtype} {part.shape}, {part.attrs['unit']}"
        shots = film["shots"][:]
        for number, (first, last) in enumerate(film["scenes"][:]):
            yield f"scene {number}: {shots[first, 0]:.2f}-{shots[last, 1]:.2f} s, shots {first}-{last}"


def verify_store(store: Path) -> tuple[int, list[str]]:
    """Return how many films there are, and what is wrong with any of them; every array is read."""
    problems = []
    with _open_store(store) as file:
        for name, film in file.items():
            for problem in find_problems(film):
                problems.append(f"{name} {problem}")
        return len(file), problems


def export_film(store: Path, name: str, folder: Path) -> None:
    """Write a film's arrays as .npy files and its thumbnails as JPEG."""
    with _open_store(store) as file:
        film = _find_film(file, name)
        folder.mkdir(parents=True, exist_ok=True)
        # What the group has, not UNITS: stores made before voices were added can be exported too
        for key in film.keys() - {"thumbnails"}:
            np.save(folder / f"{key}.npy", film[key][:])
        for number, thumbnail in enumerate(film["thumbnails"][:]):
            (folder / f"clip-{number:04}.jpg").write_bytes(thumbnail.tobytes().rstrip(b"\0"))


def _open_store(store: Path) -> Any:
    try:
        return h5py.File(store)
    except OSError as error:
        raise VideoError(
            f"{store} is not a file of films ({error}). Make it: dvc repro merge_video"
        ) from None


def _find_film(file: Any, name: str) -> Any:
    if name not in file:
        raise VideoError(f"There is no film {name}. Known films: {', '.join(list(file)[:10])}.")
    return file[name]
