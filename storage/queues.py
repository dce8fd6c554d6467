"""Queues: the state of a line of jobs, and the pause of the whole engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from storage.events import Event, add_event
from storage.model import QueueState
from storage.nouns import Queue
from storage.shares import ACTIVE_CAMPAIGNS

if TYPE_CHECKING:
    from storage.tx import Tx


def row_to_queue(row: Any) -> Queue:
    return Queue(
        id=row["id"],
        name=row["name"],
        channel=row["channel"],
        state=QueueState(row["state"]),
        reason=row["reason"],
        until=row["until_at"],
        cooling_step=row["cooling_step"],
        last_start=row["last_start"],
        version=row["version"],
        tuning=json.loads(row["tuning"]),
        limits=json.loads(row["limits"]),
        throttle=row["throttle"],
        throttled_at=row["throttled_at"],
    )


def ensure_queue(tx: Tx, name: str, channel: str, now: int) -> Queue:
    """The queue of an account, made when it is first seen."""
    tx.execute(
        "INSERT INTO queues (name, channel, created_at, updated_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET channel = excluded.channel",
        (name, channel, now, now),
    )
    return row_to_queue(tx.one("SELECT * FROM queues WHERE name = ?", (name,)))


def get_queue(tx: Tx, name: str) -> Queue | None:
    row = tx.one("SELECT * FROM queues WHERE name = ?", (name,))
    return row_to_queue(row) if row else None


def set_queue_state(
    tx: Tx,
    queue_id: int,
    state: QueueState,
    now: int,
    *,
    reason: str = "",
    until: int | None = None,
    cooling_step: int = 0,
    event: Event | None = None,
) -> bool:
    """Change a queue's state with its reason; False when it already stood so (then no event is written).

    An engine's own cooling never overrides what a person must leave (paused, needs_attention, restricted).
    """
    by_person = event is not None and event.actor.via != "engine"
    guard = "" if by_person else " AND state IN ('ready', 'cooling', 'probing')"
    changed = tx.execute(
        "UPDATE queues SET state = ?, reason = ?, until_at = ?, cooling_step = ?, updated_at = ?, "
        f"version = version + 1 WHERE id = ? AND (state <> ? OR until_at IS NOT ?){guard}",
        (state.value, reason, until, cooling_step, now, queue_id, state.value, until),
    ).rowcount
    if changed and event is not None:
        add_event(tx, event, now)
    return bool(changed)


def set_limits(tx: Tx, queue_id: int, limits: dict[str, Any]) -> None:
    """Keep what holds for a queue now, for whoever explains it."""
    text = json.dumps(limits)
    tx.execute("UPDATE queues SET limits = ? WHERE id = ? AND limits <> ?", (text, queue_id, text))


def set_tuning(tx: Tx, queue_id: int, tuning: dict[str, Any], event: Event, now: int) -> Queue:
    """Replace what people set live over the configuration ({}: nothing any more)."""
    tx.execute(
        "UPDATE queues SET tuning = ?, updated_at = ?, version = version + 1 WHERE id = ?",
        (json.dumps(tuning), now, queue_id),
    )
    add_event(tx, event, now)
    return row_to_queue(tx.one("SELECT * FROM queues WHERE id = ?", (queue_id,)))


def active_campaigns(tx: Tx, queue: str) -> list[str]:
    """Names of the queue's active campaigns, the oldest first."""
    rows = tx.all(ACTIVE_CAMPAIGNS, (queue,))
    return [row["name"] for row in rows]


def set_throttle(tx: Tx, queue_id: int, throttle: int, event: Event, now: int) -> None:
    """Halve a queue's rate this often from now on (0: its full rate)."""
    tx.execute(
        "UPDATE queues SET throttle = ?, throttled_at = ?, updated_at = ?, version = version + 1 WHERE id = ?",
        (throttle, now if throttle else None, now, queue_id),
    )
    add_event(tx, event, now)


def set_engine_paused(tx: Tx, paused: bool, event: Event, now: int) -> bool:
    """Pause or resume everything; False when it already stood so."""
    row = tx.one("SELECT value FROM settings WHERE key = 'paused'")
    if (row is not None and row["value"] == "1") == paused:
        return False
    tx.execute(
        "INSERT INTO settings (key, value) VALUES ('paused', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        ("1" if paused else "0",),
    )
    add_event(tx, event, now)
    return True


def heartbeat(tx: Tx, epoch: int, now: int, state: str, note: str) -> None:
    tx.execute(
        "UPDATE engines SET heartbeat_at = ?, state = ?, note = ?, stopped_at = ? WHERE id = ?",
        (now, state, note, now if state == "stopped" else None, epoch),
    )
