"""`paceline init`: a configuration with comments, and an empty database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from storage.errors import RefusedError, UsageError
from tui.cli.output import emit, out, say
from tui.cli.session import Session
from tui.cli.verbs import Change


@click.command("init", cls=Change)
@click.pass_obj
def init(session: Session) -> None:
    """Make paceline.toml, a commented example, and the database. What exists already stays as it is."""
    from engine.config import init_config

    session.refuse_read_only()
    config, database = session.config_file, session.db
    made = []
    if config.exists() and database.exists():
        raise RefusedError(f"{config} and {database} exist and stay as they are", hint="paceline doctor")
    if not config.exists():
        init_config(config)
        made.append(config)
    if not database.exists():
        make_database(database)
        made.append(database)
    if session.json:
        emit({"success": True, "config": str(config), "database": str(database), "made": [str(path) for path in made]})
        return
    for path in (config, database):
        out(f"{'made' if path in made else 'kept'} {path}")
    say(f"next: put your account into {config}, then: paceline account test NAME")
    say("to see it work first: paceline demo")


def make_database(path: Path) -> None:
    """Create an empty store, 0600, in a folder 0700. Raises UsageError, StoreError."""
    from engine.clock import SystemClock
    from storage.sqlite import SqliteStore

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"{path.parent} cannot be made: {reason}", hint="name another place with --db") from None

    async def make() -> None:
        store = await SqliteStore.open(path, role="command", now=SystemClock().now, create=True)
        await store.close(note="init")

    asyncio.run(make())
