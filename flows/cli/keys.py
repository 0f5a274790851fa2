"""`tandem keys`: create, revoke and list the keys of the service."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from flows.cli.console import console

app = typer.Typer(
    help="Keys of the service: who may read, write, or see and erase people.", no_args_is_help=True
)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whom it is for")],
    scope: Annotated[str, typer.Option(help="read, write or admin; each holds those before it")] = "write",
) -> None:
    """Make a key and show it, this once.

    Example: [bold]tandem keys create feed --scope write[/]
    """
    from components.serving.storage import api_keys
    from flows.serve import connect_database

    if scope not in api_keys.SCOPES:
        raise typer.BadParameter(f"{scope} is none of {', '.join(api_keys.SCOPES)}")
    typer.echo(
        api_keys.create_key(connect_database(), name, scope)
    )  # plain: Rich would wrap it in a narrow terminal


@app.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="Whose key it is")]) -> None:
    """Revoke a key at once.

    Example: [bold]tandem keys revoke feed[/]
    """
    from components.serving.storage import api_keys
    from flows.serve import connect_database

    api_keys.revoke_key(connect_database(), name)
    console.print(f"The key {name} is revoked.")


@app.command("list")
def list_keys() -> None:
    """Show the keys: name, scope, when they were made and revoked.

    Example: [bold]tandem keys list[/]
    """
    from components.serving.storage import api_keys
    from flows.serve import connect_database

    table = Table("name", "scope", "made", "revoked", box=None)
    for key in api_keys.list_keys(connect_database()):
        made, revoked = _format_time(key["created_at"]), _format_time(key["revoked_at"])
        table.add_row(str(key["name"]), str(key["scope"]), made, revoked)
    console.print(table)


def _format_time(seconds: object) -> str:
    """Return a Unix time as a date and a time in UTC, or an empty text for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(float(str(seconds)), UTC).strftime("%Y-%m-%d %H:%M")
