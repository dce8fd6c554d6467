"""What is kept no longer: background jobs that are over, events that no person made, firings of schedules. Each
function removes one slice inside the Writer's transaction.

Never touched: messages with their attempts, suppressions, what came back, the audit of people, and the statistics of
runs by the hour (`kind_hours`), which outlive the rows that they were counted from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.recipients import remove_jobs
from storage.schedule_ahead import FEW

if TYPE_CHECKING:
    from storage.reader import Reader
    from storage.tx import Tx

SLICE = 250
"""Rows that one transaction removes at most (10 ms), so that no message waits for it."""
MACHINES = ("engine", "job")
"""`events.via` of what nobody did by hand."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one slice removed. `after`: where the next slice goes on (None: nothing is left to remove)."""

    removed: int
    after: int | None


_BATCHES = (
    "SELECT id, kind, state, created_at, finished_at FROM batches INDEXED BY batches_campaign "
    "WHERE campaign_id IS NULL AND id > ? ORDER BY id LIMIT ?"
)
_NEWEST_JOB = "SELECT batch_id FROM jobs ORDER BY id DESC LIMIT 1"
"""The newest stays, however old it is: SQLite gives the highest id that is gone to the next row, and what a job left
outside (the key of a payment, the source of an import) names its id."""
_NEEDED = (
    "SELECT 1 FROM counters INDEXED BY counters_batch WHERE batch_id = ? "
    "AND state IN ('held', 'pending', 'processing', 'uncertain') AND n > 0 LIMIT 1"
)
_JOBS = (
    "SELECT id, queue_id, campaign_id, batch_id, state, error_key FROM jobs INDEXED BY jobs_batch "
    "WHERE batch_id = ? AND kind <> 'send' ORDER BY id LIMIT ?"
)
_MAPPED = "SELECT DISTINCT job_id FROM task_items WHERE job_id IN "
_ITEMS = (
    "DELETE FROM task_items WHERE (job_id, list, key) IN "
    "(SELECT job_id, list, key FROM task_items WHERE job_id = ? LIMIT ?)"
)


def prune_jobs(tx: Tx, before: int, after: int) -> Pruned:
    """Remove a slice of the background jobs whose batch ended before a time (us), with all that belongs to them, of
    batches behind the id `after`. The counters stay equal to a recount.

    A batch goes as a whole: a later stage asks how all of it ended, and its progress is told of all of it. One with a
    job that may have happened waits for a person's word. Ids follow time but for steps of the clock, so the first
    window without an old batch is the last that is looked at.
    """
    room, removed = SLICE, 0
    emptied: list[tuple[int]] = []
    window = tx.all(_BATCHES, (after, SLICE))
    newest = tx.one(_NEWEST_JOB)
    for batch in window:
        if (newest is not None and batch["id"] == newest["batch_id"]) or not _is_over(batch, before):
            continue
        if tx.one(_NEEDED, (batch["id"],)) is not None:
            continue
        gone, room = _with_items(tx, tx.all(_JOBS, (batch["id"], room)), room)
        remove_jobs(tx, gone)
        removed += len(gone)
        if tx.one("SELECT 1 FROM jobs WHERE batch_id = ? LIMIT 1", (batch["id"],)) is None:
            emptied.append((batch["id"],))
        if room <= 0:
            _remove_batches(tx, emptied)
            return Pruned(removed, batch["id"] - 1)
    _remove_batches(tx, emptied)
    over = len(window) < SLICE or all(batch["created_at"] >= before for batch in window)
    return Pruned(removed, None if over else window[-1]["id"])


def _is_over(batch: Any, before: int) -> bool:
    return bool(batch["kind"] == "enqueue" and batch["state"] == "done" and batch["finished_at"] < before)


def _with_items(tx: Tx, jobs: Sequence[Any], room: int) -> tuple[list[Any], int]:
    """Those of these jobs whose items are gone with this slice, and the room that is left: the items of one job can be
    more than a slice, and the job goes with the last of them."""
    marks = ", ".join("?" * len(jobs))
    mapped = {row["job_id"] for row in tx.all(f"{_MAPPED}({marks})", [job["id"] for job in jobs])}
    gone: list[Any] = []
    for job in jobs:
        room -= 1 + (tx.execute(_ITEMS, (job["id"], room)).rowcount if job["id"] in mapped else 0)
        if room < 0:
            break
        gone.append(job)
    return gone, room


def _remove_batches(tx: Tx, ids: list[tuple[int]]) -> None:
    tx.flush()
    tx.executemany("DELETE FROM counters WHERE batch_id = ? AND n = 0", ids)
    tx.executemany("DELETE FROM batches WHERE id = ?", ids)


_WINDOW = "SELECT id, at, via FROM events WHERE id > ? ORDER BY id LIMIT ?"


def prune_events(tx: Tx, before: int, after: int) -> Pruned:
    """Remove, of the next slice of events behind the id `after`, those from before a time (us) that no person made.
    Ids follow time but for steps of the clock, so the first slice without an old one is the last that is looked at."""
    window = tx.all(_WINDOW, (after, SLICE))
    # The newest stays: its id would be given again, and who reads on from it would miss what follows.
    newest = tx.one("SELECT max(id) AS id FROM events")["id"]
    old = [
        (event["id"],)
        for event in window
        if event["at"] < before and event["via"] in MACHINES and event["id"] != newest
    ]
    tx.executemany("DELETE FROM events WHERE id = ?", old)
    over = len(window) < SLICE or all(event["at"] >= before for event in window)
    return Pruned(len(old), None if over else window[-1]["id"])


_FIRED_SCHEDULES = "SELECT id FROM schedules WHERE id > ? ORDER BY id LIMIT ?"
# The newest stay, however old: they tell how it goes, whether its job is over, and which times have fired.
_OLD_FIRINGS = (
    "FROM firings f WHERE {schedule} AND f.at < ? AND f.fired_at < ? AND f.outcome <> 'waiting' "
    "AND f.at < COALESCE((SELECT n.at FROM firings n WHERE n.schedule_id = f.schedule_id ORDER BY n.at DESC "
    f"LIMIT 1 OFFSET {FEW - 1}), 0) AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = f.job_id "
    "AND j.state IN ('held', 'pending', 'processing', 'uncertain'))"
)
_TAKE_FIRINGS = (
    "DELETE FROM firings WHERE schedule_id = ? AND at IN (SELECT f.at "
    f"{_OLD_FIRINGS.format(schedule='f.schedule_id = ?')} ORDER BY f.at LIMIT ?)"
)


def prune_firings(tx: Tx, before: int, after: int) -> Pruned:
    """Remove a slice of the firings from before a time (us), of schedules behind the id `after`: all but the newest
    `FEW` of each, and those whose job is not over."""
    removed = 0
    window = [row["id"] for row in tx.all(_FIRED_SCHEDULES, (after, SLICE))]
    for id in window:
        room = SLICE - removed
        removed += tx.execute(_TAKE_FIRINGS, (id, id, before, before, room)).rowcount
        if removed >= SLICE:
            return Pruned(removed, id - 1)
    return Pruned(removed, window[-1] if len(window) == SLICE else None)


def old_firings(reader: Reader, before: int) -> int:
    """How many firings `prune_firings` would remove."""
    row = reader.one(f"SELECT count(*) AS n {_OLD_FIRINGS.format(schedule='1')}", (before, before))
    return int(row["n"]) if row else 0


_OLD_JOBS = (
    "SELECT COALESCE(SUM((SELECT SUM(n) FROM counters WHERE batch_id = b.id)), 0) AS n FROM batches b "
    "WHERE b.campaign_id IS NULL AND b.kind = 'enqueue' AND b.state = 'done' AND b.finished_at < ? "
    "AND NOT EXISTS (SELECT 1 FROM counters k INDEXED BY counters_batch WHERE k.batch_id = b.id "
    "AND k.state IN ('held', 'pending', 'processing', 'uncertain') AND k.n > 0) "
    f"AND b.id <> ({_NEWEST_JOB})"
)


def old_jobs(reader: Reader, before: int) -> int:
    """How many background jobs `prune_jobs` would remove."""
    row = reader.one(_OLD_JOBS, (before,))
    return int(row["n"]) if row else 0


_OLD_EVENTS = "SELECT count(*) AS n FROM events WHERE at < ? AND id < (SELECT max(id) FROM events) AND via IN "


def old_events(reader: Reader, before: int) -> int:
    """How many events `prune_events` would remove."""
    marks = ", ".join("?" * len(MACHINES))
    row = reader.one(f"{_OLD_EVENTS}({marks})", (before, *MACHINES))
    return int(row["n"]) if row else 0
