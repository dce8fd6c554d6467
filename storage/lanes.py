"""The queues that share one campaign: what each still has to send, and messages that move from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage.events import Event, add_event
from storage.model import Approval
from storage.reader import Reader

if TYPE_CHECKING:
    from storage.tx import Tx

# Nobody changes the account by which they were written to: that is where they answer.
_FREE = (
    "j.state = 'pending' AND j.ready <> 2 AND j.attempts = 0 AND NOT EXISTS (SELECT 1 FROM jobs o "
    "WHERE o.recipient_id = j.recipient_id AND o.id <> j.id AND o.queue_id = j.queue_id AND o.state <> 'skipped')"
)
_SHARED = (
    "SELECT l.campaign_id, q.name, q.channel, q.id AS queue_id FROM campaigns c INDEXED BY campaigns_active "
    "JOIN lanes l ON l.campaign_id = c.id JOIN queues q ON q.id = l.queue_id WHERE c.state = 'active' "
    "AND c.replanning = 0 AND c.approval <> 'message' "
    "AND (SELECT count(*) FROM lanes o JOIN queues s ON s.id = o.queue_id "
    "WHERE o.campaign_id = c.id AND s.channel = q.channel) > 1 ORDER BY l.campaign_id, l.position, q.id"
)
_MOVABLE = (
    "SELECT j.id, j.step_id, j.due_at, COALESCE(r.fields, '{}') AS fields FROM jobs j INDEXED BY jobs_waiting "
    "LEFT JOIN recipients r ON r.id = j.recipient_id WHERE j.campaign_id = ? AND j.queue_id = ? AND j.due_at < ? "
    f"AND {_FREE} ORDER BY j.due_at, j.id LIMIT ?"
)
_DUE = (
    "SELECT count(*) AS n FROM (SELECT 1 FROM lanes l JOIN campaigns c ON c.id = l.campaign_id AND c.state = 'active' "
    "JOIN jobs j INDEXED BY jobs_waiting ON j.campaign_id = l.campaign_id AND j.state = 'pending' AND j.due_at < ? "
    "WHERE l.queue_id = ? AND j.queue_id = l.queue_id LIMIT ?)"
)
_LAST = (
    "SELECT due_at FROM jobs INDEXED BY jobs_waiting WHERE campaign_id = ? AND state = 'pending' AND due_at < ? "
    "AND queue_id = ? ORDER BY due_at DESC, id DESC LIMIT 1"
)
_REASSIGN = (
    "UPDATE jobs AS j SET queue_id = ?, due_at = ?, gap = ?, ready = ?, reason = '', updated_at = ? "
    f"WHERE j.id = ? AND j.queue_id = ? AND j.campaign_id = ? AND {_FREE} "
    "RETURNING batch_id, error_key"
)


_HOME = (
    "SELECT l.queue_id FROM queues own JOIN lanes l ON l.campaign_id = ? JOIN queues q ON q.id = l.queue_id "
    "AND q.channel = own.channel WHERE own.id = ? ORDER BY l.queue_id <> own.id, l.position, q.id LIMIT 1"
)


class Lane(NamedTuple):
    """A queue of an active campaign that has another one of the same channel."""

    campaign_id: int
    name: str
    channel: str
    queue_id: int


class Movable(NamedTuple):
    """A pending message of somebody who was not yet written to through its queue; `due_at` in us, `fields` as JSON
    text."""

    id: int
    step_id: int
    due_at: int
    fields: str


def shared(reader: Reader) -> list[Lane]:
    """The lanes that have a sibling, those of a campaign together and in their order."""
    return [Lane(row["campaign_id"], row["name"], row["channel"], row["queue_id"]) for row in reader.rows(_SHARED)]


def movable(reader: Reader, lane: Lane, before: int, limit: int) -> list[Movable]:
    """What of a lane is due before a time (us) and may go through another queue, the earliest first."""
    rows = reader.rows(_MOVABLE, (lane.campaign_id, lane.queue_id, before, limit))
    return [Movable(row["id"], row["step_id"], row["due_at"], row["fields"]) for row in rows]


def due_before(reader: Reader, queue_id: int, before: int, most: int) -> int:
    """How many messages of a queue are due before a time (us), of all active campaigns; counted to `most`."""
    row = reader.one(_DUE, (before, queue_id, most))
    return int(row["n"]) if row else 0


def last_due(reader: Reader, lane: Lane, before: int) -> int:
    """When the last message of a lane is due before a time (us); 0: none is."""
    row = reader.one(_LAST, (lane.campaign_id, before, lane.queue_id))
    return int(row["due_at"]) if row else 0


def home(tx: Tx | Reader, campaign_id: int | None, queue_id: int) -> int:
    """The queue of a message that is to be sent again: its own while its campaign uses it, else the first of the same
    channel that it uses. Nobody takes from a queue that a campaign does not use."""
    row = tx.one(_HOME, (campaign_id, queue_id))
    return int(row["queue_id"]) if row is not None else queue_id


def reassign(
    tx: Tx, campaign_id: int, old: int, new: int, moves: Sequence[tuple[int, int, int]], event: Event, now: int
) -> int:
    """Let messages (id, due time in us, gap in us) go through the queue `new` instead of `old`: only what is pending,
    was never tried, and belongs to somebody who was not yet written to through `old`. Their counters move with them.
    Returns how many moved; the event is written when some did."""
    campaign = tx.one("SELECT state, replanning, approval FROM campaigns WHERE id = ?", (campaign_id,))
    lane = tx.one("SELECT 1 FROM lanes WHERE campaign_id = ? AND queue_id = ?", (campaign_id, new))
    if campaign is None or campaign["state"] != "active" or campaign["replanning"] or lane is None:
        return 0
    if campaign["approval"] == Approval.MESSAGE:
        # Who it comes from is a part of what was approved.
        return 0
    moved = 0
    for job_id, due_at, gap in moves:
        row = tx.one(_REASSIGN, (new, due_at, gap, 1 if due_at <= now else 0, now, job_id, old, campaign_id))
        if row is None:
            continue
        tx.count(old, campaign_id, row["batch_id"], "pending", row["error_key"], -1)
        tx.count(new, campaign_id, row["batch_id"], "pending", row["error_key"], +1)
        moved += 1
    if moved:
        add_event(tx, event, now)
    return moved
