"""Why a campaign stands still, or that it does not: one sentence out of its row. Pure."""

from __future__ import annotations

from engine.planning.durations import format_duration
from storage.model import SECOND
from tui.actions import KeyOf, Row, own_key
from tui.format import clock, count, plural, soon, span
from tui.screens.queue_words import cap_text, full_cap
from tui.undo import CANCEL_GRACE


def why(row: Row, now: int, *, engine_paused: bool = False, lost: bool = False, named: KeyOf | None = own_key) -> str:
    """`row` is a campaign of the reader, with `due` (first and last open due time) where it is known, and with `caps`
    and `min_gap` (`queue_facts.add_limits`) where its account's limits are. What helps is called by its key
    as `named` has it, without that by its command."""
    state = row["state"]
    if state == "draft":
        return _draft(row, named)
    if state == "paused":
        return _paused(row, now)
    if state == "cancelled":
        return _cancelled(row, now, named)
    if state == "completed":
        return _completed(row, now)
    if lost:
        return "no engine runs: nothing is sent"
    if engine_paused:
        resume = f"{named('engine.resume')} resumes all" if named else "paceline engine resume"
        return f"everything is paused: {resume}"
    return _active(row, now)


def _draft(row: Row, named: KeyOf | None) -> str:
    if not row.get("recipients", 1):
        return f"draft, nobody in it: paceline recipients import FILE --campaign {row['name']}"
    live = named("campaign.live") if named else "`campaign live`"
    start = named("campaign.start") if named else "`campaign start`"
    reach = "" if row["live"] or row["channel"] == "outbox" else f", reaches only the allow-list ({live} makes it live)"
    return f"draft, not started: {start} starts it{reach}"


def _paused(row: Row, now: int) -> str:
    unsent = count(row["counts"]["pending"] + row["counts"]["held"])
    at = clock(row["updated_at"], now, dated=False)
    if row["pause_reason"] == "operator":
        return f"paused {row['pause_detail'] or 'by hand'} at {at}, {unsent} unsent"
    return f"paused by guard ({row['pause_reason']}): {row['pause_detail']} at {at}, {unsent} unsent"


def _cancelled(row: Row, now: int, named: KeyOf | None) -> str:
    left = (row["cancelled_at"] or 0) + CANCEL_GRACE - now
    if row["before_cancel"] and left > 0:
        undo = named("undo") if named else "`campaign undo-cancel`"
        return f"cancelled: {undo} undoes it for {span(left + SECOND - 1)} more"
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
    cap = full_cap(row, now)
    if cap is not None:
        return f"cap full {cap_text(cap)}, next slot {clock(cap['frees_at'], now, seconds=True)}"
    opens = row.get("queue_last_start", 0) + row.get("min_gap", 0)
    if row.get("min_gap") and opens > now:
        gap = format_duration(row["min_gap"])
        return f"waits for the gap of its queue ({gap}), next slot {clock(opens, now, seconds=True)}"
    return "due now: waits for its gap or a slot of the queue"
