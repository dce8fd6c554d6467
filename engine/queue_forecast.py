"""A queue as the store knows it, ready for a simulation, and when its campaigns end. Loads little: lists ask it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from engine.planning.lanes import Lane, Measured, QueueNow, Waiting
from engine.planning.limits import Limits
from engine.planning.opening import parsed
from engine.planning.simulation import simulate
from storage import forecast_facts as facts
from storage.domains import WAITS, domain_of
from storage.forecast_facts import Row
from storage.model import DAY, OutcomeClass
from storage.reader import Reader

LEAST_MEASURED = 20
"""Attempts from which shares of refusals are taken: one that failed among three says nothing."""
SEED = 0x5EED
"""Told apart from the seeds of plans."""


def queue_ends(reader: Reader, queue_id: int, *, now: int) -> dict[int, int]:
    """When the active campaigns of a queue end (us, by campaign id), by the limits that the engine wrote and without
    chance: every attempt takes the mean time and is accepted. Left out is what a window or a person keeps from ending.
    Raises StoreError."""
    queue = facts.queue(reader, queue_id)
    if queue["state"] not in ("ready", "cooling", "probing"):
        return {}
    limits = Limits.from_dict(queue["limits"])
    rows = [row for row in facts.sharing(reader, queue_id, 0) if not row["replanning"]]
    took = measured(facts.last_attempts(reader, queue_id)).durations
    run = simulate(
        queue_now(reader, queue, limits, now),
        [lane(reader, row, limits) for row in rows],
        now=now,
        rng=random.Random(SEED),  # noqa: S311 - a forecast must repeat
        measured=Measured((sum(took) // len(took),) if took else ()),
    )
    return {row["id"]: lane.ended for row, lane in zip(rows, run.lanes, strict=True) if lane.ended and not lane.never}


def queue_now(reader: Reader, queue: Row, limits: Limits, now: int) -> QueueNow:
    """The queue (as `forecast_facts.queue` gives it) at `now` (us), with the starts that its caps look back on."""
    most = max([cap.n for cap in limits.caps] + ([limits.warmup.ceiling] if limits.warmup else []), default=0)
    longest = max([cap.period for cap in limits.caps] + [DAY], default=DAY)
    # A calendar period may be an hour longer than its name.
    since = now - longest - DAY
    return QueueNow(
        limits,
        throttle=queue["throttle"],
        last_start=queue["last_start"],
        spaced_start=queue["spaced_start"],
        starts=facts.starts(reader, queue["id"], since, most) if most else (),
        warm_days=queue["warm_days"],
        warm_on=queue["warm_on"],
        closed_until=queue["until_at"] or 0 if queue["state"] == "cooling" else 0,
        domains=facts.domain_starts(reader, queue["id"]) if limits.domain_gap else {},
    )


def measured(attempts: Sequence[Row]) -> Measured:
    """Service times as they were; shares of refusals where enough was seen."""
    if not attempts:
        return Measured()
    n = Counter(row["outcome"] for row in attempts)
    refused = [row for row in attempts if row["outcome"] != OutcomeClass.ACCEPTED]
    known = len(attempts) >= LEAST_MEASURED
    return Measured(
        tuple(sorted(row["duration"] for row in attempts)),
        transient=n[OutcomeClass.TRANSIENT] / len(attempts) if known else 0.0,
        permanent=(n[OutcomeClass.PERMANENT] + n[OutcomeClass.CONTENT]) / len(attempts) if known else 0.0,
        unspent=sum(row["unspent"] for row in refused) / len(refused) if refused else 0.0,
    )


def lane(reader: Reader, row: Row, limits: Limits) -> Lane:
    """One campaign of `forecast_facts.sharing` with its open jobs; without them while it does not run."""
    running = row["state"] == "active"
    return Lane(
        row["name"],
        tuple(_jobs(reader, row, limits)) if running else (),
        row["priority"],
        row["weight"],
        row["concurrency"],
        row["spacing"] == "queue",
        row["hours"],
        row["last_start"],
        row["started_at"] or 0,
        row["turn"],
        facts.in_flight(reader, row["id"]),
    )


def _jobs(reader: Reader, row: Row, limits: Limits) -> Iterator[Waiting]:
    zones = zones_of(row["hours"], limits)
    asked = bool(zones or limits.domain_gap)
    for job in facts.waiting(reader, row["id"], people=asked):
        domain = domain_of(job["address"] or "") if limits.domain_gap else ""
        fields = zones(job["fields"] or "{}") if zones else "{}"
        keeps = job["reason"] == WAITS
        yield Waiting(job["due_at"], job["id"], job["gap"], domain, fields, job["tries"], job["budget_at"], keeps)


def zones_of(hours: str, limits: Limits) -> Callable[[str], str] | None:
    """What of a person's fields the windows of campaign and queue ask for, as JSON text; None: nothing."""
    windows = [limits.window, parsed(hours) if hours else None]
    names = {window.recipient_zone for window in windows if window is not None and window.recipient_zone}
    if not names:
        return None
    known: dict[str, str] = {}

    def only(fields: str) -> str:
        person = json.loads(fields)
        text = json.dumps({name: person.get(name) for name in sorted(names)})
        return known.setdefault(text, text)

    return only
