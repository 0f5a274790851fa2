"""`tandem video`: what a file of films holds, whether it is whole, and its arrays as files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Files of films: list, show, verify, export.", no_args_is_help=True)
Store = Annotated[Path, typer.Argument(help="A file of films, as the stage films writes it")]
Name = Annotated[str, typer.Argument(help="video_id of a film")]


@app.command("ls")
def list_films(store: Store) -> None:
    """List the films with their length, shots, scenes and whether they have sound.

    Example: [bold]tandem video ls films.h5[/]
    """
    from components.video.hdf5_store import summaries

    for line in summaries(store):
        typer.echo(line)


@app.command()
def show(store: Store, name: Name) -> None:
    """Show a film's attributes, arrays and scenes.

    Example: [bold]tandem video show films.h5 bigbuckbunny[/]
    """
    from components.video.hdf5_store import describe

    for line in describe(store, name):
        typer.echo(line)


@app.command()
def verify(store: Store) -> None:
    """Read every array of every film; the exit status is 1 where something is wrong.

    Example: [bold]tandem video verify films.h5[/]
    """
    from components.video.hdf5_store import verify as check

    films, faults = check(store)
    typer.echo("\n".join(faults) or f"{films} films are whole")
    if faults:
        raise typer.Exit(1)


@app.command()
def export(
    store: Store, name: Name, folder: Annotated[Path, typer.Argument(help="Folder to write to")]
) -> None:
    """Write a film's arrays as .npy files and its thumbnails as JPEG.

    Example: [bold]tandem video export films.h5 bigbuckbunny bigbuckbunny[/]
    """
    from components.video.hdf5_store import export as write

    write(store, name, folder)
