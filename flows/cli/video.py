"""`tandem video`: list and show the films of an HDF5 file, verify them, and export their arrays."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Files of films: list, show, verify, export.", no_args_is_help=True)
Store = Annotated[Path, typer.Argument(help="A file of films, as the stage merge_video writes it")]
Name = Annotated[str, typer.Argument(help="video_id of a film")]


@app.command("ls")
def list_films(store: Store) -> None:
    """List the films with their length, shots, scenes and whether they have sound.

    Example: [bold]tandem video ls films.h5[/]
    """
    from components.video.hdf5_store import summarize_films

    for line in summarize_films(store):
        typer.echo(line)


@app.command("show")
def show_film(store: Store, name: Name) -> None:
    """Show a film's attributes, arrays and scenes.

    Example: [bold]tandem video show films.h5 bigbuckbunny[/]
    """
    from components.video.hdf5_store import describe_film

    for line in describe_film(store, name):
        typer.echo(line)


@app.command("verify")
def verify_films(store: Store) -> None:
    """Read every array of every film; exit with status 1 if something is wrong.

    Example: [bold]tandem video verify films.h5[/]
    """
    from components.video.hdf5_store import verify_store

    n_films, problems = verify_store(store)
    typer.echo("\n".join(problems) or f"{n_films} films are whole")  # not Rich: it reads [0] as markup
    if problems:
        raise typer.Exit(1)


@app.command("export")
def export_film(
    store: Store, name: Name, folder: Annotated[Path, typer.Argument(help="Folder to write to")]
) -> None:
    """Write a film's arrays as .npy files and its thumbnails as JPEG.

    Example: [bold]tandem video export films.h5 bigbuckbunny bigbuckbunny[/]
    """
    from components.video.hdf5_store import export_film as write

    write(store, name, folder)
