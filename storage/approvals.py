"""What waits for a person's yes, message by message or for a whole campaign, and what becomes of it.

Nothing here is a promise that the callers must keep. A job of a campaign that asks for each message is made `held`
where jobs are made (`recipients.add_jobs`, `sequences.follow`), every act that makes one pending again hands it to
`ask`, and the gate lets it through only while its approval stands and is of the very message that is about to leave
(`closed`). A campaign that is approved as a whole loses that by triggers on all that it says and whom it reaches
(`0007_work.sql`), and at the gate when a queue of it sends as somebody else than was approved (`void_campaign`);
without it no lane of it is claimed, and `hold_campaigns` pauses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.model import Approval, CampaignState, HeldReason, JobState, PauseReason

if TYPE_CHECKING:
    from storage.tx import Tx

SLICE = 500
WAITS = HeldReason.APPROVAL.value
CHANGED = "changed after it was approved"
"""Why an approval is void."""

APPROVED_LANES = "(c.approval <> 'campaign' OR c.approved_at IS NOT NULL)"
"""Of campaigns `c`: those of which anything may be claimed."""
EXPIRY = "CASE WHEN c.approval_time > 0 THEN {now} + c.approval_time END"
_OPEN = (
    "INSERT INTO approvals (job_id, asked_at, expires_at, note) VALUES (?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET "
    "asked_at = excluded.asked_at, expires_at = excluded.expires_at, decision = '', decided_at = NULL, "
    "decided_by = '', digest = '', note = excluded.note"
)
_UNASKED = (
    "SELECT j.id, j.state, j.queue_id, j.campaign_id, j.batch_id, j.error_key, c.approval_time FROM jobs j "
    "JOIN campaigns c ON c.id = j.campaign_id AND c.approval = 'message' LEFT JOIN approvals a ON a.job_id = j.id "
    "WHERE j.state = 'pending' AND ({void} = 1 OR a.decision IS NOT 'approved') AND j.id IN ({ids})"
)
_APPROVED = (
    "SELECT c.id, l.queue_id, q.name, l.approved_as FROM campaigns c JOIN lanes l ON l.campaign_id = c.id "
    "JOIN queues q ON q.id = l.queue_id WHERE c.approval = 'campaign' AND c.approved_at IS NOT NULL "
    "AND c.state IN ('active', 'paused') ORDER BY c.id, l.position, l.queue_id"
)
_TO_EXPIRE = (
    "SELECT a.job_id AS id, j.state, j.reason, j.queue_id, j.campaign_id, j.batch_id, j.error_key FROM approvals a "
    "INDEXED BY approvals_expiring JOIN jobs j ON j.id = a.job_id WHERE a.decision = '' AND a.expires_at IS NOT NULL "
    # Within the grace of a cancel it may come back: then it is asked about again.
    "AND a.expires_at <= ? AND NOT (j.state = 'held' AND j.reason = 'cancelled') ORDER BY a.expires_at LIMIT ?"
)
_NEXT_EXPIRY = (
    "SELECT a.expires_at AS at FROM approvals a INDEXED BY approvals_expiring WHERE a.decision = '' "
    "AND a.expires_at IS NOT NULL AND a.expires_at > ? ORDER BY a.expires_at LIMIT 1"
)


class ApprovedLane(NamedTuple):
    """One queue of a campaign that was approved as a whole, and the sender that the yes covered there."""

    campaign_id: int
    queue_id: int
    account: str
    approved_as: str


def open_new(tx: Tx, after: int, now: int) -> None:
    """Ask about the held jobs that were made since the job `after`, in this transaction."""
    tx.execute(
        "INSERT INTO approvals (job_id, asked_at, expires_at) "
        f"SELECT j.id, ?, {EXPIRY.format(now='?')} FROM jobs j JOIN campaigns c ON c.id = j.campaign_id "
        "WHERE j.id > ? AND j.state = 'held' AND j.reason = 'approval'",
        (now, now, after),
    )


def ask(tx: Tx, ids: Sequence[int], now: int, *, void: bool = False) -> int:
    """Hold those of these pending jobs whose campaign asks for each message, unless they are approved; with `void` also
    then, since what they say is no longer what was approved. How many that are."""
    held = 0
    for at in range(0, len(ids), SLICE):
        part = ids[at : at + SLICE]
        rows = tx.all(_UNASKED.format(void=int(void), ids=", ".join("?" * len(part))), tuple(part))
        for row in rows:
            _hold(tx, row, CHANGED if void else "", now)
        held += len(rows)
    return held


def _hold(tx: Tx, row: Any, note: str, now: int) -> None:
    """A job (row with id, state, scope, error key and its campaign's approval_time) waits for approval, from now on."""
    tx.execute(
        "UPDATE jobs SET state = 'held', reason = 'approval', ready = 0, lease_until = NULL, updated_at = ? "
        "WHERE id = ?",
        (now, row["id"]),
    )
    tx.count(row["queue_id"], row["campaign_id"], row["batch_id"], row["state"], row["error_key"], -1)
    tx.count(row["queue_id"], row["campaign_id"], row["batch_id"], JobState.HELD.value, row["error_key"], +1)
    tx.execute(_OPEN, (row["id"], now, expiry(row["approval_time"], now), note))


def take_back(tx: Tx, ids: Sequence[int], now: int) -> None:
    """An approval of these jobs was taken back: those that wait again are asked about anew."""
    for at in range(0, len(ids), SLICE):
        part = ids[at : at + SLICE]
        marks = ", ".join("?" * len(part))
        rows = tx.all(
            f"SELECT j.id, {EXPIRY.format(now='?')} AS expires_at FROM jobs j JOIN campaigns c ON c.id = j.campaign_id "
            f"WHERE j.state = 'held' AND j.reason = 'approval' AND j.id IN ({marks})",
            (now, *part),
        )
        tx.executemany(_OPEN, [(row["id"], now, row["expires_at"], "") for row in rows])


def expiry(approval_time: int, now: int) -> int | None:
    """When a message that is asked about now expires (us; None: never)."""
    return now + approval_time if approval_time else None


def closed(row: Any, digest: str) -> bool:
    """Whether the gate is closed for a job: `row` has its campaign's `approval` and `approved_at`, its lane's
    `approved_as` and its own `decision` and `approved_digest`; `digest` is what `IntentRequest` says."""
    match row["approval"]:
        case Approval.MESSAGE:
            return row["decision"] != "approved" or not digest or row["approved_digest"] != digest
        case Approval.CAMPAIGN:
            return row["approved_at"] is None or row["approved_as"] != digest
    return False


def hold_at_gate(tx: Tx, row: Any, now: int) -> None:
    """A claimed message that may not leave: back to the people who approve."""
    more = tx.one("SELECT approval_time FROM campaigns WHERE id = ?", (row["campaign_id"],))
    whole = {**{key: row[key] for key in ("id", "queue_id", "campaign_id", "batch_id", "error_key")}, **dict(more)}
    _hold(tx, {**whole, "state": "processing"}, CHANGED if row["decision"] == "approved" else "", now)


def of_claim(tx: Tx, ids: list[int]) -> dict[int, tuple[str | None, str]]:
    """What was decided about these jobs, and the digest that was approved."""
    rows = tx.by_id("SELECT job_id AS id, decision, digest FROM approvals WHERE job_id IN ", ids)
    return {id: (row["decision"], row["digest"]) for id, row in rows.items()}


def expire(tx: Tx, now: int, limit: int = SLICE) -> tuple[int, int | None]:
    """Skip what waited for approval longer than it may, at most a slice. Returns how many, and when the next one
    expires (us; None: none does)."""
    rows = tx.all(_TO_EXPIRE, (now, limit))
    skipped = []
    for row in rows:
        if row["state"] == "held" and row["reason"] == WAITS:
            tx.execute(
                "UPDATE jobs SET state = 'skipped', reason = 'expired', ready = 0, updated_at = ? WHERE id = ?",
                (now, row["id"]),
            )
            tx.move([(row, "held", row["error_key"], "skipped", row["error_key"])])
            skipped.append(row)
    # What went another way meanwhile (cancelled, suppressed) is asked about no more.
    tx.executemany(
        "UPDATE approvals SET decision = 'expired', decided_at = ? WHERE job_id = ?", [(now, row["id"]) for row in rows]
    )
    for campaign_id in dict.fromkeys(row["campaign_id"] for row in skipped):
        n = sum(row["campaign_id"] == campaign_id for row in skipped)
        text = f"{n:,} {'message' if n == 1 else 'messages'} expired without approval"
        add_event(tx, Event("approval.expired", text, "warning", campaign_id=campaign_id, n=n), now)
    if len(rows) == limit:
        return len(rows), now
    upcoming = tx.one(_NEXT_EXPIRY, (now,))
    return len(rows), None if upcoming is None else int(upcoming["at"])


def sender_change(before: str, after: str) -> str:
    """What differs between two senders (`lanes.approved_as`), in words; secrets are in neither."""
    if not before:
        return "nobody was asked about this sender"
    was, now = json.loads(before), json.loads(after or "{}")
    names = sorted(name for name in {**was, **now} if was.get(name) != now.get(name))
    return ", ".join(f"{name} {was.get(name, '(none)')} -> {now.get(name, '(none)')}" for name in names)


def void_at_gate(tx: Tx, row: Any, sender: str, now: int) -> None:
    """A claimed message of a campaign that is approved as a whole may not leave as this `sender`: nothing of it may."""
    if row["approved_at"] is not None:
        queue = tx.one("SELECT name FROM queues WHERE id = ?", (row["queue_id"],))
        void_campaign(
            tx, row["campaign_id"], f"{queue['name']}: {sender_change(row['approved_as'] or '', sender)}", now
        )


def void_campaign(tx: Tx, campaign_id: int, why: str, now: int) -> bool:
    """Take the yes to a whole campaign back, because a queue of it sends as somebody else; False without one."""
    row = tx.one(
        "UPDATE campaigns SET approved_at = NULL, approved_by = '', approval_note = ?, updated_at = ?, "
        "version = version + 1 WHERE id = ? AND approved_at IS NOT NULL RETURNING name",
        (why, now, campaign_id),
    )
    if row is None:
        return False
    text = f"the approval of campaign {row['name']} is void, its sender changed: {why}"
    add_event(tx, Event("approval.void", text, "warning", campaign_id=campaign_id), now)
    hold_campaigns(tx, now)
    return True


def approved_lanes(tx: Tx) -> list[ApprovedLane]:
    """The queues of unfinished campaigns that were approved as a whole, a campaign's together."""
    return [ApprovedLane(*row) for row in tx.all(_APPROVED)]


def hold_campaigns(tx: Tx, now: int) -> list[str]:
    """Pause active campaigns that must be approved and are not (any more); their names."""
    rows = tx.all(
        "UPDATE campaigns SET state = 'paused', pause_reason = ?, pause_detail = 'waits for approval', updated_at = ?, "
        "version = version + 1 WHERE state = 'active' AND approval = 'campaign' AND approved_at IS NULL "
        "RETURNING id, name",
        (PauseReason.APPROVAL.value, now),
    )
    for row in rows:
        text = f"campaign {row['name']} waits for approval"
        add_event(tx, Event("campaign.awaits_approval", text, "warning", campaign_id=row["id"]), now)
    return [row["name"] for row in rows]


def check_resumable(campaign: Any) -> None:
    """Refuse to let a campaign go on that must be approved first."""
    if campaign.unapproved:
        raise RefusedError(
            f"campaign '{campaign.name}' waits for approval: nothing of it is sent before",
            hint=f"paceline approval approve --campaign {campaign.name}",
        )


def approve_campaign(
    tx: Tx, campaign_id: int, version: int | None, by: str, event: Event, now: int, senders: Mapping[int, str]
) -> bool:
    """Approve a campaign as a whole, to be sent as these `senders` by queue; whether it was waiting for that (its pause
    has that reason). Raises RefusedError: it does not ask for it, is approved, is a draft or cancelled, or has another
    `version` than was looked at."""
    row = tx.one("SELECT * FROM campaigns WHERE id = ?", (campaign_id,))
    if row["approval"] != Approval.CAMPAIGN:
        raise RefusedError(f"campaign '{row['name']}' is not approved as a whole")
    if row["approved_at"] is not None:
        raise RefusedError(f"campaign '{row['name']}' was approved by {row['approved_by']} already")
    if version is not None and row["version"] != version:
        raise RefusedError(f"campaign '{row['name']}' changed meanwhile", hint="look again, then decide")
    if row["state"] == CampaignState.DRAFT.value:
        raise RefusedError(
            f"campaign '{row['name']}' is a draft: it is approved once it is started",
            hint=f"paceline campaign start {row['name']}",
        )
    if row["state"] == CampaignState.CANCELLED.value:
        raise RefusedError(f"campaign '{row['name']}' is cancelled: nothing of it will be sent")
    tx.execute(
        "UPDATE campaigns SET approved_at = ?, approved_by = ?, approval_note = '', updated_at = ?, "
        "version = version + 1 WHERE id = ?",
        (now, by, now, campaign_id),
    )
    tx.execute("UPDATE lanes SET approved_as = '' WHERE campaign_id = ?", (campaign_id,))
    tx.executemany(
        "UPDATE lanes SET approved_as = ? WHERE campaign_id = ? AND queue_id = ?",
        [(sender, campaign_id, queue_id) for queue_id, sender in senders.items()],
    )
    add_event(tx, event, now)
    return bool(row["state"] == CampaignState.PAUSED.value and row["pause_reason"] == PauseReason.APPROVAL.value)
