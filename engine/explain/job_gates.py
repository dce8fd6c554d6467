"""The gates that belong to one message: a person's word, its person, its time, its gaps; and what became of it."""

from __future__ import annotations

from collections.abc import Iterable

from engine.explain.facts import Facts, JobFacts, QueueFacts, Row
from engine.explain.model import Gate, idle, shut, until
from engine.planning.durations import format_duration
from engine.planning.opening import NEVER, of_person, opens, parsed
from engine.planning.windows import Window
from storage import overlaps
from storage.dispatch import after
from storage.domains import WAITS, domain_of, place_in_line
from storage.model import SECOND

PLANNED = "waits for its due time"

HELD = {
    "approval": "approval",
    "field": "a field is missing",
    "content": "its message cannot be made",
    "configuration": "something of the set-up is wrong",
    "cancelled": "cancelled by hand",
}
"""What a held message waits for, by its reason."""


def word(job: Row, campaign: Row, now: int) -> Gate:
    """Whether it waits for a person's word."""
    if job["state"] != "held":
        return Gate("held", "nobody has to agree first")
    if job["reason"] == "approval":
        return _approval(job, now)
    why, detail = job["reason"], job["last_error"]
    said = f"held, {HELD.get(why, why)}"
    if why == "cancelled":
        said = f"{HELD[why]}: it becomes skipped when the time to undo that is over"
    remedy = {
        "field": f"paceline recipients edit {job['address']} --campaign {campaign['name']}",
        "content": f"paceline campaign edit {campaign['name']}",
        "configuration": f"paceline job retry {job['id']}",
    }.get(why, "")
    return shut(
        "held", f"{said}: {detail}" if detail and why != "cancelled" else said, since=job["updated_at"], person=True,
        action={"field": "recipients.edit", "configuration": "job.retry"}.get(why, ""), remedy=remedy,
        numbers={"reason": why},
    )  # fmt: skip


def _approval(job: Row, now: int) -> Gate:
    asked_at, expires_at = job["asked_at"] or job["updated_at"], job["expires_at"]
    said = "waits for approval"
    if expires_at is not None:
        said += f" (expires in {format_duration(max(0, expires_at - now) // SECOND * SECOND)})"
    return shut(
        "held", said, since=asked_at, person=True, action="approval.approve",
        remedy=f"paceline approval approve {job['id']}", numbers={"reason": "approval", "expires_at": expires_at},
    )  # fmt: skip


def person(job: Row) -> Gate:
    """Whether its person may be written to."""
    if job["stopped"]:
        return shut(
            "recipient", f"its person is not written to any more ({job['stopped']}): it will be skipped", person=True
        )
    return idle("recipient", "its person may be written to")


def suppression(entry: Row | None) -> Gate:
    """Whether something on the list of suppressions stands against its person."""
    if entry is None:
        return Gate("suppression", "nothing stands against its person")
    return shut(
        "suppression", f"{suppressed(entry)}: it will be skipped when its turn comes", since=entry["created_at"],
        person=True, remedy=f"paceline suppression remove {entry['id']}",
        numbers={
            "kind": entry["kind"], "value": entry["value"], "reason": entry["reason"], "scope": entry["scope"],
            "since_at": entry["created_at"], "until_at": entry["expires_at"],
        },
    )  # fmt: skip


def suppressed(entry: Row) -> str:
    """An entry of the list in words, without its times."""
    whom = {"domain": f"everybody at {entry['value']} is", "profile": f"profile {entry['value']} is"}.get(
        entry["kind"], f"{entry['value']} is"
    )
    on = f"on list {entry['scope']}" if entry["scope"] else "everywhere"
    until = ", until a time" if entry["expires_at"] is not None else ""
    return f"{whom} suppressed {on} ({entry['reason']}{until})"


def due(job: Row, now: int) -> Gate:
    """Its own time, and what gave it that: the plan, a retry, a window, its place behind others."""
    if job["reason"] == WAITS:
        words = f"waits for its place behind others to {domain_of(job['address'] or '')}"
    elif job["reason"] == overlaps.WAITS:
        words = "keeps its distance from another campaign's message to the same person"
    elif job["reason"] == "window":
        words = "waits for the window of its person"
    elif job["error_key"] and job["tries"]:
        words = f"waits for try {job['tries'] + 1} after {job['error_key']}"
    else:
        words = PLANNED
    numbers = {"due_at": job["due_at"], "tries": job["tries"]}
    return until("due", job["due_at"], now, words, "it is due", then="due", numbers=numbers)


def window(facts: Facts, job: Row | None, earliest: int, now: int) -> Gate:
    """The windows of queue, campaign and person together, as they will stand at `earliest`, when all else lets it
    go."""
    windows = _windows(facts, job)
    if not windows:
        return idle("window", "no window is set")
    own = [name for name, one in windows if one.recipient_zone]
    if job is None and own:
        # Whose clock it is, is known with the message only.
        windows = [(name, one) for name, one in windows if not one.recipient_zone]
        if not windows:
            return Gate("window", f"the hours of {_and(own)} are those of each person's own clock")
    every = [one for _, one in windows]
    opening = opens(every, earliest)
    closed = [name for name, one in windows if not one.is_open(earliest)] or [name for name, _ in windows]
    numbers = {"windows": {name: one.describe() for name, one in windows}}
    if opening >= NEVER:
        alone = [name for name, one in windows if one.next_open(earliest) is None]
        words = f"the window of {_and(alone)} never opens: change its hours"
        if not alone:
            together = _and(name for name, _ in windows)
            words = f"the windows of {together} never open at one time: change the hours of one"
        return shut("window", words, person=True, numbers=numbers)
    if opening > earliest:
        return shut("window", f"outside the window of {_and(closed)}", opens_at=opening, numbers=numbers)
    opens_now = opens(every, now)
    names = [name for name, one in windows if not one.is_open(now)] or [name for name, _ in windows]
    opened = f"inside the window of {_and(name for name, _ in windows)}"
    return until("window", opens_now, now, f"outside the window of {_and(names)}", opened, numbers=numbers)


def _and(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))


def _windows(facts: Facts, job: Row | None) -> list[tuple[str, Window]]:
    """The windows that hold, by whose they are: of a message those of a person's own clock as they stand there."""
    found: list[tuple[str, Window]] = []
    if (own := facts.queue.limits.window) is not None:
        found.append((f"queue {facts.queue.name}", own))
    if facts.campaign is not None and (hours := facts.campaign["hours"]):
        found.append((f"campaign {facts.campaign['name']}", parsed(hours)))
    if job is None:
        return found
    return [(name, one) if not one.recipient_zone else _persons(one, job) for name, one in found]


def _persons(window: Window, job: Row) -> tuple[str, Window]:
    theirs = of_person(window, job["fields"] or "{}")
    return f"its person ({theirs.zone})", theirs


def pacing_gap(queue: QueueFacts, campaign: Row, job: Row, now: int) -> Gate:
    """The gap that its plan drew, from the last start of its campaign, or of all such campaigns of the queue."""
    gap = job["gap"] << queue.row["throttle"]
    if not gap:
        return idle("gap", "its pacing asks for no gap before it")
    last = queue.row["spaced_start"] if campaign["spacing"] == "queue" else job["lane_start"]
    words = f"gap of its pacing, {format_duration(gap)}"
    return until("gap", after(last, gap, now), now, words, words, then="next slot", numbers={"gap_us": gap})


def domain_gap(queue: QueueFacts, job: JobFacts, now: int) -> Gate:
    """The distance to the last message to the same domain."""
    gap = queue.gate.domain_gap << queue.row["throttle"]
    if not gap:
        return idle("domain gap", "the queue keeps no gap per domain")
    words = f"gap to {domain_of(job.row['address'] or '') or 'its domain'}, {format_duration(gap)}"
    opens_at = 0
    if (line := job.domain) is not None:
        keeps_place = job.row["reason"] == WAITS
        opens_at = place_in_line(line["last_start"], line["reserved"], gap, now, keeps_place=keeps_place)
    return until("domain gap", opens_at, now, words, words, then="next slot", numbers={"gap_us": gap})


def other_campaign(job: JobFacts, now: int) -> Gate:
    """The distance to what another campaign has sent to the same person, of a campaign that keeps one."""
    if job.beside is None:
        return Gate(overlaps.WAITS, "no other campaign has just written to its person")
    words = f"campaign {job.beside.campaign} wrote to the same person"
    opens_at = min(job.beside.at, now) + overlaps.AFTER
    return until(overlaps.WAITS, opens_at, now, words, words, numbers={"left_at": job.beside.at})


ENDS = {
    "completed": "sent: the server accepted it",
    "failed": "failed: {error}",
    "uncertain": "sent or not is not known: {error}",
    "skipped": "skipped ({reason}): it will not be sent",
    "bounced": "accepted, then returned: {error}",
}
"""What became of a job that is not open any more."""


def ended(job: Row, entry: Row | None = None) -> str:
    """What became of it; "" while it is open. `entry` is what stands against its person on the suppressions."""
    template = ENDS.get(job["state"], "")
    error = job["last_error"] or job["error_key"] or "no reason was recorded"
    told = template.replace("{error}", error).replace("{reason}", job["reason"])
    by_list = entry is not None and job["state"] == "skipped" and job["reason"] in ("suppressed", "unsubscribed")
    if job["follow"] == 2:
        told += "; its next step waits until the invitation is accepted"
    return f"{told}; {suppressed(entry)}" if by_list and entry is not None else told
