"""A person's retry of failed or held jobs: which it takes, where each would go, and the new budget and slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from storage import approvals, lanes, suppressions
from storage.acts import Acted, Change, Seen, Tell, recount, rows_of
from storage.cancels import CANCELLED
from storage.model import HeldReason, JobState
from storage.recipients import fields_of_jobs
from storage.sequences import UNFOLLOWED

if TYPE_CHECKING:
    from storage.tx import Tx

NOT_BY_RETRY = (HeldReason.APPROVAL.value, CANCELLED)
"""Held jobs that a retry never frees."""
PLACE = ("due_at", "gap", "tries", "budget_at", "follow", "queue_id")
"""What a retry changes beside the state: its undo gives it back, out of the event."""


class Home(NamedTuple):
    """Where a message would go if it were sent again: its queue (`lanes.home`), its step, and fields of its person as
    JSON text."""

    id: int
    queue_id: int
    step_id: int
    fields: str


def homes_of(tx: Tx, campaign_id: int, ids: Sequence[int], fields: Sequence[str]) -> list[Home]:
    """Where those of these jobs that are messages of a campaign would go, in the order of `ids`, with these fields of
    their people."""
    column, people, wanted = fields_of_jobs(fields)
    rows = tx.tuples(
        f"SELECT j.id, j.queue_id, j.step_id, {column} FROM jobs j {people} "
        f"WHERE j.campaign_id = ? AND j.id IN ({', '.join('?' * len(ids))})",
        (*wanted, campaign_id, *ids),
    )
    found = {row[0]: row for row in rows}
    queues = {queue_id: lanes.home(tx, campaign_id, queue_id) for queue_id in {row[1] for row in rows}}
    return [Home(id, queues[found[id][1]], *found[id][2:]) for id in ids if id in found]


def retry(tx: Tx, slots: Sequence[tuple[Seen, int, int]], tell: Tell, now: int) -> Acted:
    """Give failed or held jobs a new budget and a slot: (job, due_at (us), gap (us)) each."""
    rows = rows_of(tx, [seen.id for seen, _, _ in slots])
    act, freed = Change(rows), list[suppressions.Entry]()
    for seen, due_at, gap in slots:
        row = act.compare(seen, _why_not_retried)
        if row is not None:
            freed += suppressions.retried(tx, row["id"], now)
            _line_up(tx, row, due_at, gap, now)
    approvals.ask(tx, [seen.id for seen, _, _ in slots], now)
    more = {"was": act.was(PLACE)} | ({"freed": [asdict(one) for one in freed]} if freed else {})
    return act.told(tx, tell, "retry", now, more)


def _line_up(tx: Tx, row: Any, due_at: int, gap: int, now: int) -> None:
    """One job back to `pending` with a new budget; `row` is it as it stands in this transaction."""
    queue_id = lanes.home(tx, row["campaign_id"], row["queue_id"])
    tx.execute(
        "UPDATE jobs SET state = 'pending', reason = '', queue_id = ?, ready = ?, due_at = ?, gap = ?, tries = 0, "
        f"budget_at = NULL, follow = {UNFOLLOWED}, updated_at = ? WHERE id = ?",
        (queue_id, 1 if due_at <= now else 0, due_at, gap, now, row["id"]),
    )
    recount(tx, row, JobState.PENDING.value, queue_id)
    if row["campaign_id"] is None:
        tx.execute("UPDATE tasks SET rescues = 0, flag = '' WHERE job_id = ?", (row["id"],))
    tx.execute(
        "UPDATE batches SET state = 'ready', finished_at = NULL WHERE id = ? AND state = 'done'", (row["batch_id"],)
    )


def retried_by_hand(row: Any) -> bool:
    """Whether a person's retry takes this job."""
    return row["state"] == "failed" or (row["state"] == "held" and row["reason"] not in NOT_BY_RETRY)


def _why_not_retried(row: Any) -> str:
    if row["campaign_state"] == "cancelled":
        return "its campaign is cancelled"
    if retried_by_hand(row):
        return ""
    if row["state"] == "held":
        return "held for approval" if row["reason"] == HeldReason.APPROVAL.value else "it is being cancelled"
    return f"it is {row['state']}: only failed or held ones are retried"
