"""What a restored backup does about background jobs and schedules: what may have run since is not run again by itself.

The old store tells, where it can still be read. Where it cannot, a job that must not run twice becomes `uncertain`; any
other waits for a person's retry, which may be given for many at once: what it once made in the store (a campaign, the
people of one) is gone with the rows that kept it from making it twice. Each function runs inside the Writer's
transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.model import Effect, HeldReason, JobState
from storage.sequences import RESTORED

if TYPE_CHECKING:
    from storage.tx import Tx

SLICE = 500
MAY_HAVE_RUN = f"{RESTORED}: it may have run after the backup"
HELD_KEY = f"held: {RESTORED}"
MAY_HAVE_FIRED = f"{RESTORED}: it may have been fired after the backup"


@dataclass(frozen=True, slots=True)
class Work:
    """Background jobs by what became of them: found done, `uncertain`, held for a person."""

    done: int = 0
    uncertain: int = 0
    held: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.done + other.done, self.uncertain + other.uncertain, self.held + other.held)


_OPEN = (
    "SELECT j.id, j.kind, j.state, j.lease, j.queue_id, j.campaign_id, j.batch_id, j.error_key, j.due_at, "
    "j.created_at, t.effect FROM jobs j JOIN tasks t ON t.job_id = j.id JOIN batches b ON b.id = j.batch_id "
    "WHERE b.state <> 'loading' AND j.id > ? AND j.state IN ('held', 'pending', 'processing') ORDER BY j.id LIMIT ?"
)
_OLD = (
    "SELECT j.state, j.lease, "
    "EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id AND a.outcome = 'accepted') AS done, "
    "EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id AND (a.outcome IS NULL OR a.outcome = 'uncertain')) "
    "AS doubt FROM jobs j WHERE j.id = ? AND j.kind = ? AND j.created_at = ?"
)


def mark_slice(tx: Tx, old: sqlite3.Connection | None, after: int, now: int) -> tuple[int | None, Work]:
    """One slice of open background jobs behind the id `after`. Returns where the next goes on (None: there is none)."""
    rows = tx.all(_OPEN, (after, SLICE))
    work = Work()
    for row in rows:
        match _fate(row, old, now):
            case JobState.COMPLETED:
                _end(tx, row, JobState.COMPLETED, "", "", now)
                work += Work(done=1)
            case JobState.UNCERTAIN:
                _end(tx, row, JobState.UNCERTAIN, RESTORED, MAY_HAVE_RUN, now)
                work += Work(uncertain=1)
            case JobState.HELD:
                _hold(tx, row, now)
                work += Work(held=1)
    return (rows[-1]["id"] if len(rows) == SLICE else None), work


def _fate(row: Any, old: sqlite3.Connection | None, now: int) -> JobState | None:
    """What becomes of an open job; None: it goes on as it stands."""
    doubtful = JobState.UNCERTAIN if row["effect"] == Effect.UNREPEATABLE else JobState.HELD
    then = None
    if old is not None:
        try:
            then = old.execute(_OLD, (row["id"], row["kind"], row["created_at"])).fetchone()
        except sqlite3.Error:
            then = None
    if then is None:
        if row["state"] == JobState.HELD and doubtful is JobState.HELD:
            return None  # a person has to free it in any case
        return doubtful if row["due_at"] <= now or row["state"] == JobState.PROCESSING else None
    if then["done"] or then["state"] == JobState.COMPLETED:
        return JobState.COMPLETED
    if row["effect"] == Effect.UNREPEATABLE:
        return doubtful if then["doubt"] else None
    begun = then["lease"] != row["lease"] or row["state"] == JobState.PROCESSING
    return doubtful if begun and row["state"] != JobState.HELD else None


def _end(tx: Tx, row: Any, state: JobState, key: str, words: str, now: int) -> None:
    """By legal steps only: held -> pending -> processing -> its end."""
    job_id = row["id"]
    tx.execute(
        "UPDATE attempts SET outcome = ?, finished_at = ?, reply = ?, error_key = ? "
        "WHERE job_id = ? AND outcome IS NULL",
        ("accepted" if state is JobState.COMPLETED else "uncertain", now, words, key, job_id),
    )
    tx.execute("UPDATE jobs SET state = 'pending', reason = '' WHERE id = ? AND state = 'held'", (job_id,))
    # Without the flag of being due its kind is counted by the move itself (0007_work.sql).
    tx.execute("UPDATE jobs SET ready = 0 WHERE id = ? AND state = 'pending'", (job_id,))
    tx.execute(
        "UPDATE jobs SET state = 'processing', lease = lease + 1, lease_until = 0 WHERE id = ? AND state = 'pending'",
        (job_id,),
    )
    tx.execute(
        "UPDATE jobs SET state = ?, reason = '', ready = 0, lease_until = NULL, error_key = ?, last_error = ?, "
        "sent_at = CASE WHEN ? = 'completed' THEN ? END, updated_at = ? WHERE id = ?",
        (state.value, key, words, state.value, now, now, job_id),
    )
    _recount(tx, row, state, key)


def _hold(tx: Tx, row: Any, now: int) -> None:
    tx.execute(
        "UPDATE jobs SET state = 'held', reason = ?, ready = 0, lease_until = NULL, error_key = ?, last_error = ?, "
        "updated_at = ? WHERE id = ?",
        (HeldReason.CONFIGURATION.value, HELD_KEY, f"{MAY_HAVE_RUN}: a retry runs it again", now, row["id"]),
    )
    _recount(tx, row, JobState.HELD, HELD_KEY)


def _recount(tx: Tx, row: Any, state: JobState, key: str) -> None:
    scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
    tx.count(*scope, row["state"], row["error_key"], -1)
    tx.count(*scope, state.value, key, +1)


def settle_schedules(tx: Tx, now: int) -> int:
    """Let schedules count from the restore on: which of their times were fired after the backup is not known, and none
    is made up for. Returns how many had one."""
    tx.execute("UPDATE firings SET outcome = 'missed', note = ? WHERE outcome = 'waiting'", (MAY_HAVE_FIRED,))
    due = tx.execute(
        "INSERT INTO firings (schedule_id, at, fired_at, outcome, note) SELECT id, next_at, ?, 'missed', ? "
        "FROM schedules WHERE enabled = 1 AND next_at <= ? ON CONFLICT DO NOTHING",
        (now, MAY_HAVE_FIRED, now),
    ).rowcount
    tx.execute("UPDATE schedules SET decided_at = max(decided_at, ?)", (now,))
    return due
