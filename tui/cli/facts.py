"""From the store's rows to the words and sums that commands promise: pure functions over what `Reader` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.config import Config
from engine.overlaps import overlap_of
from engine.planning.pacing import Pacing
from storage.errors import FilterError, UsageError
from storage.model import MINUTE, SECOND, SEND, JobState
from storage.queue_facts import add_limits
from storage.reader import STATES, Reader
from tui.cli.output import Json, dated, iso, span
from tui.cli.session import Session
from tui.foreseeing import Foresight

RATE_WINDOW = 10 * MINUTE
"""How far back the minutes are read from which the live rate of an ETA is taken."""

_ALIASES = {
    "queued": (JobState.PENDING,),
    "scheduled": (JobState.PENDING,),
    "waiting": (JobState.PENDING,),
    "sending": (JobState.PROCESSING,),
    "in_progress": (JobState.PROCESSING,),
    "sent": (JobState.COMPLETED,),
    "success": (JobState.COMPLETED,),
    "done": (JobState.COMPLETED,),
    "error": (JobState.FAILED,),
    "cancelled": (JobState.SKIPPED,),
    "open": (JobState.HELD, JobState.PENDING, JobState.PROCESSING),
}


def states_of(words: str) -> tuple[str, ...]:
    """Job states named in "failed,held" or by the words people know ("QUEUED", "SENT"). Raises FilterError."""
    found: list[str] = []
    for word in filter(None, (part.strip().lower() for part in words.split(","))):
        states = _ALIASES.get(word) or ((JobState(word),) if word in STATES else ())
        if not states:
            raise FilterError(f"there is no state '{word[:40]}'", hint=f"there are: {', '.join(STATES)}")
        found += [state.value for state in states]
    return tuple(dict.fromkeys(found))


def by_state(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: counts[state] for state in STATES}


def progress(counts: Mapping[str, int]) -> Json:
    """`total, sent, failed, current, percentage`: `current` have ended one way or another; 100 means all of them."""
    total = sum(counts[state] for state in STATES)
    current = total - counts["held"] - counts["pending"] - counts["processing"]
    return {
        "total": total,
        "sent": counts["completed"] + counts["bounced"],
        "failed": counts["failed"],
        "current": current,
        "percentage": current * 100 // total if total else 0,
    }


def add_pace(
    reader: Reader, row: Json, limits: Mapping[str, Any], now: int, load_config: Callable[[], Config] | None = None
) -> None:
    """Give a campaign of `Reader.campaign` what its ETA and its WHY ask for: rates, and the limits of its queue
    (`{account: {caps, min_gap}}`, see `limits_of`); what no engine has served is foreseen by `load_config`."""
    row["rates"] = reader.rates(now - RATE_WINDOW, campaign_id=row["id"])
    add_limits(reader, [row], dict(limits), now)
    Foresight(load_config).add(reader, [row], now)


def limits_of(config: Config, reader: Reader, now: int) -> Json:
    """What the accounts of a configuration allow at a moment (us), with what was tuned live."""
    tuned = {row["name"]: row["tuning"] for row in reader.queues()}
    found = {}
    for name, account in config.accounts.items():
        limits = account.limits(config.zone).tuned(tuned.get(name, {}))
        found[name] = {"caps": limits.ceilings(now), "min_gap": limits.min_gap}
    return found


def limits_now(session: Session, reader: Reader) -> Json:
    """`limits_of` now; {} where the configuration cannot be read: what only shows needs none."""
    from tui.cli.times import now_us

    try:
        return limits_of(session.config(), reader, now_us())
    except UsageError:
        return {}


def campaign_json(row: Json, now: int) -> Json:
    """All of `campaign show NAME --json`, out of a campaign that `add_pace` has seen."""
    from tui.pace import campaign_finish

    window: Json = dict(row["hours"])
    if window:
        from engine.planning.windows import Window

        window["text"] = Window.from_dict(row["hours"]).describe()
    counts = row["counts"]
    ended = row["completed_at"] or row["cancelled_at"] or now
    elapsed = max(0, ended - row["started_at"]) if row["started_at"] else None
    return {
        "campaign": row["name"],
        "campaign_id": row["id"],
        "state": row["state"],
        "pause_reason": row["pause_reason"],
        "pause_detail": row["pause_detail"],
        "account": row["account"],
        "channel": row["channel"],
        "queue": dated({"state": row["queue_state"], "reason": row["queue_reason"], "until": row["queue_until"]}),
        "live": row["live"],
        "pacing": {**row["pacing"], "text": Pacing.from_dict(row["pacing"]).describe()},
        "window": window or None,
        "priority": row["priority"],
        "weight": row["weight"],
        "concurrency": row["concurrency"],
        "list": row["list"] or row["name"],
        "approval": row["approval"] or "none",
        "approval_time_seconds": row["approval_time"] // SECOND,
        "approved_at": iso(row["approved_at"]),
        "approved_by": row["approved_by"],
        "approval_note": row["approval_note"],
        "recipients": row["recipients"],
        "total": row["total"],
        "counts": by_state(counts),
        "will_retry": counts["retry"],
        "needs_you": counts["held"] + counts["uncertain"],
        "progress": progress(counts),
        "created_at": iso(row["created_at"]),
        "started_at": iso(row["started_at"]),
        "completed_at": iso(row["completed_at"]),
        "cancelled_at": iso(row["cancelled_at"]),
        "duration": None if elapsed is None else span(elapsed // SECOND * SECOND),
        "duration_seconds": None if elapsed is None else elapsed / SECOND,
        "eta": iso(campaign_finish(row, now)),
        "never_open": row.get("never_open", 0),
        "first_due": iso(row["due"]["first"]),
        "last_due": iso(row["due"]["last"]),
        "subject": row["steps"][0]["subject"] if row["steps"] else "",
        "accounts": [{"account": one["name"], "channel": one["channel"]} for one in row["accounts"]],
        "steps": len(row["steps"]),
        "overlap": overlap_of(row["settings"], row["channel"]),
        "imports": [dated(item) for item in row["imports"]],
        "executions": [dated(item) for item in row["executions"]],
        "version": row["version"],
    }


OVERLAP_WORDS = {
    "allow": "whoever has a message in another campaign gets this one too",
    "skip": "whoever has a message in another campaign is left out",
    "wait": "whoever has a message in another campaign waits until three days after it",
}
"""What becomes of somebody whom another campaign writes to, by the campaign's `overlap`."""


def steps_in_words(row: Json) -> str:
    """The steps behind the first in a line; "" without one."""
    from engine.sequences import describe
    from storage.row_nouns import steps_of

    told = [f"{number} {words}" for number, words in enumerate(describe(steps_of(row)), start=2)]
    return "; ".join(told)


def batch_json(row: Json, now: int, staged: Json | None = None) -> Json:
    """A batch with our names and those that its readers may know (`totalEmails`, `createdAt`, `status`). `staged` is
    what `work_facts.batch` counts in it."""
    counts, steps = row["counts"], progress(row["counts"])
    begun, ended = row["started_at"], row["finished_at"]
    elapsed = max(0, (ended or now) - begun) // SECOND * SECOND if begun else None
    status = "completed" if row["state"] == "done" else "in_progress" if steps["current"] else "pending"
    if counts["processing"] and status == "pending":
        status = "in_progress"
    return {
        "id": row["id"],
        "campaign": row["campaign"],
        "kind": row["kind"],
        "filename": row["name"],
        "state": row["state"],
        "status": status,
        "total": row["total"],
        "totalEmails": row["total"],
        "processed": steps["current"],
        "progress": steps,
        "counts": by_state(counts),
        "createdAt": iso(row["created_at"]),
        "startedAt": iso(begun),
        "completedAt": iso(ended),
        "duration": None if elapsed is None else span(elapsed),
        "summary": {"total": steps["total"], "success": steps["sent"], "failed": steps["failed"]},
        "stages": _stages(row, staged) if staged and row["stage"] else None,
    }


def _stages(row: Json, staged: Json) -> Json:
    """The stage of a batch that runs, how many jobs wait for its end, and whether they wait for a person."""
    bad = staged["failed"] + staged["uncertain"]
    over = not staged["open"] + staged["held"]
    return {
        "current": row["stage"], "go_on": bool(row["go_on"]), "waiting": staged["waiting"],
        "failed": staged["failed"], "uncertain": staged["uncertain"],
        "blocked": bool(staged["waiting"] and bad and over and not row["go_on"]),
    }  # fmt: skip


def result_json(row: Json) -> Json:
    """One line of a batch's `results`."""
    state = row["state"]
    status = "success" if state in ("completed", "bounced") else "failed" if state == "failed" else "pending"
    if state in ("uncertain", "skipped"):
        status = state
    if row["kind"] != SEND:
        return {
            "job_id": row["id"], "job_type": row["kind"], "stage": row["stage"], "status": status, "state": state,
            "error": row["error"] or None,
        }  # fmt: skip
    rows = row["fields"].get("rows")
    return {
        "email": row["address"],
        "status": status,
        "state": state,
        "error": row["error"] or None,
        "orderCount": len(rows) if isinstance(rows, list) else 1,
    }


def recipient_json(row: Json) -> Json:
    """One line of `campaign recipients --json`: these keys and no others."""
    return {
        "address": row["address"],
        "state": row["state"],
        "attempts": row["attempts"],
        "error": row["error"] or (row["reason"] if row["state"] in ("held", "skipped") else "") or None,
        "due_at": iso(row["due_at"]),
        "sent_at": iso(row["sent_at"]),
        "message_id": row["message_id"] or None,
    }


_INNER = ("ready", "lease", "lease_until", "queue_id")
_OF_TASKS = ("origin", "stage", "flag", "done", "total", "note", "started_at", "finished_at")
"""What of a row of jobs only background jobs have."""


def job_json(row: Json) -> Json:
    """A job with our names; a background job also with those that its readers may know (`job_type`, `retryCount`)."""
    if row["kind"] == SEND:
        return dated({key: value for key, value in row.items() if key not in (*_INNER, *_OF_TASKS)})
    ended = row["finished_at"] if row["state"] not in ("pending", "processing", "held") else None
    return {
        **dated({key: value for key, value in row.items() if key not in _INNER}),
        "type": row["kind"],
        "job_type": row["kind"],
        "status": row["state"],
        "retryCount": max(0, row["attempts"] - 1),
        "errorMessage": row["error"] or None,
        "createdAt": iso(row["created_at"]),
        "completed_at": iso(ended),
    }
