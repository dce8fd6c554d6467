"""What a schedule's firings leave behind: a row each, and a job made in the same transaction. Each function runs inside
the Writer's transaction.

A schedule and a time make one row, so that no time fires twice: not after a crash, not by two looks at once, not when
the clock is set back. Times are microseconds UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage import stages, tasks
from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.model import MINUTE
from storage.recipients import begin_batch, finish_batch
from storage.schedules import COLUMNS, Schedule, get, schedule_of
from storage.tasks import NewTask

if TYPE_CHECKING:
    from storage.tx import Tx

KEPT = 1_000
"""Rows of a schedule that are kept: the newest that made a job, and as many of those that made none."""
LOOKED_AT = 100
"""The newest jobs of a schedule among which one that is not over is looked for."""
OTHER_WAITS = "a later one waits in its place"


@dataclass(frozen=True, slots=True)
class Told:
    """One scheduled time, and what is to be said about it."""

    at: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of a schedule's times up to now. `seen`: the schedule that it was decided for; `made_up`: times
    that were missed and are made up for, `on_time` the others, both in order; `missed`: those that are given up.
    `task`: the job of each, or `refused`: why there can be none. `decided_at`, `next_at`: what the schedule goes on
    with."""

    seen: Schedule
    made_up: Sequence[Told]
    on_time: Sequence[Told]
    missed: Sequence[Told]
    task: NewTask | None
    refused: str
    decided_at: int
    next_at: int | None
    event: Event | None = None
    """What the log is told of missed ones."""


def decide(tx: Tx, decision: Decision, now: int) -> int | None:
    """Carry a decision out; how many jobs it made. None: the schedule changed since it was read, and nothing was done.

    Of times that come while a job of the schedule is not over, the rule for overlaps says what becomes. Those that are
    made up for run one after another, unless overlaps are allowed.
    """
    seen = decision.seen
    row = tx.one("SELECT version, decided_at FROM schedules WHERE id = ?", (seen.id,))
    if row is None or (row["version"], row["decided_at"]) != (seen.version, seen.decided_at):
        return None
    tx.executemany(
        "INSERT INTO firings (schedule_id, at, fired_at, outcome, note) VALUES (?, ?, ?, 'missed', ?) "
        "ON CONFLICT DO NOTHING",
        [(seen.id, told.at, now, told.note) for told in decision.missed],
    )
    if decision.event is not None:
        add_event(tx, decision.event, now)
    made_up, on_time = _unknown(tx, seen, decision.made_up), _unknown(tx, seen, decision.on_time)
    made = _fire(tx, decision, made_up, on_time, now)
    tx.execute(
        "UPDATE schedules SET decided_at = ?, next_at = ? WHERE id = ?",
        (decision.decided_at, decision.next_at, seen.id),
    )
    _prune(tx, seen.id)
    return made


def _fire(tx: Tx, decision: Decision, made_up: list[Told], on_time: list[Told], now: int) -> int:
    seen, task, all_times = decision.seen, decision.task, [*made_up, *on_time]
    if not all_times:
        return 0
    if task is None:
        _refuse(tx, seen, all_times, decision.refused, now)
        return 0
    if seen.overlap == "allow":
        _start(tx, seen, task, all_times, now, chained=False)
        return len(all_times)
    busy = open_job(tx, seen.id)
    # Behind what is made up for, the one that is on time runs in its turn, beside nothing.
    begin = [] if busy is not None else all_times if made_up else on_time[:1]
    if begin:
        _start(tx, seen, task, begin, now, chained=True)
        busy = open_job(tx, seen.id)
    left = all_times[len(begin) :]
    waits = left[-1:] if seen.overlap == "wait" else []
    if waits:
        tx.execute(
            "UPDATE firings SET outcome = 'overlapped', note = ? WHERE schedule_id = ? AND outcome = 'waiting'",
            (OTHER_WAITS, seen.id),
        )
    for told in left[: len(left) - len(waits)]:
        why = OTHER_WAITS if waits else f"job {busy} was not over"
        _keep(tx, seen, told, "overlapped", now, note=why)
    for told in waits:
        _keep(tx, seen, told, "waiting", now)
    return len(begin)


def waiting(tx: Tx) -> list[tuple[Schedule, int]]:
    """Firings that waited and may begin: the jobs before them are over."""
    rows = tx.all(
        f"SELECT {COLUMNS}, f.at FROM firings f INDEXED BY firings_waiting JOIN schedules s ON s.id = f.schedule_id "
        "WHERE f.outcome = 'waiting' ORDER BY f.schedule_id, f.at"
    )
    return [(schedule_of(row), row["at"]) for row in rows if open_job(tx, row["id"]) is None]


def begin_waiting(tx: Tx, seen: Schedule, at: int, task: NewTask | None, refused: str, now: int) -> bool:
    """Make the job of a firing that waited; False when it waits no longer, or has to go on waiting."""
    waits = tx.one(
        "SELECT note FROM firings f JOIN schedules s ON s.id = f.schedule_id WHERE f.schedule_id = ? AND f.at = ? "
        "AND f.outcome = 'waiting' AND s.version = ?",
        (seen.id, at, seen.version),
    )
    if waits is None or open_job(tx, seen.id) is not None:
        return False
    tx.execute("DELETE FROM firings WHERE schedule_id = ? AND at = ?", (seen.id, at))
    told = Told(at, waits["note"])
    if task is None:
        _refuse(tx, seen, [told], refused, now)
        return False
    _start(tx, seen, task, [told], now, chained=False)
    return True


def run_now(tx: Tx, schedule_id: int, task: NewTask, event: Event, now: int, *, anyway: bool) -> int:
    """Fire by hand; returns the job. Raises RefusedError while a job of it is not over, unless overlaps are allowed or
    it is to run `anyway`."""
    schedule = get(tx, schedule_id)
    busy = open_job(tx, schedule.id)
    if busy is not None and schedule.overlap != "allow" and not anyway:
        raise RefusedError(
            f"job {busy} of schedule '{schedule.name}' is not over",
            hint=f"wait for it (`paceline job show {busy}`), or run another beside it with --anyway",
        )
    # Never a whole minute, which would take the place of a time of the schedule.
    at = now if now % MINUTE else now + 1
    while tx.one("SELECT 1 FROM firings WHERE schedule_id = ? AND at = ?", (schedule.id, at)) is not None:
        at += 1
    [job_id] = _start(tx, schedule, task, [Told(at)], now, chained=False, manual=True)
    add_event(tx, replace(event, job_id=job_id), now)
    _prune(tx, schedule.id)
    return job_id


def open_job(tx: Tx, schedule_id: int) -> int | None:
    """The newest job of a schedule that is not over."""
    row = tx.one(
        "SELECT j.id FROM (SELECT job_id, at FROM firings INDEXED BY firings_started WHERE schedule_id = ? "
        "AND job_id IS NOT NULL ORDER BY at DESC LIMIT ?) f JOIN jobs j ON j.id = f.job_id "
        "WHERE j.state IN ('held', 'pending', 'processing') ORDER BY f.at DESC LIMIT 1",
        (schedule_id, LOOKED_AT),
    )
    return int(row["id"]) if row is not None else None


def _start(
    tx: Tx, schedule: Schedule, task: NewTask, times: Sequence[Told], now: int, *, chained: bool, manual: bool = False
) -> list[int]:
    batch_id = begin_batch(tx, None, "enqueue", schedule.name, f"schedule {schedule.name}"[:100], now)
    in_turn = chained and len(times) > 1
    new = [replace(task, stage=number if in_turn else 0) for number in range(1, len(times) + 1)]
    made = tasks.add(tx, batch_id, new, now)
    stages.stage_batch(tx, batch_id, go_on=True)
    finish_batch(tx, batch_id)
    for told, one in zip(times, made, strict=True):
        _keep(tx, schedule, told, "started", now, job_id=one.id, manual=manual)
    if schedule.trouble:
        tx.execute("UPDATE schedules SET trouble = '' WHERE id = ?", (schedule.id,))
    return [one.id for one in made]


def _refuse(tx: Tx, schedule: Schedule, times: Sequence[Told], why: str, now: int) -> None:
    for told in times:
        _keep(tx, schedule, told, "refused", now, note=why)
    if schedule.trouble != why:
        text = f"schedule {schedule.name} could not make its job: {why}"[:400]
        add_event(tx, Event("schedule.refused", text, level="error"), now)
    tx.execute("UPDATE schedules SET trouble = ? WHERE id = ?", (why, schedule.id))


def _keep(
    tx: Tx,
    schedule: Schedule,
    told: Told,
    outcome: str,
    now: int,
    *,
    note: str = "",
    job_id: int | None = None,
    manual: bool = False,
) -> None:
    words = "; ".join(part for part in (note, told.note) if part)
    tx.execute(
        "INSERT INTO firings (schedule_id, at, fired_at, manual, outcome, job_id, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (schedule.id, told.at, now, manual, outcome, job_id, words[:500]),
    )


def _unknown(tx: Tx, schedule: Schedule, times: Sequence[Told]) -> list[Told]:
    """Those without a row."""
    known = "SELECT 1 FROM firings WHERE schedule_id = ? AND at = ?"
    return [told for told in times if tx.one(known, (schedule.id, told.at)) is None]


def _prune(tx: Tx, schedule_id: int) -> None:
    """A row that made a job is never let go for one that made none: its job may still run."""
    tx.execute(
        "DELETE FROM firings WHERE schedule_id = ? AND job_id IS NOT NULL AND at < (SELECT at FROM firings "
        "INDEXED BY firings_started WHERE schedule_id = ? AND job_id IS NOT NULL ORDER BY at DESC LIMIT 1 OFFSET ?)",
        (schedule_id, schedule_id, KEPT - 1),
    )
    tx.execute(
        "DELETE FROM firings WHERE schedule_id = ? AND job_id IS NULL AND outcome <> 'waiting' AND at < "
        "(SELECT at FROM firings WHERE schedule_id = ? ORDER BY at DESC LIMIT 1 OFFSET ?)",
        (schedule_id, schedule_id, 2 * KEPT - 1),
    )
