"""`novelray keys`: who may use the endpoint. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from novelray.endpoint.keys import KeyStore

app = typer.Typer(help="API keys of the endpoint: create, list, revoke.", no_args_is_help=True)

Database = Annotated[
    str | None,
    typer.Option("--db", metavar="URL", help="SQLAlchemy URL, as in serve.keys. Default: ~/.novelray/keys.db"),
]


def add_to(parent: typer.Typer) -> None:
    """Add the verbs as `keys ...`."""
    parent.add_typer(app, name="keys", rich_help_panel="Serving")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom or what the key is for.", show_default=False)],
    db: Database = None,
) -> None:
    """Make a key. It is printed alone on stdout, and cannot be shown again."""
    secret, record = _store(db).create(name)
    typer.echo(f"Key {record.id} for {record.name!r}. Keep it now: only its digest is stored.", err=True)
    typer.echo(secret)


@app.command(name="list")
def list_keys(db: Database = None) -> None:
    """Every key with its name and state."""
    from rich.table import Table

    from novelray.fleet.console import console

    table = Table("id", "name", "created (UTC)", "state")
    for record in _store(db).all():
        state = "valid" if record.revoked is None else f"revoked {record.revoked:%Y-%m-%d %H:%M}"
        table.add_row(record.id, record.name, f"{record.created:%Y-%m-%d %H:%M}", state)
    console().print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|NAME", help="As shown by: novelray keys list", show_default=False)],
    db: Database = None,
) -> None:
    """Make a key invalid. Running endpoints refuse it within five seconds."""
    for record in _store(db).revoke(key):
        typer.echo(f"Revoked {record.id} ({record.name}).")


def _store(db: str | None) -> KeyStore:
    from novelray.endpoint.keys import KeyStore

    return KeyStore(db)
