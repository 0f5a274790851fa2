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


def films_of(shots: pd.DataFrame) -> list[FilmInput]:
    """Films and their shots, by id, of a table of shots."""
    columns = ["start_frame", "end_frame", "start_seconds", "end_seconds"]
    return [
        FilmInput(
            str(video_id), film["path"].iloc[0], film["sha256"].iloc[0], int(film["frames"].iloc[0]),
            tuple((int(a), int(b), float(c), float(d)) for a, b, c, d in film[columns].to_numpy()),
        )
        for video_id, film in shots.groupby("video_id", sort=True)
    ]  # fmt: skip


def write_film(file: Any, film: FilmInput, answer: Arrays | VideoError) -> Arrays:
    """Write a film's group: its arrays, or the reason why there are none."""
    group = file.create_group(film.video_id)
    if isinstance(answer, VideoError):
        group.attrs["reason"] = str(answer)
        return {}
    for name, array in answer.items():
        write_array(group, name, array)
    return answer


def write_array(group: Any, name: str, array: Any) -> None:
    """Write an array with its unit."""
    made = group.create_dataset(name, data=array, compression="gzip", shuffle=True, fletcher32=True)
    made.attrs["unit"] = UNITS[name]


def faults(film: Any) -> Iterator[str]:
    """What is wrong with a film's group."""
    missing = UNITS.keys() - film.keys()
    if missing:
        yield f"lacks {', '.join(sorted(missing))}"
        return
    try:
        arrays = {name: part[:] for name, part in film.items()}
    except OSError as fault:
        yield f"cannot be read ({fault})"
        return
    shots, scenes = arrays["shots"], arrays["scenes"]
    if len(shots) == 0 or (np.diff(shots.ravel()) < 0).any():
        yield "has shots out of order"
    if [first for first, _ in scenes] + [len(shots)] != [0] + [last + 1 for _, last in scenes]:
        yield "has shots in no scene, or in two"
    if not np.isfinite(arrays["clip_features"]).all():
        yield "has clip features that are no numbers"
    if set(arrays["clip_shot"]) != set(range(len(shots))):
        yield "has shots without a clip"
    if (
        len(
            {len(arrays[name]) for name in ("clip_features", "clip_shot", "clip_start_seconds", "thumbnails")}
        )
        > 1
    ):
        yield "has clips without features, shot, time or thumbnail"
    if {len(arrays[name]) for name in ("audio_features", "voice_features", "colours")} != {len(shots)}:
        yield "has shots without sound, voices or colours"


def summaries(store: Path) -> list[str]:
    """A line a film: its length, shots, scenes and whether it has sound."""
    with _open(store) as file:
        return [
            f"{name}  {film['shots'][-1, 1]:.1f} s  {len(film['shots'])} shots  {len(film['scenes'])} scenes  "
            f"{'sound' if film.attrs['has_audio'] else 'no sound'}"
            for name, film in file.items()
        ]


def describe(store: Path, name: str) -> Iterator[str]:
    """A film's attributes, arrays and scenes, a line each."""
    with _open(store) as file:
        film = _film(file, name)
        for key, value in film.attrs.items():
            yield f"{key}: {value}"
        for key, part in film.items():
            yield f"{key}: {part.dtype} {part.shape}, {part.attrs['unit']}"
        shots = film["shots"][:]
        for number, (first, last) in enumerate(film["scenes"][:]):
            yield f"scene {number}: {shots[first, 0]:.2f}-{shots[last, 1]:.2f} s, shots {first}-{last}"


def verify(store: Path) -> tuple[int, list[str]]:
    """How many films there are, and what is wrong with any of them; every array is read."""
    with _open(store) as file:
        return len(file), [f"{name} {fault}" for name, film in file.items() for fault in faults(film)]


def export(store: Path, name: str, folder: Path) -> None:
    """Write a film's arrays as .npy files and its thumbnails as JPEG."""
    with _open(store) as file:
        film = _film(file, name)
        folder.mkdir(parents=True, exist_ok=True)
        for key in film.keys() - {"thumbnails"}:
            np.save(folder / f"{key}.npy", film[key][:])
        for number, picture in enumerate(film["thumbnails"][:]):
            (folder / f"clip-{number:04}.jpg").write_bytes(picture.tobytes().rstrip(b"\0"))


def _open(store: Path) -> Any:
    try:
        return h5py.File(store)
    except OSError as fault:
        raise VideoError(f"{store} is no file of films ({fault}). Make it: dvc repro films") from None


def _film(file: Any, name: str) -> Any:
    if name not in file:
        raise VideoError(f"There is no film {name}. Known films: {', '.join(list(file)[:10])}.")
    return file[name]
