"""What became due is flagged for the claim, lane by lane: what cannot begin asks for nothing.

A lane is a campaign's part of a queue; the background jobs of a queue are one too. Only a lane that may begin something
has a next time: a fast plan behind a pause or a cooling queue would otherwise wake the engine, and cost a commit, for
each of its messages. What falls due meanwhile in a lane whose queue stands still is flagged when somebody looks; of a
campaign that is not active nothing is flagged before it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.tx import Tx
from storage.work_terms import CHANNEL

SLICE = 1_000
"""Rows that one transaction flags: about 10 ms."""

_OPENS = (
    "CASE WHEN EXISTS (SELECT 1 FROM settings WHERE key = 'paused' AND value = '1') THEN NULL "
    "WHEN q.state IN ('ready', 'probing') THEN 0 WHEN q.state = 'cooling' THEN q.until_at END AS opens"
)
_FIRST = (
    "SELECT j.due_at FROM jobs j INDEXED BY jobs_promote WHERE j.queue_id = {queue} AND j.campaign_id {campaign} "
    "AND j.state = 'pending' AND j.ready = 0 ORDER BY j.due_at LIMIT 1"
)
_LANES = (
    f"SELECT l.queue_id, l.campaign_id, {_OPENS}, "
    f"({_FIRST.format(queue='l.queue_id', campaign='= l.campaign_id')}) AS due_at "
    "FROM campaigns c INDEXED BY campaigns_active CROSS JOIN lanes l INDEXED BY lanes_campaign "
    "ON l.campaign_id = c.id CROSS JOIN queues q ON q.id = l.queue_id WHERE c.state = 'active' "
    "UNION ALL "
    f"SELECT q.id, NULL, {_OPENS}, ({_FIRST.format(queue='q.id', campaign='IS NULL')}) FROM queues q "
    "WHERE q.channel = ?"
)
"""The lanes of active campaigns and of background jobs. `due_at`: of the first row that waits for its time (None: none
does). `opens`: from when on the queue lets something begin (us); None: a person has to let it."""
_FLAG = (
    "UPDATE jobs SET ready = 1 WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_promote "
    "WHERE queue_id = ? AND campaign_id IS ? AND state = 'pending' AND ready = 0 AND due_at <= ? "
    "ORDER BY due_at LIMIT ?)"
)


def promote(tx: Tx, now: int) -> tuple[int, int | None]:
    """Flag due rows, at most one slice; returns how many, and when to look next (us; not later than `now`: there is
    more; None: only a change can make something due)."""
    waiting = _waiting(tx)
    due = [lane for lane in waiting if lane["due_at"] <= now]
    if not due:
        return 0, _next_look(waiting)
    moved = _flag(tx, [lane for lane in due if _open(lane, now)], now, SLICE)
    moved += _flag(tx, [lane for lane in due if not _open(lane, now)], now, SLICE - moved)
    return moved, _next_look(_waiting(tx))


def _waiting(tx: Tx) -> list[Any]:
    return [lane for lane in tx.all(_LANES, (CHANNEL,)) if lane["due_at"] is not None]


def _open(lane: Any, now: int) -> bool:
    return lane["opens"] is not None and lane["opens"] <= now


def _flag(tx: Tx, lanes: Sequence[Any], now: int, room: int) -> int:
    """Flag what is due, in each lane the earliest first, and give each lane a share of the `room`."""
    moved = 0
    for place, lane in enumerate(lanes):
        share = (room - moved) // (len(lanes) - place)
        moved += tx.execute(_FLAG, (lane["queue_id"], lane["campaign_id"], now, share)).rowcount
    return moved


def _next_look(waiting: Sequence[Any]) -> int | None:
    return min((max(lane["due_at"], lane["opens"]) for lane in waiting if lane["opens"] is not None), default=None)
