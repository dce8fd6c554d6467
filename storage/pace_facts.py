"""Everything that can hold a job, a campaign or a queue, as it stands in the store: bounded reads for `engine.explain`.

What claim and gate look at is read here by the same indexes and in the same order, so that what is explained is what
happens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from storage import domains
from storage.errors import NotFoundError
from storage.reader import STATES, Reader
from storage.shares import ACTIVE_LANES, in_turn

Row = dict[str, Any]

LINE = 1_000
"""Jobs of a lane that are counted when one asks for its place in it."""

_QUEUE = (
    "SELECT id, name, channel, state, reason, until_at, cooling_step, last_start, spaced_start, throttle, "
    "throttled_at, warm_days, warm_on, limits, tuning, updated_at FROM queues WHERE "
)
_CAMPAIGN = (
    "SELECT c.id, c.name, c.queue_id, q.name AS queue, q.channel, c.state, c.pause_reason, c.pause_detail, "
    "c.approval_note, c.before_cancel, c.priority, c.weight, c.concurrency, c.live, c.replanning, c.hours, c.spacing, "
    "c.last_start, c.updated_at, c.started_at, c.completed_at, c.cancelled_at FROM campaigns c "
    "JOIN queues q ON q.id = c.queue_id WHERE "
)
_JOB = (
    "SELECT j.id, j.kind, j.state, j.reason, j.ready, j.priority, j.due_at, j.gap, j.attempts, j.tries, j.outcome, "
    "j.error_key, j.last_error, j.sent_at, j.updated_at, j.lease, j.queue_id, j.campaign_id, r.address, r.address_key, "
    "r.profile, r.fields, "
    "j.follow, (SELECT q.name FROM queues q WHERE q.id = j.queue_id) AS queue, COALESCE((SELECT l.last_start "
    "FROM lanes l WHERE l.queue_id = j.queue_id AND l.campaign_id = j.campaign_id), 0) AS lane_start, "
    "r.stopped, (SELECT max(a.intent_at) FROM attempts a WHERE a.job_id = j.id AND a.lease = j.lease) AS intent_at, "
    "(SELECT ap.asked_at FROM approvals ap WHERE ap.job_id = j.id) AS asked_at, "
    "(SELECT ap.expires_at FROM approvals ap WHERE ap.job_id = j.id) AS expires_at FROM jobs j "
)
_PERSON = " LEFT JOIN recipients r ON r.id = j.recipient_id "
_HEAD = (
    f"{_JOB}INDEXED BY jobs_claim{_PERSON}WHERE j.queue_id = ? AND j.campaign_id = ? AND j.state = 'pending' "
    "AND j.ready = 1 ORDER BY j.priority DESC, j.due_at, j.id LIMIT 1"
)
_NEXT = (
    f"{_JOB}INDEXED BY jobs_waiting{_PERSON}WHERE j.campaign_id = ? AND j.state = 'pending' "
    "ORDER BY j.due_at, j.id LIMIT 1"
)
_LINE = (
    "SELECT id FROM jobs INDEXED BY jobs_claim WHERE queue_id = ? AND campaign_id = ? AND state = 'pending' "
    "AND ready = 1 ORDER BY priority DESC, due_at, id LIMIT ?"
)
# In the words of the index `jobs_stopped`, so that it applies.
_HELD = (
    "SELECT reason, count(*) AS n FROM (SELECT reason FROM jobs INDEXED BY jobs_stopped WHERE campaign_id = ? "
    "AND state = 'held' AND state IN ('failed', 'held', 'uncertain') LIMIT ?) GROUP BY reason ORDER BY n DESC, reason"
)
_LANES = (
    "SELECT c.id, c.name, c.priority, c.weight, l.turn, c.hours, c.spacing, l.last_start, c.started_at, "
    "(SELECT j.gap FROM jobs j INDEXED BY jobs_claim WHERE j.queue_id = l.queue_id AND j.campaign_id = c.id "
    "AND j.state = 'pending' AND j.ready = 1 ORDER BY j.priority DESC, j.due_at, j.id LIMIT 1) AS head_gap "
    f"{ACTIVE_LANES} AND c.replanning = 0"
)
_PEOPLE = "SELECT campaign_id AS id, SUM(imported) AS n FROM imports WHERE state = 'done' GROUP BY campaign_id"
_DOMAIN = "SELECT last_start, reserved FROM domain_starts WHERE queue_id = ? AND domain = ?"
_UNTOUCHED: Row = {
    "id": 0, "channel": "", "state": "ready", "reason": "", "until_at": None, "cooling_step": 0, "last_start": 0,
    "spaced_start": 0, "throttle": 0, "throttled_at": None, "warm_days": 0, "warm_on": 0, "limits": {}, "tuning": {},
    "updated_at": 0, "in_flight": 0,
}  # fmt: skip


def queue(reader: Reader, name: str, *, configured: Iterable[str] = ()) -> Row:
    """One queue with its limits and tuning as objects, and how many of its jobs are in flight. A `configured` account
    that never had an engine has one that nothing has touched. Raises NotFoundError."""
    row = reader.one(f"{_QUEUE}name = ?", (name,))
    if row is None:
        if name in configured:
            return {**_UNTOUCHED, "name": name}
        raise NotFoundError(f"there is no queue '{name}'", hint="see `paceline queue list`")
    row["limits"], row["tuning"] = json.loads(row["limits"]), json.loads(row["tuning"])
    row["in_flight"] = reader.counts("queue", row["id"])["processing"]
    return row


def campaign(reader: Reader, *, name: str = "", id: int = 0) -> Row:
    """One campaign with `counts` by state and how many people are in it (`people`). Raises NotFoundError."""
    row = reader.one(f"{_CAMPAIGN}c.name = ?", (name,)) if name else reader.one(f"{_CAMPAIGN}c.id = ?", (id,))
    if row is None:
        raise NotFoundError(f"there is no campaign '{name or id}'", hint="see `paceline campaign list`")
    row["counts"] = reader.counts("campaign", row["id"])
    imported = reader.one(
        "SELECT COALESCE(SUM(imported), 0) AS n FROM imports WHERE campaign_id = ? AND state = 'done'", (row["id"],)
    )
    row["people"] = imported["n"] if imported else 0
    return row


def campaigns(reader: Reader) -> list[Row]:
    """Every campaign as `campaign` gives it, in three reads, whatever their number."""
    counts = reader.campaign_counts()
    people = {row["id"]: row["n"] for row in reader.rows(_PEOPLE)}
    none = dict.fromkeys((*STATES, "retry"), 0)
    return [
        {**row, "counts": counts.get(row["id"], none), "people": people.get(row["id"], 0)}
        for row in reader.rows(f"{_CAMPAIGN}1")
    ]


def job(reader: Reader, job_id: int) -> Row:
    """One job with its person (`address`, `fields` as JSON text, `stopped`) and the intent of its present lease.
    Raises NotFoundError."""
    row = reader.one(f"{_JOB}{_PERSON}WHERE j.id = ?", (job_id,))
    if row is None:
        raise NotFoundError(f"there is no job {job_id}", hint="see `paceline job list`")
    return row


def next_job(reader: Reader, campaign: Row) -> Row | None:
    """The job of a campaign that a claim would look at first, or that is due first; None: none is pending."""
    head = reader.one(_HEAD, (campaign["queue_id"], campaign["id"]))
    return head or reader.one(_NEXT, (campaign["id"],))


def waits(reader: Reader, campaign_id: int) -> int:
    """How many people of a campaign have an invitation whose next step waits for its acceptance."""
    row = reader.one(
        "SELECT count(*) AS n FROM jobs INDEXED BY jobs_follow WHERE campaign_id = ? AND follow > 0 AND follow = 2",
        (campaign_id,),
    )
    return int(row["n"]) if row else 0


def held(reader: Reader, campaign_id: int) -> dict[str, int]:
    """Why the held messages of a campaign are held, the commonest reason first: how many of at most 1,000."""
    return {row["reason"]: row["n"] for row in reader.rows(_HELD, (campaign_id, LINE))}


def ahead(reader: Reader, job: Mapping[str, Any]) -> int | None:
    """How many due jobs of its campaign go before this one; None: it is not in line, or further back than 1,000."""
    line = reader.rows(_LINE, (job["queue_id"], job["campaign_id"], LINE))
    return next((place for place, row in enumerate(line) if row["id"] == job["id"]), None)


def lanes(reader: Reader, queue_id: int, last_start: int) -> list[Row]:
    """The active campaigns of a queue in the order in which they may begin after its `last_start` (us), each with the
    gap of the job that is first in it (`head_gap`, us; None: nothing of it is due)."""
    return in_turn(rows, last_start) if (rows := reader.rows(_LANES, (queue_id,))) else []


def domain_start(reader: Reader, queue_id: int, address: str) -> Row | None:
    """The last start to the domain of an address, and the last place given away behind it; None: there is none."""
    domain = domains.domain_of(address)
    return reader.one(_DOMAIN, (queue_id, domain)) if domain else None
