"""`paceline schedule`: what recurs by the clock; list, show, add, edit, remove, run, enable, disable, next, import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from storage.errors import UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import Json, dated, emit, local, out, pairs, say, span, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text
from tui.schedule_words import outcome_of, state_of

if TYPE_CHECKING:
    from engine.planning.cron import Cron

MOST_NEXT = 1_000


@click.group(
    "schedule",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.schedule:list_", "Every schedule: when it fires next, and how its last run ended."),
        "show": Lazy("tui.cli.schedule:show", "One schedule with its next and its last firings."),
        "add": Lazy("tui.cli.schedule_make:add", "Make one; its next five firings are shown first."),
        "edit": Lazy("tui.cli.schedule_make:edit", "Change one."),
        "import": Lazy("tui.cli.schedule_file:import_", "Make those that a TOML file holds."),
        "run": Lazy("tui.cli.schedule:run", "Fire once now."),
        "enable": Lazy("tui.cli.schedule:enable", "Let one fire again."),
        "disable": Lazy("tui.cli.schedule:disable", "Let one fire no more."),
        "next": Lazy("tui.cli.schedule:next_", "What fires next, of one schedule, of all, or of an expression."),
        "remove": Lazy("tui.cli.schedule:remove", "Take one away; its jobs stay."),
    },
)
def schedule() -> None:
    """Background jobs that recur: a cron expression in a time zone."""


@click.command("list", cls=Verb)
@click.pass_obj
def list_(session: Session) -> None:
    """Every schedule, what fires next first."""
    from storage.schedule_facts import schedules

    with session.reader() as reader:
        rows = schedules(reader)
    if session.json:
        emit({"count": len(rows), "schedules": [_public(row) for row in rows]})
        return
    table(
        ("name", "state", "cron", "zone", "kind", "next", "last", "ended"),
        [
            (row["name"], state_of(row), row["cron"], row["zone"], row["kind"], _next_words(row),
             local(row["last"]["fired_at"], session.zone) if row["last"] else "", outcome_of(row["last"]))
            for row in rows
        ],
        empty="there is no schedule: paceline schedule add --help, or paceline schedule import FILE",
    )  # fmt: skip


def _public(row: Json) -> Json:
    return {**dated(row), "last": dated(row["last"]) if row["last"] else None}


def _next_words(row: Json) -> str:
    from engine.schedule_words import local as told

    if not row["enabled"]:
        return "-"
    return told(row["next_at"], row["zone"]) if row["next_at"] is not None else "never again"


@click.command("show", cls=Verb)
@click.argument("name")
@click.option("--history", type=click.IntRange(0, 1_000), default=10, show_default=True, help="So many last firings.")
@click.pass_obj
def show(session: Session, name: str, history: int) -> None:
    """What a schedule says, when it fires next, and what became of its last firings."""
    from engine.planning.cron import Cron
    from engine.schedule_words import OVERLAPS, missed_words, upcoming
    from storage.schedule_facts import firings
    from storage.schedule_facts import schedule as one
    from tui.cli.times import now_us

    with session.reader() as reader:
        row = one(reader, name)
        rows = firings(reader, row["id"], history)
    cron = Cron(row["cron"], row["zone"])
    following = upcoming(cron, max(row["decided_at"], now_us())) if row["enabled"] else []
    if session.json:
        emit(
            {**_public(row), "words": cron.in_words(), "next": [dated(firing) for firing in following],
             "firings": [dated(firing) for firing in rows]}
        )  # fmt: skip
        return
    pairs(
        (
            ("schedule", row["name"]),
            ("state", state_of(row)),
            ("trouble", row["trouble"]),
            ("fires", f"{cron.in_words()}  ({row['cron']})"),
            ("zone", row["zone"]),
            ("kind", row["kind"]),
            ("payload", json.dumps(row["payload"], ensure_ascii=False) if row["payload"] else ""),
            ("queue", row["queue"] or "that of its kind"),
            ("priority", row["priority"] or "that of its kind"),
            ("missed", f"{row['missed']}: {missed_words(row['missed'], row['grace'], row['most'])}"),
            ("overlap", f"{row['overlap']}: {OVERLAPS[row['overlap']]}"),
            ("made", f"{local(row['created_at'], session.zone)} by {row['created_by']}"),
            ("waits", _waits(row, now_us(), session)),
        )
    )
    out()
    tell_next(following, empty="fires no more" if row["enabled"] else "disabled: fires nothing")
    out()
    table(
        ("for", "fired", "late", "by", "came to", "job", "took", "note"),
        [_firing_cells(firing, row["zone"], session) for firing in rows],
        empty="it has not fired yet",
    )


def _waits(row: Json, now: int, session: Session) -> str:
    """Of a clock that was set back: which times are dealt with, until an engine has looked."""
    if not row["enabled"] or row["decided_at"] <= now + 60_000_000:
        return ""
    return (
        f"its times up to {local(row['decided_at'], session.zone)} are dealt with: the clock was set back. "
        "To begin anew from now: disable it, then enable it"
    )


def _firing_cells(firing: Json, zone: str, session: Session) -> tuple[Any, ...]:
    from engine.schedule_words import local as told

    late = firing["fired_at"] - firing["at"]
    took = span(firing["finished_at"] - firing["started_at"]) if firing["finished_at"] else ""
    why = firing["note"] or (firing["job_error"] if firing["job_state"] in ("failed", "held", "uncertain") else "")
    return (
        "by hand" if firing["manual"] else told(firing["at"], zone),
        local(firing["fired_at"], session.zone),
        span(late) if late >= 60_000_000 else "",
        "hand" if firing["manual"] else "clock",
        outcome_of(firing),
        firing["job_id"],
        took,
        why or firing["job_flag"],
    )


def tell_next(following: list[Json], *, empty: str = "fires never") -> None:
    """The next firings, a line each, with what a change of the clocks does to them."""
    for number, firing in enumerate(following):
        line = f"{'next' if not number else '':<6}{firing['local']}"
        out(safe_text(f"{line}   {firing['note']}".rstrip()))
    if not following:
        out(empty)


@click.command("next", cls=Verb)
@click.argument("name", required=False)
@click.option("--cron", "expression", metavar="EXPR", help='Of an expression instead: "0 8 * * MON-FRI", @daily.')
@click.option("--zone", metavar="ZONE", help="With --cron: whose clocks it means [the configured zone].")
@click.option("-n", "n", type=click.IntRange(1, MOST_NEXT), default=5, show_default=True, help="So many firings.")
@click.pass_obj
def next_(session: Session, name: str | None, expression: str | None, zone: str | None, n: int) -> None:
    """What fires next: of schedule NAME, of all enabled schedules, or of an expression that nobody has saved. Times are
    those of each schedule's zone; a change of the clocks is told beside them."""
    from engine.planning.cron import Cron
    from engine.schedule_words import upcoming
    from tui.cli.times import now_us

    if expression is not None:
        if name is not None:
            raise UsageError("--cron and NAME exclude each other")
        cron = Cron.parse(expression, zone or session.config().zone)
        following = upcoming(cron, now_us(), n)
        if session.json:
            emit({"cron": cron.expression, "zone": cron.zone, "words": cron.in_words(),
                  "next": [dated(one) for one in following]})  # fmt: skip
            return
        say(f"{cron.in_words()} ({cron.zone})")
        tell_next(following)
        return
    if zone is not None:
        raise UsageError("--zone goes with --cron", hint="a schedule has its own: paceline schedule edit NAME --zone")
    found = _next_of(session, name, n, now_us())
    if session.json:
        emit({"count": len(found), "next": [dated(one) for one in found]})
        return
    table(
        ("schedule", "fires", "note"),
        [(one["schedule"], one["local"], one["note"]) for one in found],
        empty="nothing fires: every schedule is disabled, or there is none",
    )


def _next_of(session: Session, name: str | None, n: int, now: int) -> list[Json]:
    from engine.planning.cron import Cron
    from engine.schedule_words import upcoming
    from storage.schedule_facts import schedule as one
    from storage.schedule_facts import schedules

    with session.reader() as reader:
        rows = [one(reader, name)] if name is not None else schedules(reader)
    found: list[Json] = []
    for row in rows:
        if row["enabled"]:
            cron: Cron = Cron(row["cron"], row["zone"])
            following = upcoming(cron, max(row["decided_at"], now), n)
            found += [{"schedule": row["name"], **firing} for firing in following]
    return sorted(found, key=lambda firing: (firing["at"], firing["schedule"]))[:n]


@click.command("run", cls=Change)
@click.argument("name")
@click.option("--anyway", is_flag=True, help="Also while a job of it is not over.")
@click.pass_obj
def run(session: Session, name: str, anyway: bool) -> None:
    """Fire NAME once now, whether it is enabled or not; its own times stay as they are. Refused while a job of it is
    not over, unless the schedule allows overlaps."""
    from storage.lock import read_holder

    result = session.call("schedule.run", {"name": name, "anyway": anyway})
    tell(session, result)
    if not session.json and read_holder(session.db) is None:
        say("no engine is running, so it waits: paceline engine run")


@click.command("enable", cls=Change)
@click.argument("name")
@click.pass_obj
def enable(session: Session, name: str) -> None:
    """Let NAME fire again, from now on: what came while it was disabled is not made up for."""
    tell(session, session.call("schedule.enable", {"name": name}))


@click.command("disable", cls=Change)
@click.argument("name")
@click.pass_obj
def disable(session: Session, name: str) -> None:
    """Let NAME fire no more. A run that has begun goes on; one that waited for it does not begin."""
    tell(session, session.call("schedule.disable", {"name": name}))


@click.command("remove", cls=Change)
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Take NAME away with the record of its firings. Its jobs stay, also one that runs."""
    session.confirm(f"Remove schedule {safe_text(name)}? To keep it for later there is `schedule disable`.")
    tell(session, session.call("schedule.remove", {"name": name}))
