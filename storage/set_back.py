"""Schedules after the clock was set back: which have dealt with times that are still to come, and from when they count.

A clock that was far ahead by mistake would keep a schedule silent until its false future is over. Times are
microseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.events import Event, add_event
from storage.model import MINUTE
from storage.schedule_ahead import AHEAD, KNOWN
from storage.schedules import COLUMNS, Schedule, schedule_of

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class SetBack:
    """A schedule that has dealt with times after now. `fired`: those of them that came to something, in order."""

    seen: Schedule
    fired: tuple[int, ...]


def set_back(tx: Tx, now: int) -> list[SetBack]:
    """The enabled schedules that have dealt with times more than a minute after now, and of which all times that have
    fired are still known."""
    rows = tx.all(f"SELECT {COLUMNS} FROM schedules s WHERE {AHEAD} AND {KNOWN} ORDER BY s.id", (now + MINUTE, now))
    fired = "SELECT at FROM firings WHERE schedule_id = ? AND at > ? AND outcome <> 'missed' ORDER BY at"
    return [SetBack(schedule_of(row), tuple(one["at"] for one in tx.all(fired, (row["id"], now)))) for row in rows]


def count_anew(tx: Tx, seen: Schedule, decided_at: int, next_at: int, event: Event, now: int) -> bool:
    """Let a schedule go on with an earlier time than it would have. What was given up after now was given up by a wrong
    clock, and may still fire. False: it changed since it was `seen`, and nothing was done."""
    changed = tx.execute(
        "UPDATE schedules SET decided_at = ?, next_at = ?, updated_at = ? "
        "WHERE id = ? AND version = ? AND decided_at = ? AND enabled = 1",
        (decided_at, next_at, now, seen.id, seen.version, seen.decided_at),
    ).rowcount
    if not changed:
        return False
    tx.execute("DELETE FROM firings WHERE schedule_id = ? AND at > ? AND outcome = 'missed'", (seen.id, now))
    add_event(tx, event, now)
    return True
