"""What waits for a person, most urgent first. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from engine.explain.whole_approval import waits_for_approval
from storage.alarm_facts import STOPPED
from storage.model import SECOND
from tui.actions import Row
from tui.format import ago, clock, count, fit, plural, soon
from tui.lookup import KeyOf, own_key
from tui.screens.health_words import FULL, disk_used
from tui.screens.queue_words import cap_text, full_cap
from tui.widgets.lines import Line

CAP_WAIT = 10 * SECOND
"""A cap that lets the next one go sooner is the ordinary pace, not something to look at."""


class Need(NamedTuple):
    """One thing that waits for a person. `target` is what actions and enter are for."""

    urgency: int
    glyph: str
    style: str
    what: str
    text: str
    at: int | None
    key: Hashable
    scope: str
    row: Row
    alarm: Row | None = None
    """The alarm that it stands for, where a person can acknowledge one."""


def needs(data: dict[str, Any], now: int, named: KeyOf = own_key) -> list[Need]:
    """Everything that waits for a person, most urgent first; of equals the newest first."""
    alarms = data["alarms"]
    queues = {alarm["queue_id"] for alarm in alarms if alarm["urgency"] == STOPPED}
    campaigns = {alarm["campaign_id"] for alarm in alarms}
    restricted = {alarm["queue_id"] for alarm in alarms if alarm["kind"] == "restricted"}
    found = [*_of_engine(data, named), *_of_alarms(data)]
    for row in data["queues"]:
        found += _of_queue(row, now, told=row["id"] in queues)
    for row in data["campaigns"]:
        stopped_with_queue = row["pause_reason"] == "account" and row["queue_id"] in restricted
        found += _of_campaign(row, now, told=row["id"] in campaigns or stopped_with_queue, named=named)
        found += _of_held(row, data["approvals"].get(row["id"]))
    found += [_of_schedule(row) for row in data["schedules"]]
    found += [_of_silent(row, now) for row in data["silent"]]
    for group in data["failures"]:
        if group["failed"]:
            text = f"failed: {group['error_key']}"
            what = plural(group["failed"], "job")
            found.append(Need(5, "!", "bad", what, text, group["last_at"], ("group", group["raw_key"]), "group", group))
    return in_order(found)


def in_order(found: list[Need]) -> list[Need]:
    """The most urgent first; of equals the newest first."""
    return sorted(found, key=lambda need: (need.urgency, -(need.at or 0)))


def _of_engine(data: dict[str, Any], named: KeyOf) -> list[Need]:
    found: list[Need] = []
    if data["engine"].get("paused"):
        text = f"is paused: {named('engine.resume')} resumes all"
        found.append(Need(0, "|", "stopped", "everything", text, None, "engine", "engine", {}))
    if trouble := data.get("status", {}).get("store_trouble"):
        found.append(Need(0, "!", "bad", "store", trouble, None, "store", "engine", {}))
    if (used := disk_used(data["sizes"])) >= FULL:
        text = f"{used}% used: make room before it is full"
        found.append(Need(1, "!", "bad", "disk", text, None, "disk", "engine", {}))
    return found


def _of_alarms(data: dict[str, Any]) -> list[Need]:
    """What nobody has acknowledged."""
    rows = {("campaign", row["id"]): row for row in data["campaigns"]}
    rows |= {("queue", row["id"]): row for row in data["queues"]}
    found = []
    for alarm in data["alarms"]:
        scope = "campaign" if alarm["campaign_id"] is not None else "queue"
        row = rows.get((scope, alarm[f"{scope}_id"]))
        if row is None or alarm["acknowledged_by"]:
            continue
        key = ("alarm", alarm["id"])
        glyph, style = ("!", "bad") if alarm["urgency"] == STOPPED else ("=", "paced")
        text = f"{_WORDS.get(alarm['kind'], _WORDS_OF[scope])}{alarm['text']}"
        found.append(
            Need(alarm["urgency"], glyph, style, row["name"], text, alarm["raised_at"], key, scope, row, alarm)
        )
    return found


def _of_schedule(row: Row) -> Need:
    """A schedule whose last firing could make no job (`schedule_facts.troubled`)."""
    text = f"fired without a job: {row['trouble']}"
    return Need(1, "!", "bad", row["name"], text, row["at"], ("schedule", row["id"]), "schedule", row)


def _of_silent(row: Row, now: int) -> Need:
    """A schedule that a clock which was ahead keeps silent (`schedule_facts.silent`)."""
    text = f"silent until {clock(row['decided_at'], now)}, the clock was ahead: disable, then enable"
    return Need(1, "!", "bad", row["name"], text, None, ("silent", row["id"]), "schedule", row)


_WORDS_OF = {"campaign": "paused by guard: ", "queue": "stopped: "}
_WORDS = {"transient": "slower: ", "behind": ""}


def _of_queue(row: Row, now: int, *, told: bool) -> list[Need]:
    """`told`: an alarm stands for what stopped it."""
    if told:
        return []
    state, key = row["state"], ("queue", row["id"])
    reason = row["reason"] or "no reason given"
    if state in ("needs_attention", "restricted"):
        return [Need(1, "!", "bad", row["name"], f"stopped: {reason}", row["updated_at"], key, "queue", row)]
    if state == "cooling" and (row["until_at"] or 0) > now:
        text = f"cools, next try {soon(row['until_at'], now)}: {reason}"
        return [Need(4, "=", "paced", row["name"], text, row["updated_at"], key, "queue", row)]
    if state == "paused":
        return [Need(6, "|", "warn", row["name"], f"queue paused {reason}", row["updated_at"], key, "queue", row)]
    return []


def _of_held(row: Row, asked: Row | None) -> list[Need]:
    """Messages that wait for approval (`asked` as `approval_facts.waiting` gives it), and those held otherwise."""
    if row["state"] == "cancelled":
        return []
    found = []
    n = asked["n"] if asked else 0
    if asked:
        text = f"{'waits' if n == 1 else 'wait'} for approval in {row['name']}"
        if asked["soon"]:
            text = f"{count(asked['soon'])} expire within 24h: approval in {row['name']}"
        key, urgency = ("approvals", row["id"]), 2 if asked["soon"] else 3
        found.append(Need(urgency, "o", "warn", plural(n, "msg"), text, asked["asked_at"], key, "approvals", row))
    if (rest := row["counts"]["held"] - n) > 0:
        text = f"held in {row['name']}: wait for a person"
        key = ("held", row["id"])
        found.append(Need(3, "o", "warn", plural(rest, "job"), text, row.get("held_at"), key, "held", row))
    return found


def _of_campaign(row: Row, now: int, *, told: bool, named: KeyOf) -> list[Need]:
    """`told`: an alarm stands for what paused it."""
    found = []
    if row["state"] == "paused" and row["pause_reason"] == "approval":
        text = f"{waits_for_approval(row)}: {named('campaign.approve')} approves it"
        key = ("paused", row["id"])
        found.append(Need(2, "o", "warn", row["name"], text, row["updated_at"], key, "campaign", row))
    elif row["state"] == "paused" and row["pause_reason"] != "operator" and not told:
        text = f"paused by guard: {row['pause_detail'] or row['pause_reason']}"
        key = ("paused", row["id"])
        found.append(Need(1, "!", "bad", row["name"], text, row["updated_at"], key, "campaign", row))
    if n := row["counts"]["uncertain"]:
        text = f"uncertain in {row['name']}: sent or not?"
        key = ("uncertain", row["id"])
        found.append(Need(2, "?", "ask", plural(n, "job"), text, row.get("uncertain_at"), key, "uncertain", row))
    cap = full_cap(row, now) if row["state"] == "active" and row["counts"]["pending"] else None
    if cap is not None and cap["frees_at"] - now >= CAP_WAIT and (row["due"]["first"] or now) <= now:
        text = f"cap full {cap_text(cap)}, next slot {clock(cap['frees_at'], now, seconds=True)}"
        found.append(Need(7, "=", "paced", row["name"], text, None, ("cap", row["id"]), "campaign", row))
    return found


def need_line(need: Need, now: int, width: int) -> Line:
    right = f"{clock(need.at, now)} {ago(need.at, now):>6}" if need.at else ""
    room = width - 2 - 16 - len(right) - 1
    return (
        (f"{need.glyph} ", need.style),
        (fit(need.what, 15) + " ", ""),
        (fit(need.text, room) + " ", ""),
        (right, "dim"),
    )
