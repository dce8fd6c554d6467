"""`paceline db`: backup, check."""

from __future__ import annotations

from pathlib import Path

import click

from storage.errors import RefusedError, UsageError
from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Lazy, LazyGroup, Verb
from tui.safe_text import safe_text


@click.group(
    "db",
    cls=LazyGroup,
    lazy={
        "backup": Lazy("tui.cli.db:backup", "A consistent copy, also while an engine runs."),
        "check": Lazy("tui.cli.db:check", "Integrity, and the counters against a recount."),
    },
)
def db() -> None:
    """Care of the database."""


@click.command("backup", cls=Verb)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def backup(session: Session, target: Path) -> None:
    """Copy the database to FILE (0600), whole or not at all, also while an engine runs."""
    if target.exists():
        raise RefusedError(f"{target} exists and stays as it is", hint="name another file")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"the folder {target.absolute().parent} does not exist", hint="make it first")
    with session.reader() as reader:
        reader.backup(target)
    size = target.stat().st_size
    if session.json:
        emit({"success": True, "file": str(target), "bytes": size})
    else:
        out(f"{target}: {size:,} bytes")


@click.command("check", cls=Verb)
@click.pass_obj
def check(session: Session) -> int:
    """SQLite's integrity check, and the counters against a recount. Exit 1 when something is wrong."""
    with session.reader() as reader:
        found = reader.check() + reader.counter_drift()
    if session.json:
        emit({"success": not found, "problems": found})
    else:
        for problem in found:
            out(safe_text(problem))
        if not found:
            out("sound: integrity is ok, the counters equal a recount")
    return 1 if found else 0
