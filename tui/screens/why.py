"""Why a campaign stands still, or that it does not: one sentence out of its row. Pure."""

from __future__ import annotations

from storage.model import SECOND
from tui.actions import Row
from tui.format import clock, count, plural, soon, span
from tui.undo import CANCEL_GRACE


def why(row: Row, now: int, *, engine_paused: bool = False, lost: bool = False) -> str:
    """`row` is a campaign of the reader, with `due` (first and last open due time) where it is known."""
    state = row["state"]
    if state == "draft":
        return _draft(row)
    if state == "paused":
        return _paused(row, now)
    if state == "cancelled":
        return _cancelled(row, now)
    if state == "completed":
        return _completed(row, now)
    if lost:
        return "no engine runs: nothing is sent"
    if engine_paused:
        return "everything is paused: E resumes all"
    return _active(row, now)


def _draft(row: Row) -> str:
    if not row.get("recipients", 1):
        return f"draft, nobody in it: paceline recipients import FILE --campaign {row['name']}"
    reach = "" if row["live"] or row["channel"] == "outbox" else ", reaches only the allow-list (L makes it live)"
    return f"draft, not started: P starts it{reach}"


def _paused(row: Row, now: int) -> str:
    unsent = count(row["counts"]["pending"] + row["counts"]["held"])
    at = clock(row["updated_at"], now, dated=False)
    if row["pause_reason"] == "operator":
        return f"paused {row['pause_detail'] or 'by hand'} at {at}, {unsent} unsent"
    return f"paused by guard ({row['pause_reason']}): {row['pause_detail']} at {at}, {unsent} unsent"


def _cancelled(row: Row, now: int) -> str:
    left = (row["cancelled_at"] or 0) + CANCEL_GRACE - now
    if row["before_cancel"] and left > 0:
        return f"cancelled: z undoes it for {span(left + SECOND - 1)} more"
    return f"cancelled at {clock(row['cancelled_at'], now)}, {count(row['counts']['skipped'])} skipped"


def _completed(row: Row, now: int) -> str:
    asks = row["counts"]["uncertain"]
    waits = f"; {plural(asks, 'uncertain message')} wait for your word" if asks else ""
    return f"done at {clock(row['completed_at'], now)}{waits}"


def _active(row: Row, now: int) -> str:
    counts, queue = row["counts"], f"queue {row['account']}"
    reason = f": {row['queue_reason']}" if row["queue_reason"] else ""
    if row["queue_state"] == "cooling" and (row["queue_until"] or 0) > now:
        return f"{queue} cools, next try {soon(row['queue_until'], now)}{reason}"
    if row["queue_state"] in ("needs_attention", "restricted"):
        return f"{queue} needs attention{reason}"
    if row["queue_state"] == "paused":
        return f"{queue} is paused{reason}"
    if row.get("replanning"):
        return "its plan is being made anew"
    if counts["processing"]:
        return f"sending: {counts['processing']} in flight"
    if counts["pending"]:
        return _waiting(row, now)
    if counts["held"]:
        return f"only held messages are left: {plural(counts['held'], 'message')} wait for a person"
    return "nothing is open: it completes now"


def _waiting(row: Row, now: int) -> str:
    first = row.get("due", {}).get("first")
    if first is None:
        return f"{count(row['counts']['pending'])} wait for their time"
    if first > now:
        retry = " (a retry)" if row["counts"]["retry"] >= row["counts"]["pending"] else ""
        return f"waits for its next due time, {soon(first, now)}{retry}"
    return "due now: waits for its gap, a slot or a cap of the queue"
