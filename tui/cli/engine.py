"""`paceline engine`: status, pause, resume, drain, reload; `run` stands in its own module."""

from __future__ import annotations

import time

import click

from storage.errors import EngineUnavailableError
from storage.lock import read_holder
from storage.model import MINUTE
from tui.cli.campaign_run import tell
from tui.cli.output import Json, dated, emit, local, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text


@click.group(
    "engine",
    cls=LazyGroup,
    lazy={
        "run": Lazy("tui.cli.engine_run:run", "Run an engine here, in the foreground."),
        "status": Lazy("tui.cli.engine:status", "Who runs it, and what each queue does."),
        "pause": Lazy("tui.cli.engine:pause", "Pause everything."),
        "resume": Lazy("tui.cli.engine:resume", "Resume everything."),
        "drain": Lazy("tui.cli.engine:drain", "Finish what is in flight, then end the engine."),
        "reload": Lazy("tui.cli.engine:reload", "Read the configuration again."),
    },
)
def engine() -> None:
    """The part that sends. One engine a database."""


def _running(session: Session) -> None:
    """Raises EngineUnavailableError when no engine holds the store."""
    from storage.place import check_place

    check_place(session.db, create=False)
    holder = read_holder(session.db)
    if holder is None or holder.role == "command":
        raise EngineUnavailableError(f"no engine is running on {session.db}", hint="start one: paceline engine run")


@click.command("status", cls=Verb)
@click.pass_obj
def status(session: Session) -> int:
    """Who runs it, and what each queue does. Exit 0: an engine runs; 3: none does."""
    from engine.config import Config
    from storage import kind_facts, work_facts
    from storage.alarm_facts import open_alarms
    from tui.cli.alarm import public
    from tui.cli.facts import by_state
    from tui.client import open_control

    with session.reader() as reader:
        background, blocked = kind_facts.queues(reader), work_facts.blocked(reader)
        last, counts = reader.engine(), reader.counts()
        sent = sum(minute["sent"] for minute in reader.rates(now_us() - MINUTE))
        alarms = [public(row) for row in open_alarms(reader)]
    holder = read_holder(session.db)
    data: Json = {
        "running": False,
        "paused": last["paused"],
        "counts": by_state(counts),
        "sent_last_minute": sent,
        "alarms": alarms,
        "background": background,
        "blocked_batches": [
            {name: one[name] for name in ("id", "name", "stage", "waiting", "failed", "uncertain")} for one in blocked
        ],
    }
    if holder is not None and holder.role != "command":

        def no_config() -> Config:
            raise EngineUnavailableError("the engine ended just now", hint="ask again")

        # A read: allowed with --read-only too.
        with open_control(session.db, no_config) as control:
            data |= control.call("engine.status")
        data |= {"pid": holder.pid, "host": holder.host, "paused": last["paused"]}
    elif last.get("stopped_at"):
        data["stopped_at"] = last["stopped_at"]
    if session.json:
        emit(dated(data))
        return 0 if data["running"] else 3
    _show(session, data)
    return 0 if data["running"] else 3


def _show(session: Session, data: Json) -> None:
    _show_engine(session, data)
    standing = [alarm for alarm in data["alarms"] if not alarm["acknowledged_by"]]
    if standing:
        out()
    for alarm in standing:
        name = alarm["campaign"] or alarm["queue"]
        out(f"ALARM {alarm['id']}  {safe_text(name)}  {alarm['kind']}: {safe_text(alarm['text'])}")
    if standing:
        say("paceline alarm ack ID: you have seen it")
    for batch in data["blocked_batches"]:
        bad = batch["failed"] + batch["uncertain"]
        say(f"batch {batch['id']} needs you: {batch['waiting']:,} jobs wait, {bad:,} of an earlier stage ended badly")
        say(f"  paceline batch show {batch['id']}")


def _show_engine(session: Session, data: Json) -> None:
    open_counts = ", ".join(f"{n:,} {state}" for state, n in data["counts"].items() if n) or "no jobs"
    if not data["running"]:
        stopped = local(data["stopped_at"], session.zone) if data.get("stopped_at") else ""
        pairs((("engine", "not running"), ("last stopped", stopped), ("jobs", open_counts)))
        say("start one: paceline engine run")
        return
    state = "draining" if data["draining"] else "paused" if data["paused"] else "running"
    pairs(
        (
            ("engine", f"{state} (pid {data['pid']} on {data['host']}, as {data['role']})"),
            ("since", local(data["started_at"], session.zone)),
            ("why", data["why"]),
            ("sent in the last minute", f"{data['sent_last_minute']:,}"),
            ("loop lag", _lag(data["loop_lag"])),
            ("attached", ", ".join(f"{one['user']} on {one['host']}" for one in data["attached"])),
            ("store", data["store_trouble"]),
            ("jobs", open_counts),
        )
    )
    out()
    rows = [
        (
            queue["queue"],
            queue["state"],
            f"{queue['in_flight']}/{queue['concurrency']}",
            queue["held_by"],
            queue["trouble"],
        )
        for queue in data["queues"]
    ]
    states = {queue["queue"]: queue["state"] for queue in data["background"]}
    rows += [
        (
            f"{queue['queue']} (jobs)",
            states.get(queue["queue"], "ready"),
            f"{queue['in_flight']}/{queue['concurrency']}",
            "",
            queue["trouble"],
        )
        for queue in data["work"]
    ]
    table(("queue", "state", "in flight", "waits for", "trouble"), rows, empty="no account is configured")


def _lag(lag: Json) -> str:
    """How late the engine's loop woke in the last minute."""
    if not lag["n"]:
        return ""
    return f"p50 {lag['p50'] / 1_000:.0f} ms, p95 {lag['p95'] / 1_000:.0f} ms, longest {lag['longest'] / 1_000:.0f} ms"


@click.command("pause", cls=Change)
@click.pass_obj
def pause(session: Session) -> None:
    """Pause everything: no new attempt begins, what is in flight finishes."""
    tell(session, session.call("engine.pause"))


@click.command("resume", cls=Change)
@click.pass_obj
def resume(session: Session) -> None:
    """Resume everything."""
    tell(session, session.call("engine.resume"))


@click.command("drain", cls=Change)
@click.option("--wait", is_flag=True, help="Return when the engine has ended.")
@click.pass_obj
def drain(session: Session, wait: bool) -> None:
    """Finish what is in flight, then end the engine."""
    _running(session)
    session.confirm("End the engine?")
    result = session.call("engine.drain")
    while wait and read_holder(session.db) is not None:
        time.sleep(0.1)
    tell(session, result)


@click.command("reload", cls=Change)
@click.pass_obj
def reload(session: Session) -> None:
    """Read the configuration again; a file with a mistake changes nothing."""
    _running(session)
    tell(session, session.call("engine.reload"))
