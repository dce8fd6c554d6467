"""Jobs cancelled by hand: held while the cancel can be taken back, and skipped when its grace is over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.acts import Acted, Change, Seen, Tell, recount, rows_of, unpacked
from storage.model import HeldReason, JobState

if TYPE_CHECKING:
    from storage.tx import Tx

CANCELLED = HeldReason.CANCELLED.value
"""The reason of a job that was cancelled by hand: held, so that nothing begins, until its grace is over."""
_GRACES = "cancels"
"""The setting that lists the cancels in their grace: [[event id, time (us)], ...]."""


def cancel(tx: Tx, jobs: Sequence[Seen], tell: Tell, now: int) -> Acted:
    """Hold open jobs so that none of them begins; `end_graces` skips them when there is no undo any more."""
    act = Change(rows_of(tx, [seen.id for seen in jobs]))
    for seen in jobs:
        row = act.compare(seen, _why_not_cancelled)
        if row is None:
            continue
        tx.execute(
            "UPDATE jobs SET state = 'held', reason = ?, ready = 0, updated_at = ? WHERE id = ?",
            (CANCELLED, now, row["id"]),
        )
        recount(tx, row, JobState.HELD.value)
    acted = act.told(tx, tell, "cancel", now)
    if acted.event:
        _keep_graces(tx, [*_graces(tx), (acted.event, now)])
    return acted


def _why_not_cancelled(row: Any) -> str:
    if row["state"] == "processing":
        return "it is in flight: it finishes and is counted"
    if row["state"] not in ("pending", "held"):
        return f"it is {row['state']}: there is nothing to cancel"
    return "it is being cancelled already" if row["reason"] == CANCELLED else ""


def end_graces(tx: Tx, now: int, grace: int) -> tuple[int, int | None]:
    """Skip what was cancelled by hand longer than `grace` (us) ago, one act at most. Returns how many jobs, and when
    the next grace ends (None: none waits)."""
    waiting = _graces(tx)
    over = next((entry for entry in waiting if entry[1] + grace <= now), None)
    moved = 0
    if over is not None:
        event = tx.one("SELECT data FROM events WHERE id = ?", (over[0],))
        jobs = [job for part in json.loads(event["data"])["before"].values() for job in unpacked(part)] if event else []
        for row in rows_of(tx, jobs).values():
            if row["state"] == "held" and row["reason"] == CANCELLED:
                tx.execute(
                    "UPDATE jobs SET state = 'skipped', reason = 'cancelled', updated_at = ? WHERE id = ?",
                    (now, row["id"]),
                )
                recount(tx, row, JobState.SKIPPED.value)
                moved += 1
        waiting.remove(over)
        _keep_graces(tx, waiting)
    return moved, min((max(at + grace, now) for _, at in waiting), default=None)


def graces(tx: Tx) -> int:
    """How many acts of cancelling can still be taken back."""
    return len(_graces(tx))


def end_grace(tx: Tx, event_id: int) -> None:
    """This cancel was taken back: nothing of it is to be skipped."""
    _keep_graces(tx, [entry for entry in _graces(tx) if entry[0] != event_id])


def _graces(tx: Tx) -> list[tuple[int, int]]:
    row = tx.one("SELECT value FROM settings WHERE key = ?", (_GRACES,))
    return [(event, at) for event, at in json.loads(row["value"])] if row else []


def _keep_graces(tx: Tx, entries: Sequence[tuple[int, int]]) -> None:
    tx.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_GRACES, json.dumps(entries)),
    )
