"""`paceline job stats`: how many background jobs there are, how well they end and how long they take."""

from __future__ import annotations

import click

from engine.planning.durations import format_duration
from storage.errors import NotFoundError, PacelineError
from storage.kind_facts import OUTCOMES, Runs, Times
from storage.model import HOUR, SECOND
from storage.reader import Reader, Row
from tui.cli.output import Json, dated, emit, iso, local, out, pairs, table
from tui.cli.session import Session
from tui.cli.verbs import Verb


@click.command("stats", cls=Verb)
@click.option("--type", "kind", help="Only of this kind.")
@click.option("--since", default="", metavar="TIME", help="What ended in this time, for example 7d; by default all.")
@click.option("--by", type=click.Choice(["type", "hour"]), help="A row for each kind, or for each hour.")
@click.pass_obj
def stats(session: Session, kind: str | None, since: str, by: str | None) -> None:
    """Background jobs as they stand now, and how those ended that did: success rate, average, quantiles.

    The rate is that of the jobs that ended for good: completed of completed and failed. Times are those of completed
    runs; they outlive the jobs, and p50 and p95 lie within a tenth of the true ones.
    """
    from engine.planning.durations import parse_duration
    from tui.cli.times import midnight, now_us

    now = now_us()
    begin = (now - parse_duration(since, field="--since")) // HOUR * HOUR if since else 0
    with session.reader() as reader:
        data = measured(reader, kind, begin, now)
        data["today"] = _window(reader, _kinds(reader, kind), midnight(session.zone, now) // HOUR * HOUR)
    data["concurrency"] = _concurrency(session)
    if session.json:
        emit(dated(data))
        return
    if by == "type":
        _show_kinds(data)
    elif by == "hour":
        _show_hours(session, data)
    else:
        _show(session, data)


def _kinds(reader: Reader, kind: str | None) -> list[str]:
    """The kinds that are meant. Raises NotFoundError for one that never had a job."""
    from storage import kind_facts

    known = kind_facts.kinds(reader)
    if kind is not None and kind not in known:
        raise NotFoundError(
            f"there is no background job of kind '{kind[:60]}'", hint=f"there are: {', '.join(known) or 'none yet'}"
        )
    return known if kind is None else [kind]


def measured(reader: Reader, kind: str | None, since: int, now: int) -> Json:
    """All of `job stats --json` but what the configuration says, from a time (us) on."""
    from storage import kind_facts

    kinds, totals = _kinds(reader, kind), kind_facts.totals(reader)
    counts = {state: sum(totals.get(name, {}).get(state, 0) for name in kinds) for state in _STATES}
    window = _window(reader, kinds, since)
    hours = kind_facts.hours(reader, kinds, since)
    begun = max(since, hours[0]["hour"]) if hours else since
    ended = window["completed"] + window["failed"]
    passed = max(1.0, (now - begun) / HOUR)
    return {
        "type": kind,
        "since_at": since or None,
        "total": sum(counts.values()),
        **counts,
        **{name: window[name] for name in _RATES},
        "per_hour": round(ended / passed, 1) if hours else None,
        "queue_length": counts["pending"],
        "queues": kind_facts.queues(reader),
        "ended": window,
        "hours": [_hour(hour) for hour in hours],
        "types": [_of_kind(reader, name, totals.get(name, {}), since) for name in kinds],
    }


_STATES = ("pending", "processing", "completed", "failed", "held", "uncertain", "skipped")
_RATES = (
    "success_rate", "success_of", "average_seconds", "min_seconds", "max_seconds", "p50_seconds", "p95_seconds"
)  # fmt: skip


def _of_kind(reader: Reader, kind: str, counts: dict[str, int], since: int) -> Json:
    window = _window(reader, [kind], since)
    states = {state: counts.get(state, 0) for state in _STATES}
    return {"type": kind, "total": sum(states.values()), **states, **{name: window[name] for name in _RATES},
            "ended": window}  # fmt: skip


def _window(reader: Reader, kinds: list[str], since: int) -> Json:
    """What ended from a time on, by outcome (`retried` counts runs, the others jobs)."""
    from storage import kind_facts

    return {"since_at": since or None, **_ended(kind_facts.runs(reader, kinds, since))}


def _ended(runs: Runs) -> Json:
    rate = runs.success_rate
    return {
        **{name: runs.ended[name] for name in OUTCOMES},
        "success_rate": None if rate is None else round(rate, 4),
        "success_of": runs.rated,
        **_seconds(runs.times),
    }


def _seconds(times: Times | None) -> Json:
    names = {"average": "average", "shortest": "min", "longest": "max", "p50": "p50", "p95": "p95"}
    return {f"{said}_seconds": None if times is None else getattr(times, name) / SECOND for name, said in names.items()}


def _hour(row: Row) -> Json:
    average = row["duration"] / row["completed"] / SECOND if row["completed"] else None
    return {
        "hour": iso(row["hour"]),
        **{name: row[name] for name in OUTCOMES},
        "average_seconds": None if average is None else round(average, 6),
    }


def _concurrency(session: Session) -> dict[str, int] | None:
    """How many jobs of each queue may run at once; None where the configuration cannot be read."""
    try:
        return session.config().jobs.queue_names()
    except PacelineError:
        return None


def _show(session: Session, data: Json) -> None:
    pairs(
        (
            ("total", f"{data['total']:,}"),
            *((state, f"{data[state]:,}") for state in _STATES if data[state] or state in _STATES[:4]),
            ("success rate", _rate(data)),
            ("average", _time(data["average_seconds"])),
            ("shortest, longest", _pair(data["min_seconds"], data["max_seconds"])),
            ("p50, p95", _pair(data["p50_seconds"], data["p95_seconds"])),
            ("per hour", "" if data["per_hour"] is None else f"{data['per_hour']:,}"),
            ("today", f"{data['today']['completed']:,} completed, {data['today']['failed']:,} failed"),
            ("counted from", local(data["since_at"], session.zone) if data["since_at"] else ""),
        )
    )
    out()
    places = data["concurrency"] or {}
    rows = [
        (queue["queue"], queue["state"], queue["pending"], f"{queue['processing']}/{places.get(queue['queue'], '-')}",
         queue["held"])
        for queue in data["queues"]
    ]  # fmt: skip
    table(("queue", "state", "length", "running", "held"), rows, empty="no queue of background jobs yet")


def _show_kinds(data: Json) -> None:
    rows = [
        (one["type"], one["total"], one["pending"], one["processing"], one["completed"], one["failed"], _rate(one),
         _time(one["average_seconds"]), _time(one["p50_seconds"]), _time(one["p95_seconds"]))
        for one in data["types"]
    ]  # fmt: skip
    titles = ("type", "total", "pending", "running", "completed", "failed", "success", "average", "p50", "p95")
    table(titles, rows, empty="no background job yet")


def _show_hours(session: Session, data: Json) -> None:
    rows = [
        (
            one["hour"][:16].replace("T", " "),
            one["completed"],
            one["failed"],
            one["retried"],
            _time(one["average_seconds"]),
        )
        for one in data["hours"]
    ]
    table(("hour (UTC)", "completed", "failed", "retried", "average"), rows, empty="nothing has ended")


def _rate(one: Json) -> str:
    return "" if one["success_rate"] is None else f"{one['success_rate']:.1%} of {one['success_of']:,}"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(round(seconds * SECOND))


def _pair(first: float | None, second: float | None) -> str:
    return "" if first is None else f"{_time(first)}, {_time(second)}"
