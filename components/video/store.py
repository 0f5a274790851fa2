"""The HDF5 files of films: one group a film, its arrays compressed and check-summed, its attributes what made it.

python -m components.video.store ls|show|verify|export <file of films>
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
import pandas as pd
import typer

from components.video.parts import Arrays, Film
from components.video.settings import VideoError

STORE = Annotated[Path, typer.Argument(help="A file of films")]
NAME = Annotated[str, typer.Argument(help="video_id of a film")]
UNITS = {
    "shots": "seconds (start, end)", "scenes": "shots (first, last)", "clip_start_seconds": "seconds",
    "clip_shot": "shots", "clip_features": "1", "audio_features": "log10 of energy", "colours": "share of pixels",
    "thumbnails": "JPEG bytes, zeros behind",
}  # fmt: skip
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def films_of(shots: pd.DataFrame) -> list[Film]:
    """Films and their shots, by id, of a table of shots."""
    columns = ["start_frame", "end_frame", "start_seconds", "end_seconds"]
    return [
        Film(
            str(video_id), film["path"].iloc[0], film["sha256"].iloc[0], int(film["frames"].iloc[0]),
            tuple((int(a), int(b), float(c), float(d)) for a, b, c, d in film[columns].to_numpy()),
        )
        for video_id, film in shots.groupby("video_id", sort=True)
    ]  # fmt: skip


def write_film(file: Any, film: Film, answer: Arrays | VideoError) -> Arrays:
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
    if not len(shots) == len(arrays["audio_features"]) == len(arrays["colours"]):
        yield "has shots without sound or colours"


@app.command("ls")
def list_films(store: STORE) -> None:
    """List the films with their length, shots, scenes and whether they have sound."""
    with _open(store) as file:
        for name, film in file.items():
            seconds = film["shots"][-1, 1]
            sound = "sound" if film.attrs["has_audio"] else "no sound"
            typer.echo(
                f"{name}  {seconds:.1f} s  {len(film['shots'])} shots  {len(film['scenes'])} scenes  {sound}"
            )


@app.command()
def show(store: STORE, name: NAME) -> None:
    """Show a film's attributes, arrays and scenes."""
    with _open(store) as file:
        film = _film(file, name)
        for key, value in film.attrs.items():
            typer.echo(f"{key}: {value}")
        for key, part in film.items():
            typer.echo(f"{key}: {part.dtype} {part.shape}, {part.attrs['unit']}")
        shots = film["shots"][:]
        for number, (first, last) in enumerate(film["scenes"][:]):
            typer.echo(f"scene {number}: {shots[first, 0]:.2f}-{shots[last, 1]:.2f} s, shots {first}-{last}")


@app.command()
def verify(store: STORE) -> None:
    """Read every array of every film; the exit status is 1 where something is wrong."""
    with _open(store) as file:
        found = [f"{name} {fault}" for name, film in file.items() for fault in faults(film)]
        typer.echo("\n".join(found) or f"{len(file)} films are whole")
    if found:
        raise typer.Exit(1)


@app.command()
def export(store: STORE, name: NAME, folder: Annotated[Path, typer.Argument(help="Where to")]) -> None:
    """Write a film's arrays as .npy files and its thumbnails as JPEG."""
    with _open(store) as file:
        film = _film(file, name)
        folder.mkdir(parents=True, exist_ok=True)
        for key in UNITS.keys() - {"thumbnails"}:
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


def main() -> None:
    """Answer the command line; faults are one message and exit status 2."""
    try:
        app()
    except VideoError as fault:
        typer.secho(str(fault), err=True, fg="red")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
