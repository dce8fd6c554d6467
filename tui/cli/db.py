"""`paceline db`: backup, restore, check, recount; `db_prune` is beside it."""

from __future__ import annotations

from pathlib import Path

import click

from storage.errors import RefusedError, UsageError
from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text


@click.group(
    "db",
    cls=LazyGroup,
    lazy={
        "backup": Lazy("tui.cli.db:backup", "A consistent copy, also while an engine runs."),
        "restore": Lazy("tui.cli.db:restore", "Put a backup in place; what may have left since becomes uncertain."),
        "check": Lazy("tui.cli.db:check", "Integrity, counters, and what was left half done."),
        "prune": Lazy("tui.cli.db_prune:prune", "Remove old background jobs and log entries; messages are kept."),
        "recount": Lazy("tui.cli.db:recount", "Put counters right that differ from a recount."),
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


@click.command("restore", cls=Change)
@click.argument("source", metavar="BACKUP", type=click.Path(path_type=Path))
@click.pass_obj
def restore(session: Session, source: Path) -> None:
    """Put BACKUP in the place of the database, with no engine running; the old files are kept beside it.

    Every message that the backup shows open, due (or waiting for approval) and in an active campaign becomes
    uncertain, unless the old store's attempts can still be read. So does a background job that must not run twice;
    others that were due wait for a retry. Schedules count from now on and make up for nothing.
    """
    import asyncio

    from storage.restore import restore as bring_back
    from tui.cli.times import now_us
    from tui.client import this_actor

    if session.read_only:
        raise RefusedError("this command was started with --read-only: changes are refused", hint="leave it out")
    session.confirm(f"Replace {session.db} by {source}?", always=True)
    done = asyncio.run(bring_back(session.db, source, now=now_us, actor=this_actor("cli")))
    if session.json:
        emit(
            {
                "success": True,
                "kept": str(done.kept) if done.kept else None,
                "attempts_read": done.evidence,
                "sent": done.sent,
                "uncertain": done.uncertain,
                "jobs": {"done": done.work.done, "uncertain": done.work.uncertain, "held": done.work.held},
                "schedules": done.schedules,
            }
        )
        return
    if done.kept:
        out(f"the old store is kept as {done.kept}")
    known = "the old store's attempts were read" if done.evidence else "the old store's attempts could not be read"
    out(f"restored {source}: {known}; {done.sent:,} found sent, {done.uncertain:,} uncertain")
    if done.work.done or done.work.uncertain or done.work.held:
        out(
            f"background jobs: {done.work.done:,} found done, {done.work.uncertain:,} uncertain, "
            f"{done.work.held:,} held until you retry them"
        )
    if done.schedules:
        out(f"schedules: {done.schedules:,} may have fired since the backup; none makes up for it")


@click.command("check", cls=Verb)
@click.pass_obj
def check(session: Session) -> int:
    """SQLite's integrity check, the schema, the counters against a recount, and what was left half done, each with
    its remedy. Exit 1 when something is wrong."""
    from tui.cli.checkup import examine_store

    findings = [found for found in examine_store(session) if found.level != "ok"]
    problems = [found for found in findings if found.level == "problem"]
    if session.json:
        emit(
            {
                "success": not problems,
                "problems": [found.message for found in problems],
                "findings": [found._asdict() for found in findings],
            }
        )
    else:
        for found in findings:
            out(safe_text(found.message))
            out(f"  -> {safe_text(found.remedy)}")
        if not problems:
            out("sound: integrity is ok, the counters equal a recount")
    return 1 if problems else 0


@click.command("recount", cls=Change)
@click.pass_obj
def recount(session: Session) -> None:
    """Bring the counters to what a count of the jobs says, with no engine running. Messages are not touched."""
    import asyncio

    from storage.books import recount as count_again
    from tui.cli.times import now_us
    from tui.client import this_actor

    if session.read_only:
        raise RefusedError("this command was started with --read-only: changes are refused", hint="leave it out")
    wrong = asyncio.run(count_again(session.db, now=now_us, actor=this_actor("cli")))
    if session.json:
        emit({"success": True, "wrong": wrong})
    else:
        out(f"{wrong:,} counters were wrong and are right now" if wrong else "the counters were right")
