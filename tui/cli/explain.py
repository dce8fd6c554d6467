"""`campaign explain`, `job explain`, `queue explain`: every gate in order, which one holds, and when it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from storage.errors import PacelineError
from tui.cli.output import Json, dated, emit, out, pairs, table
from tui.cli.session import Session
from tui.cli.verbs import ID, Verb

if TYPE_CHECKING:
    from engine.explain.asking import Asking
    from storage.reader import Reader

PATIENCE = 2.0
"""Seconds that an engine may take to tell of itself; without its word the store's own facts have to do."""


def questions(session: Session, reader: Reader, now: int) -> Asking:
    """Asks what the store says, what a running engine tells of itself, and what the configuration says."""
    from storage.lock import read_holder
    from tui.explaining import asking, limits_by_account

    holder = read_holder(session.db)
    runs = holder is not None and holder.role != "command"
    status = _status(holder.socket) if holder is not None and runs else {}
    return asking(reader, now, status, runs=runs, accounts=limits_by_account(session.config))


def _status(socket: str) -> dict[str, Any]:
    from tui.client import SocketControl, this_actor

    try:
        control = SocketControl(socket, this_actor("cli"), patience=PATIENCE)
        try:
            return control.call("engine.status")
        finally:
            control.close()
    except PacelineError:
        return {}


def told_in(session: Session) -> None:
    """Let times in sentences be those of the configuration's zone."""
    from tui.format import Times, set_times

    set_times(Times.LOCAL, session.zone)


def _explain(session: Session, scope: str, row: Json) -> None:
    from tui.cli.times import now_us
    from tui.explaining import explained
    from tui.screens.why import gates, why

    now = now_us()
    with session.reader() as reader:
        answer = explained(questions(session, reader, now), scope, row)
    told_in(session)
    if session.json:
        emit(dated({**answer, "why": why(answer, now, None)}))
        return
    pairs(
        (
            (scope, answer[scope]),
            ("campaign", answer["numbers"].get("campaign", "")),
            ("state", answer["state"]),
            ("why", why(answer, now, None)),
        )
    )
    if answer["gates"]:
        out()
        table(("", "gate", "how it stands"), gates(answer, now, None))
    if answer.get("campaigns"):
        out()
        table(
            ("campaign", "state", "why"), [(c["campaign"], c["state"], why(c, now, None)) for c in answer["campaigns"]]
        )


@click.command("explain", cls=Verb)
@click.argument("name")
@click.pass_obj
def campaign(session: Session, name: str) -> None:
    """Why it does not send now: every gate of its next message in order, which one holds, and when it opens."""
    _explain(session, "campaign", {"name": name})


@click.command("explain", cls=Verb)
@click.argument("job_id", metavar="ID", type=ID)
@click.pass_obj
def job(session: Session, job_id: int) -> None:
    """Why this message does not leave now: every gate in order, which one holds, and when it opens."""
    _explain(session, "job", {"id": job_id})


@click.command("explain", cls=Verb)
@click.argument("name")
@click.pass_obj
def queue(session: Session, name: str) -> None:
    """What holds this queue, and each campaign in it: limits with what is used of them, breaker, engine."""
    _explain(session, "queue", {"name": name})
