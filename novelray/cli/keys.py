"""`novelray keys`: who may use the endpoint. A secret is shown once, when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from novelray.endpoint.keys import KeyStore

app = typer.Typer(help="API keys of the endpoint: create, list, limit, revoke.", no_args_is_help=True)

Database = Annotated[
    str | None,
    typer.Option("--db", metavar="URL", help="SQLAlchemy URL, as in serve.keys. Default: ~/.novelray/keys.db"),
]

Key = Annotated[str, typer.Argument(metavar="ID|NAME", help="As shown by: novelray keys list", show_default=False)]
PerMinute = Annotated[
    int | None, typer.Option("--requests-per-minute", min=0, metavar="N", help="Most requests a minute. 0: no limit.")
]
TokensPerMinute = Annotated[
    int | None,
    typer.Option("--tokens-per-minute", min=0, metavar="N", help="Most tokens a minute, prompt and new. 0: no limit."),
]
TokensPerDay = Annotated[
    int | None, typer.Option("--tokens-per-day", min=0, metavar="N", help="Quota of tokens a day (UTC). 0: no limit.")
]
TokensPerMonth = Annotated[
    int | None,
    typer.Option("--tokens-per-month", min=0, metavar="N", help="Quota of tokens a month (UTC). 0: no limit."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="GLOB", help="A model the key may see, such as 'my-novel@*'; may be repeated."),
]


def add_to(parent: typer.Typer) -> None:
    """Add the verbs as `keys ...`."""
    parent.add_typer(app, name="keys", rich_help_panel="Serving")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom or what the key is for.", show_default=False)],
    requests_per_minute: PerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: TokensPerDay = None,
    tokens_per_month: TokensPerMonth = None,
    models: Models = None,
    db: Database = None,
) -> None:
    """Make a key. It is printed alone on stdout, and cannot be shown again."""
    from novelray.endpoint.limits import KeyLimits

    given = _given(requests_per_minute, tokens_per_minute, tokens_per_day, tokens_per_month, models)
    secret, record = _store(db).create(name, KeyLimits().but(**given))
    typer.echo(f"Key {record.id} for {record.name!r}. Keep it now: only its digest is stored.", err=True)
    typer.echo(secret)


@app.command(name="list")
def list_keys(db: Database = None) -> None:
    """Every key with its state, its limits, and the tokens it used."""
    from datetime import UTC, datetime

    from rich.table import Table

    from novelray.fleet.console import console

    store = _store(db)
    records = store.all()
    used = store.usage.exchange({}, [r.id for r in records], datetime.now(UTC).date())
    table = Table("id", "name", "created (UTC)", "state", "limits", "requests today", "tokens today", "this month")
    for record in records:
        state = "valid" if record.revoked is None else f"revoked {record.revoked:%Y-%m-%d %H:%M}"
        use = used[record.id]
        numbers = (str(use.today.requests), str(use.today.tokens), str(use.month.tokens))
        table.add_row(record.id, record.name, f"{record.created:%Y-%m-%d %H:%M}", state, str(record.limits), *numbers)
    console().print(table)


@app.command()
def limit(
    key: Key,
    requests_per_minute: PerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: TokensPerDay = None,
    tokens_per_month: TokensPerMonth = None,
    models: Models = None,
    db: Database = None,
) -> None:
    """Change what a key may use; what is not given stays. `--models '*'` lets it see every model again.

    Running endpoints know within five seconds.
    """
    given = _given(requests_per_minute, tokens_per_minute, tokens_per_day, tokens_per_month, models)
    for record in _store(db).limit(key, **given):
        typer.echo(f"{record.id} ({record.name}): {record.limits}")


@app.command()
def revoke(
    key: Key,
    db: Database = None,
) -> None:
    """Make a key invalid. Running endpoints refuse it within five seconds."""
    for record in _store(db).revoke(key):
        typer.echo(f"Revoked {record.id} ({record.name}).")


def _given(
    requests: int | None, tokens: int | None, per_day: int | None, per_month: int | None, models: list[str] | None
) -> dict[str, Any]:
    """The limits that were given, with 0 and `*` as no limit."""
    numbers = {
        "requests_per_minute": requests,
        "tokens_per_minute": tokens,
        "tokens_per_day": per_day,
        "tokens_per_month": per_month,
    }
    found: dict[str, Any] = {name: number or None for name, number in numbers.items() if number is not None}
    return found | ({"models": () if "*" in models else tuple(models)} if models else {})


def _store(db: str | None) -> KeyStore:
    from novelray.endpoint.keys import KeyStore

    return KeyStore(db)
