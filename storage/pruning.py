"""What is kept no longer: background jobs that are over, and events that no person made. Each function removes one
slice inside the Writer's transaction.

Never touched: messages with their attempts, suppressions, what came back, the audit of people, and the statistics of
runs by the hour (`kind_hours`), which outlive the rows that they were counted from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.recipients import remove_jobs

if TYPE_CHECKING:
    from storage.reader import Reader
    from storage.tx import Tx

SLICE = 500
"""Rows that one transaction removes at most, so that no message waits for it."""
MACHINES = ("engine", "job", "schedule")
"""`events.via` of what nobody did by hand."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one slice removed. `after`: where the next slice goes on (None: nothing is left to remove)."""

    removed: int
    after: int | None


# A batch goes as a whole: a later stage asks how all of it ended, and its progress is told of all of it. One with a job
# that may have happened waits for a person's word.
_OLD_BATCHES = (
    "FROM batches b INDEXED BY batches_campaign WHERE b.campaign_id IS NULL AND b.id > ? AND b.kind = 'enqueue' "
    "AND b.state = 'done' AND b.finished_at < ? AND NOT EXISTS (SELECT 1 FROM counters k INDEXED BY counters_batch "
    "WHERE k.batch_id = b.id AND k.state IN ('held', 'pending', 'processing', 'uncertain') AND k.n > 0)"
)
_JOBS = (
    "SELECT id, queue_id, campaign_id, batch_id, state, error_key FROM jobs INDEXED BY jobs_batch "
    "WHERE batch_id = ? AND kind <> 'send' ORDER BY id LIMIT ?"
)
_ITEMS = (
    "DELETE FROM task_items WHERE (job_id, list, key) IN "
    "(SELECT job_id, list, key FROM task_items WHERE job_id = ? LIMIT ?)"
)


def prune_jobs(tx: Tx, before: int, after: int) -> Pruned:
    """Remove a slice of the background jobs whose batch ended before a time (us), with all that belongs to them, of
    batches behind the id `after`. The counters stay equal to a recount."""
    room, removed, at = SLICE, 0, after
    emptied: list[tuple[int]] = []
    batches = tx.all(f"SELECT b.id {_OLD_BATCHES} ORDER BY b.id LIMIT ?", (after, before, SLICE))
    for batch in batches:
        gone = []
        for job in tx.all(_JOBS, (batch["id"], room)):
            # The items of one job can be more than a slice: the job goes with the last of them.
            items = tx.execute(_ITEMS, (job["id"], room)).rowcount
            room -= items + 1
            if room < 0:
                break
            gone.append(job)
        remove_jobs(tx, gone)
        removed += len(gone)
        if tx.one("SELECT 1 FROM jobs WHERE batch_id = ? LIMIT 1", (batch["id"],)) is None:
            emptied.append((batch["id"],))
            at = batch["id"]
        if room <= 0:
            break
    _remove_batches(tx, emptied)
    return Pruned(removed, at if room <= 0 or len(batches) == SLICE else None)


def _remove_batches(tx: Tx, ids: list[tuple[int]]) -> None:
    tx.flush()
    tx.executemany("DELETE FROM counters WHERE batch_id = ? AND n = 0", ids)
    tx.executemany("DELETE FROM batches WHERE id = ?", ids)


_WINDOW = "SELECT id, at, via FROM events WHERE id > ? ORDER BY id LIMIT ?"


def prune_events(tx: Tx, before: int, after: int) -> Pruned:
    """Remove, of the next slice of events behind the id `after`, those from before a time (us) that no person made.
    Ids follow time but for steps of the clock, so the first slice without an old one is the last that is looked at."""
    window = tx.all(_WINDOW, (after, SLICE))
    old = [(event["id"],) for event in window if event["at"] < before and event["via"] in MACHINES]
    tx.executemany("DELETE FROM events WHERE id = ?", old)
    over = len(window) < SLICE or all(event["at"] >= before for event in window)
    return Pruned(len(old), None if over else window[-1]["id"])


def old_jobs(reader: Reader, before: int) -> int:
    """How many background jobs `prune_jobs` would remove."""
    row = reader.one(
        f"SELECT COALESCE(SUM((SELECT SUM(n) FROM counters WHERE batch_id = b.id)), 0) AS n {_OLD_BATCHES}", (0, before)
    )
    return int(row["n"]) if row else 0


def old_events(reader: Reader, before: int) -> int:
    """How many events `prune_events` would remove."""
    marks = ", ".join("?" * len(MACHINES))
    row = reader.one(f"SELECT count(*) AS n FROM events WHERE at < ? AND via IN ({marks})", (before, *MACHINES))
    return int(row["n"]) if row else 0
