"""`paceline queue`: list, show, pause, resume, probe; `queue tune` stands in a module of its own."""

from __future__ import annotations

import click

from storage.errors import NotFoundError, PacelineError
from storage.lock import read_holder
from storage.model import DAY
from storage.work_terms import CHANNEL
from tui.cli.campaign_run import tell
from tui.cli.facts import by_state
from tui.cli.output import Json, emit, iso, local, pairs, table
from tui.cli.queue_limits import limit_pairs, limits_json
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.recovery import breaker_text, places_text, rate_text


@click.group(
    "queue",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.queue:list_", "Every queue with its state and limits."),
        "show": Lazy("tui.cli.queue:show", "One queue."),
        "explain": Lazy("tui.cli.explain:queue", "What holds it and its campaigns, and until when: every gate."),
        "pause": Lazy("tui.cli.queue:pause", "Begin nothing new in it."),
        "resume": Lazy("tui.cli.queue:resume", "Lift a pause, a cooling, or what needed attention."),
        "tune": Lazy("tui.cli.queue_tune:tune", "Change its limits from now on, without a restart."),
        "probe": Lazy("tui.cli.queue:probe", "Try one message now instead of waiting for a cooling's end."),
    },
)
def queue() -> None:
    """Every account has a queue of its name: limits, pause and cooling belong to it. Background jobs have their own."""


GONE = "no longer in the configuration"


def _queues(session: Session) -> list[Json]:
    """Rows of the store with the limits of the configuration; an account that never sent has a queue too, and so has
    each queue of background jobs."""
    from tui.cli.times import now_us

    try:
        accounts, zone = dict(session.config().accounts), session.config().zone
        work = session.config().jobs.queue_names()
    except PacelineError:
        accounts, zone, work = {}, "UTC", {}
    with session.reader() as reader:
        rows = {row["name"]: row for row in reader.queues()}
        used = {name: reader.used(row["id"], now_us() - DAY) for name, row in rows.items()}
        limits = {
            name: limits_json(reader, rows.get(name), accounts.get(name), zone, now_us(), places=work.get(name))
            for name in {*rows, *accounts, *work}
        }
    found = []
    for name in sorted({*rows, *accounts, *work}):
        row, account = rows.get(name), accounts.get(name)
        found.append(
            {
                "queue": name,
                "channel": account.channel if account else row["channel"] if row else CHANNEL,
                "state": row["state"] if row else "ready",
                "reason": row["reason"] if row else "",
                "until": iso(row["until_at"]) if row else None,
                "until_at": row["until_at"] if row else None,
                "cooling_step": row["cooling_step"] if row else 0,
                "throttle": row["throttle"] if row else 0,
                "throttled_at": row["throttled_at"] if row else None,
                "last_start": iso(row["last_start"] or None) if row else None,
                "configured": account is not None or name in work,
                **limits[name],
                "used_24h": used.get(name, 0),
                "counts": by_state(row["counts"]) if row else {},
            }
        )
    return found


@click.command("list", cls=Verb)
@click.pass_obj
def list_(session: Session) -> None:
    """Every queue with its state and limits."""
    rows = _queues(session)
    if session.json:
        emit({"count": len(rows), "queues": [_public(row) for row in rows]})
        return
    zone = session.zone
    shown = [
        (
            row["queue"], row["channel"], row["state"], local(row["until_at"], zone), row["concurrency"],
            ", ".join(row["caps"]), ", ".join(row["tuned"]), row["used_24h"], row["counts"].get("pending", 0),
            row["reason"],
        )
        for row in rows
    ]  # fmt: skip
    titles = ("queue", "channel", "state", "until", "at once", "caps", "tuned", "24 h", "waiting", "reason")
    table(titles, shown, empty="no account is configured: paceline account add --help")


def _public(row: Json) -> Json:
    """`rate_share`: the part of its own rate that it goes at, halved by trouble."""
    hidden = ("until_at", "throttle", "throttled_at")
    rate = {"rate_share": 1 / 2 ** row["throttle"], "rate_since": iso(row["throttled_at"])}
    return {key: value for key, value in row.items() if key not in hidden} | rate


def _engine_of(session: Session, name: str) -> Json:
    """What a running engine tells of one queue; {} where none runs or it does not answer."""
    from tui.client import SocketControl, this_actor

    holder = read_holder(session.db)
    if holder is None or holder.role == "command":
        return {}
    try:
        control = SocketControl(holder.socket, this_actor("cli"))
        try:
            status = control.call("engine.status")
        finally:
            control.close()
    except PacelineError:
        return {}
    return next((queue for queue in (*status["queues"], *status["work"]) if queue["queue"] == name), {})


@click.command("show", cls=Verb)
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """One queue: state, limits, what it has used, its jobs."""
    rows = {row["queue"]: row for row in _queues(session)}
    if name not in rows:
        raise NotFoundError(f"there is no queue '{name}'", hint=f"there are: {', '.join(rows) or 'none'}")
    row, engine = rows[name], _engine_of(session, name)
    if session.json:
        emit(_public(row) | {key: engine.get(key) for key in ("in_flight", "places")})
        return

    def when(at: int) -> str:
        return local(at, session.zone)

    pairs(
        (
            ("queue", f"{name} ({row['channel']})"),
            ("state", row["state"] + (f": {row['reason']}" if row["reason"] else "")),
            ("until", local(row["until_at"], session.zone) if row["until_at"] else ""),
            ("breaker", breaker_text(row, when) if row["cooling_step"] else ""),
            ("slowed", rate_text(row, when)),
            ("in flight", engine.get("in_flight")),
            ("places", places_text(engine)),
            *(limit_pairs(row) if row["channel"] != CHANNEL else [("at once", row["concurrency"])]),
            ("used in 24 h", row["used_24h"]),
            ("jobs", ", ".join(f"{n:,} {state}" for state, n in row["counts"].items() if n)),
            ("account" if row["channel"] != CHANNEL else "configured", "" if row["configured"] else GONE),
        )
    )


@click.command("pause", cls=Change)
@click.argument("name")
@click.pass_obj
def pause(session: Session, name: str) -> None:
    """Begin nothing new in this queue; what is in flight finishes."""
    tell(session, session.call("queue.pause", {"name": name}))


@click.command("resume", cls=Change)
@click.argument("name")
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Lift a pause, a cooling, or what needed attention: you say that it is mended. One that is ready and slowed
    down goes at its full rate again."""
    tell(session, session.call("queue.resume", {"name": name}))


@click.command("probe", cls=Change)
@click.argument("name")
@click.pass_obj
def probe(session: Session, name: str) -> None:
    """Try one message now; success makes the queue ready."""
    tell(session, session.call("queue.probe", {"name": name}))
