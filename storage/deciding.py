"""What people decide about messages that wait for approval, a slice a transaction: approve, reject, another text.

Each message is compared with what the person saw (`storage.acts`): its state, and its lease, which another text or
another field of its person raises too. Undo of an approval is `undo.undo`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from storage import letters
from storage.acts import Acted, Change, Seen, Tell, recount, rows_of
from storage.approvals import WAITS
from storage.errors import NotFoundError, RefusedError
from storage.events import Event, add_event
from storage.letters import Letter
from storage.model import SEND, Approval, JobState
from storage.nouns import ClaimedJob
from storage.recipients import PlannedJob, add_jobs

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Approved:
    """One yes: a slot (us) for the message, and the digest of what was approved."""

    seen: Seen
    due_at: int
    gap: int
    digest: str


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A message of a campaign that asks for each, as it stands: `job` is what it is composed from, `due_at` its planned
    time (us), `first` whether it is its sequence's first. `decision` "" while nobody decided."""

    job: ClaimedJob
    state: str
    reason: str
    due_at: int
    first: bool
    gap: int
    decision: str
    expires_at: int | None
    digest: str
    written_at: int
    """When its step was changed last (us)."""
    campaign_id: int
    step_id: int


_AWAITING = (
    "SELECT j.id, j.lease, j.queue_id, j.campaign_id, j.step_id, j.batch_id, j.recipient_id, j.message_id, j.tries, "
    "j.budget_at, j.due_at, j.gap, j.state, j.reason, r.address, r.fields, r.profile, c.live, c.hours, "
    "s.position, s.updated_at, a.decision, a.expires_at, a.digest FROM jobs j "
    "JOIN campaigns c ON c.id = j.campaign_id AND c.approval = 'message' JOIN recipients r ON r.id = j.recipient_id "
    "JOIN steps s ON s.id = j.step_id LEFT JOIN approvals a ON a.job_id = j.id WHERE j.id IN "
)
_TO_CHECK = (
    "SELECT j.id FROM jobs j JOIN approvals a ON a.job_id = j.id WHERE j.campaign_id = ? AND j.state = 'pending' "
    "AND j.id > ? ORDER BY j.id LIMIT ?"
)
_LAST_DUE = (
    "SELECT due_at FROM jobs INDEXED BY jobs_waiting WHERE campaign_id = ? AND state = 'pending' AND queue_id = ? "
    "AND step_id = ? AND error_key = '' ORDER BY due_at DESC, id DESC LIMIT 1"
)


def awaiting(tx: Tx, ids: Sequence[int]) -> dict[int, Awaiting]:
    """What of these jobs is a message of a campaign that asks for each, with all that it is composed from."""
    rows = tx.by_id(_AWAITING, list(ids)) if ids else {}
    own = letters.of_jobs(tx, list(rows))
    return {id: _awaiting(row, own.get(id)) for id, row in rows.items()}


def _awaiting(row: Any, letter: Letter | None) -> Awaiting:
    job = ClaimedJob(
        row["id"], row["lease"], SEND, row["queue_id"], row["campaign_id"], row["step_id"], row["batch_id"],
        row["recipient_id"], row["address"], row["fields"] or "{}", row["message_id"], row["tries"], row["budget_at"],
        row["due_at"], bool(row["live"]), row["hours"], row["profile"], letter, Approval.MESSAGE,
    )  # fmt: skip
    return Awaiting(
        job, row["state"], row["reason"], row["due_at"], row["position"] == 1, row["gap"], row["decision"] or "",
        row["expires_at"], row["digest"] or "", row["updated_at"], row["campaign_id"], row["step_id"],
    )  # fmt: skip


def to_check(tx: Tx, campaign_id: int, after: int, limit: int) -> list[int]:
    """A campaign's pending messages that were approved, after a job's id, so many."""
    return [row["id"] for row in tx.all(_TO_CHECK, (campaign_id, after, limit))]


def last_due(tx: Tx, campaign_id: int, queue_id: int, step_id: int) -> int:
    """When the last message of a step is due that waits in a queue (us; 0: none does). A retry's own time is none."""
    row = tx.one(_LAST_DUE, (campaign_id, queue_id, step_id))
    return int(row["due_at"]) if row else 0


def approve(tx: Tx, given: Sequence[Approved], by: str, tell: Tell, now: int) -> Acted:
    """Let messages that wait for approval be sent, each from its slot on and only as its digest says."""
    change = Change(rows_of(tx, [one.seen.id for one in given]))
    expired = _expired(tx, [one.seen.id for one in given], now)

    # What did not wait when it was looked at has no digest: what came to wait since was seen by nobody.
    unseen = {one.seen.id for one in given if not one.digest}

    def why_not(row: Any) -> str:
        if row["id"] in expired:
            return "its time for approval is over"
        return _why_not_decided(row) or ("it was changed meanwhile" if row["id"] in unseen else "")

    for one in given:
        row = change.compare(one.seen, why_not)
        if row is None:
            continue
        tx.execute(
            "UPDATE jobs SET state = 'pending', reason = '', ready = ?, due_at = ?, gap = ?, updated_at = ? "
            "WHERE id = ?",
            (1 if one.due_at <= now else 0, one.due_at, one.gap, now, row["id"]),
        )
        recount(tx, row, JobState.PENDING.value)
        tx.execute(
            "UPDATE approvals SET decision = 'approved', decided_at = ?, decided_by = ?, note = '', digest = ? "
            "WHERE job_id = ?",
            (now, by, one.digest, row["id"]),
        )
    return change.told(tx, tell, "approve", now)


def _expired(tx: Tx, ids: Sequence[int], now: int) -> set[int]:
    rows = tx.by_id("SELECT job_id AS id, expires_at FROM approvals WHERE job_id IN ", list(ids))
    return {id for id, row in rows.items() if row["expires_at"] is not None and row["expires_at"] <= now}


def reject(tx: Tx, jobs: Sequence[Seen], why: str, by: str, tell: Tell, now: int) -> Acted:
    """These messages will not be sent. There is no way back: what is `skipped` stays so."""
    change = Change(rows_of(tx, [seen.id for seen in jobs]))
    for seen in jobs:
        row = change.compare(seen, _why_not_decided)
        if row is None:
            continue
        tx.execute(
            "UPDATE jobs SET state = 'skipped', reason = 'rejected', ready = 0, last_error = ?, updated_at = ? "
            "WHERE id = ?",
            (why, now, row["id"]),
        )
        recount(tx, row, JobState.SKIPPED.value)
        tx.execute(
            "UPDATE approvals SET decision = 'rejected', decided_at = ?, decided_by = ?, note = ? WHERE job_id = ?",
            (now, by, why, row["id"]),
        )
    return change.told(tx, tell, "reject", now)


def _why_not_decided(row: Any) -> str:
    if row["campaign_state"] == "cancelled":
        return "its campaign is cancelled"
    if row["state"] == "held" and row["reason"] == WAITS:
        return ""
    what = f"held: {row['reason']}" if row["state"] == "held" else row["state"]
    return f"it is {what}: it does not wait for approval"


def write_letter(tx: Tx, seen: Seen, letter: Letter, by: str, event: Event, now: int) -> None:
    """Give a message that waits for approval its own text. Raises RefusedError when it does not wait any more, or is
    not as it was seen, and NotFoundError."""
    row = rows_of(tx, [seen.id]).get(seen.id)
    if row is None:
        raise NotFoundError(f"there is no job {seen.id}", hint="see `paceline approval list`")
    if why := _why_not_decided(row):
        raise RefusedError(f"job {seen.id} keeps its text: {why}", hint="an approved text is what is sent")
    if seen.state and (seen.state, seen.lease) != (row["state"], row["lease"]):
        raise RefusedError(f"job {seen.id} was changed meanwhile", hint="look again, then decide")
    letters.write(tx, seen.id, letter, by, now)
    tx.execute("UPDATE jobs SET lease = lease + 1, updated_at = ? WHERE id = ?", (now, seen.id))
    add_event(tx, replace(event, campaign_id=row["campaign_id"], job_id=seen.id), now)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that was written for one person: the planned job, what they would read, and a note for whoever
    approves it."""

    job: PlannedJob
    letter: Letter
    note: str = ""


class Known(NamedTuple):
    """A person of a campaign, and the job that they have of a step (None: none yet)."""

    id: int
    key: str
    address: str
    fields: str
    profile: str
    stopped: str
    job_id: int | None


def known_people(tx: Tx, campaign_id: int, step_id: int, keys: Sequence[str]) -> list[Known]:
    """Who of a campaign has one of these keys."""
    rows = tx.all(
        "SELECT r.id, r.address_key, r.address, r.fields, r.profile, r.stopped, j.id FROM recipients r "
        "LEFT JOIN jobs j ON j.recipient_id = r.id AND j.step_id = ? "
        "WHERE r.campaign_id = ? AND r.address_key IN (SELECT value FROM json_each(?)) ORDER BY r.id",
        (step_id, campaign_id, json.dumps(list(keys))),
    )
    return [Known(*row) for row in rows]


def add_drafts(
    tx: Tx, batch_id: int, campaign_id: int, step_id: int, priority: int, drafts: Sequence[Draft], by: str, now: int
) -> list[int]:
    """Make messages with texts of their own under a loading batch, held until each is approved; their jobs' ids."""
    add_jobs(tx, batch_id, campaign_id, step_id, 0, priority, [draft.job for draft in drafts], now)
    made = []
    for draft in drafts:
        row = tx.one("SELECT id FROM jobs WHERE recipient_id = ? AND step_id = ?", (draft.job.recipient_id, step_id))
        letters.write(tx, row["id"], draft.letter, by, now)
        tx.execute("UPDATE approvals SET note = ? WHERE job_id = ? AND ? <> ''", (draft.note, row["id"], draft.note))
        made.append(int(row["id"]))
    return made
