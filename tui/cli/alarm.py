"""`paceline alarm`: what stopped, slowed down or is told by itself; list, ack."""

from __future__ import annotations

import click

from tui.cli.campaign_run import tell
from tui.cli.output import Json, dated, emit, local, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb


@click.group(
    "alarm",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.alarm:list_", "What is not over; with --all also what was."),
        "ack": Lazy("tui.cli.alarm:ack", "Say that you have seen one."),
        "unack": Lazy("tui.cli.alarm:unack", "Take that back."),
    },
)
def alarm() -> None:
    """What the engine paused, slowed down or tells by itself, until it is over."""


@click.command("list", cls=Verb)
@click.option("--all", "every", is_flag=True, help="Also those that are over, the newest first.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="With --all: so many.")
@click.pass_obj
def list_(session: Session, every: bool, limit: int) -> None:
    """What is not over, the most urgent first. `paceline campaign resume` or `queue resume` ends what stopped."""
    from storage.alarm_facts import alarms, open_alarms

    with session.reader() as reader:
        rows = alarms(reader, limit) if every else open_alarms(reader)
    if session.json:
        emit({"count": len(rows), "alarms": [dated(public(row)) for row in rows]})
        return
    zone = session.zone
    shown = [
        (row["id"], row["kind"], row["name"], local(row["raised_at"], zone), _standing(row), row["text"])
        for row in rows
    ]
    table(("id", "alarm", "of", "raised", "stands", "why"), shown, empty="no alarm stands")


def public(row: Json) -> Json:
    """An alarm for JSON: without the columns that other keys repeat."""
    return {key: value for key, value in row.items() if key not in ("campaign_id", "queue_id", "name", "urgency")}


def _standing(row: Json) -> str:
    if row["cleared_at"] is not None:
        return "over"
    return f"seen by {row['acknowledged_by']}" if row["acknowledged_by"] else "open"


@click.command("ack", cls=Change)
@click.argument("alarm_id", metavar="ID", type=int)
@click.pass_obj
def ack(session: Session, alarm_id: int) -> None:
    """Say that you have seen it: it no longer stands among what needs a person. What it stopped stays stopped."""
    tell(session, session.call("alarm.ack", {"id": alarm_id}))


@click.command("unack", cls=Change)
@click.argument("alarm_id", metavar="ID", type=int)
@click.pass_obj
def unack(session: Session, alarm_id: int) -> None:
    """Take an acknowledgement back."""
    tell(session, session.call("alarm.unack", {"id": alarm_id}))
