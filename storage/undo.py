"""What takes an act back: a cancel, a retry or an approval, out of the event that tells which jobs it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import repeat
from typing import TYPE_CHECKING, Any

from storage import approvals, suppressions
from storage.acts import Acted, Change, Seen, Tell, recount, rows_of, unpacked
from storage.cancels import CANCELLED, end_grace
from storage.errors import RefusedError
from storage.recipients import LATER_STAGE
from storage.retries import PLACE

if TYPE_CHECKING:
    from storage.tx import Tx


def undo(tx: Tx, event_id: int, tell: Tell, now: int, grace: int) -> Acted:
    """Take one act back: a cancel within its grace, a retry or an approval of what has not been tried since. A retry's
    messages get back what they had: their due times and tries, and the suppressions that their own answers had made.

    Raises RefusedError when the event is no such act, or its time is over.
    """
    event = tx.one("SELECT at, data FROM events WHERE id = ?", (event_id,))
    data = json.loads(event["data"]) if event else {}
    if data.get("act") not in ("retry", "cancel", "approve"):
        raise RefusedError(f"event {event_id} is nothing that can be undone")
    by_cancel = data["act"] == "cancel"
    if by_cancel and now >= event["at"] + grace:
        raise RefusedError("the time to undo this cancel is over", hint="its jobs are skipped")
    before = {job: key.partition(":") for key, part in data["before"].items() for job in unpacked(part)}
    was = zip(*data["was"].values(), strict=True) if data.get("was") else repeat(())
    act, back = Change(rows_of(tx, list(before))), set[int]()
    for (job, (state, _, reason)), place in zip(before.items(), was, strict=False):
        row = act.compare(Seen(job), _why_cancel_stays if by_cancel else _why_retry_stays)
        if row is not None:
            _put_back(tx, row, state, reason, now, dict(zip(data.get("was", ()), place, strict=True)))
            back.add(job)
    freed = [suppressions.Entry(**one) for one in data.get("freed", ()) if one["job_id"] in back]
    suppressions.add(tx, freed, "undo", now)
    if data["act"] == "approve":
        approvals.take_back(tx, list(before), now)
    approvals.ask(tx, list(before), now)
    if by_cancel:
        end_grace(tx, event_id)
    return act.told(tx, tell, "undo", now)


def _why_cancel_stays(row: Any) -> str:
    return "" if row["state"] == "held" and row["reason"] == CANCELLED else f"it is {row['state']} now"


def _why_retry_stays(row: Any) -> str:
    if row["state"] != "pending":
        return f"it is {row['state']} now"
    return "" if not row["tries"] and row["budget_at"] is None else "it was tried already"


def _put_back(tx: Tx, row: Any, state: str, reason: str, now: int, place: Mapping[str, Any]) -> None:
    """`place`: values of `PLACE`; none for an act that changed none, or whose event holds none."""
    if state == "pending":
        tx.execute(
            f"UPDATE jobs SET state = 'pending', reason = '', ready = CASE {LATER_STAGE} ELSE ? END, updated_at = ? "
            "WHERE id = ?",
            (1 if row["due_at"] <= now else 0, now, row["id"]),
        )
    elif state == row["state"]:
        tx.execute("UPDATE jobs SET reason = ?, updated_at = ? WHERE id = ?", (reason, now, row["id"]))
    else:
        if state == "failed":
            # A job fails only in somebody's hands: it is claimed for the person who takes it back.
            tx.execute(
                "UPDATE jobs SET state = 'processing', lease = lease + 1, lease_until = ? WHERE id = ?",
                (now, row["id"]),
            )
        tx.execute(
            "UPDATE jobs SET state = ?, reason = ?, ready = 0, lease_until = NULL, updated_at = ? WHERE id = ?",
            (state, reason, now, row["id"]),
        )
    if place:
        columns = ", ".join(f"{name} = ?" for name in PLACE)
        tx.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*(place[name] for name in PLACE), row["id"]))
    recount(tx, row, state, place.get("queue_id"))
