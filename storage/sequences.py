"""From one step of a sequence to the next: whose turn it is, and the job that follows.

`jobs.follow` says it all, so a crash forgets nothing: 1, a step comes after this one and was not dealt with; 2, it
waits for the invitation to be accepted; 0, nothing more. Who decides what follows is `engine.sequences`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage import approvals
from storage.events import Event, add_event
from storage.model import DAY, JobState

if TYPE_CHECKING:
    from storage.tx import Tx

SLICE = 500
ACCEPT_WITHIN = 21
"""Days in which an invitation may be accepted (`accept_within_days` of the campaign); then its sequence ends."""
ENDED = "('completed', 'skipped', 'failed', 'bounced')"
"""States in which a message is over, so that what follows it can be told; `uncertain` waits for a word on it."""
WAITS = "the invitation is not accepted yet"
RESTORED = "restored from a backup"
"""The error key of jobs whose fate between a backup and its restore is not known."""
_RESTORED_AT = "restored_at"
"""The setting that tells when a backup was last put back (us)."""

_CAMPAIGNS = (
    "SELECT c.id, COALESCE(json_extract(c.settings, '$.accept_within_days'), ?) AS days FROM campaigns c "
    "WHERE c.state IN ('active', 'paused', 'completed') "
    "AND EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_follow WHERE j.campaign_id = c.id AND j.follow > 0)"
)
# `unlikely`: the index is only for rows with `follow > 0`, and the planner would rather search by that, which reads
# every message that is still open: 60 ms a look in a campaign of 50,000, against 3 ms.
_ROWS = (
    "SELECT j.id, j.state, j.reason, j.follow, j.step_id, s.position, j.queue_id, j.batch_id, j.recipient_id, "
    "j.sent_at, "
    "j.updated_at, r.address, r.profile, r.fields, r.stopped, r.accepted_at, r.replied_at "
    "FROM jobs j INDEXED BY jobs_follow JOIN steps s ON s.id = j.step_id JOIN recipients r ON r.id = j.recipient_id "
    f"WHERE j.campaign_id = ? AND j.follow > 0 AND unlikely(j.follow = ?) AND j.state IN {ENDED}"
)
_QUEUES = (
    "SELECT j.recipient_id, j.queue_id, q.channel FROM jobs j JOIN queues q ON q.id = j.queue_id "
    "WHERE j.recipient_id IN (SELECT value FROM json_each(?)) AND j.state <> 'skipped' ORDER BY j.id"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A message that is over while a step comes after it. `sent_at` when it left (us; None: it never did), `ended_at`
    when it was over, `queues` the queue by channel that this person is written to through."""

    job_id: int
    campaign_id: int
    step_id: int
    position: int
    state: JobState
    reason: str
    waits: bool
    """It was looked at before, and waited for the invitation to be accepted."""
    queue_id: int
    batch_id: int
    recipient_id: int
    address: str
    profile: str
    fields: str
    stopped: str
    accepted_at: int | None
    replied_at: int | None
    sent_at: int | None
    ended_at: int
    queues: dict[str, int]


@dataclass(frozen=True, slots=True)
class Following:
    """What comes after a message: a job of `step_id` due at `due_at`; without a step nothing comes any more
    (`skipped` says why), or (`waits`) not before the invitation is accepted."""

    job_id: int
    step_id: int | None = None
    queue_id: int = 0
    due_at: int = 0
    gap: int = 0
    message_id: str = ""
    held: str = ""
    detail: str = ""
    priority: int = 5
    more: bool = False
    """A step comes after this one too."""
    waits: bool = False
    skipped: str = ""
    """Why it is not sent at all ("" when it is)."""
    seen: Ended | None = None
    """The message as it was when that was decided; what became otherwise since is asked about again."""
    version: int = 0
    """Of the campaign when that was decided (0: not told): what was edited since may want something else."""


def ended(tx: Tx, limit: int = SLICE, *, without: frozenset[int] = frozenset()) -> list[Ended]:
    """Messages that are over and whose next step was not dealt with, at most `limit`; none of campaigns `without`."""
    found: list[Ended] = []
    for campaign in tx.all(_CAMPAIGNS, (ACCEPT_WITHIN,)):
        if campaign["id"] in without:
            continue
        rows = tx.all(f"{_ROWS} LIMIT ?", (campaign["id"], 1, limit - len(found)))
        found += with_queues(tx, campaign["id"], rows)
        if len(found) >= limit:
            break
    return found


def any_ended(tx: Tx, without: frozenset[int] = frozenset()) -> bool:
    """Whether something of an active campaign but `without` waits to be followed: an engine that runs until idle is not
    idle yet."""
    return any(
        tx.one(f"{_ROWS} LIMIT 1", (campaign["id"], 1)) is not None
        for campaign in tx.all(f"{_CAMPAIGNS} AND c.state = 'active'", (ACCEPT_WITHIN,))
        if campaign["id"] not in without
    )


def too_late(tx: Tx, now: int, limit: int = SLICE, *, without: frozenset[int] = frozenset()) -> list[Ended]:
    """Those that waited for an acceptance as long as their campaign lets them."""
    found: list[Ended] = []
    for campaign in tx.all(_CAMPAIGNS, (ACCEPT_WITHIN,)):
        if campaign["id"] in without:
            continue
        rows = tx.all(
            f"{_ROWS} AND COALESCE(j.sent_at, j.updated_at) < ? LIMIT ?",
            (campaign["id"], 2, now - campaign["days"] * DAY, limit - len(found)),
        )
        found += with_queues(tx, campaign["id"], rows)
        if len(found) >= limit:
            break
    return found


def with_queues(tx: Tx, campaign_id: int, rows: Sequence[Any]) -> list[Ended]:
    """Rows of messages that are over (their columns as in `_ROWS`), with the queues of their people."""
    queues: dict[int, dict[str, int]] = {}
    if rows:
        for row in tx.all(_QUEUES, (json.dumps([row["recipient_id"] for row in rows]),)):
            queues.setdefault(row["recipient_id"], {}).setdefault(row["channel"], row["queue_id"])
    return [
        Ended(
            row["id"], campaign_id, row["step_id"], row["position"], JobState(row["state"]), row["reason"],
            row["follow"] == 2, row["queue_id"], row["batch_id"], row["recipient_id"], row["address"], row["profile"],
            row["fields"], row["stopped"], row["accepted_at"], row["replied_at"], row["sent_at"], row["updated_at"],
            queues.get(row["recipient_id"], {}),
        )
        for row in rows
    ]  # fmt: skip


UNFOLLOWED = (
    "EXISTS (SELECT 1 FROM steps own JOIN steps later ON later.campaign_id = own.campaign_id "
    "AND later.position > own.position WHERE own.id = jobs.step_id AND NOT EXISTS (SELECT 1 FROM jobs n "
    "WHERE n.recipient_id = jobs.recipient_id AND n.step_id = later.id))"
)
"""Whether a step comes after this row of `jobs` of which its person has no message: what `follow` is when a message
that was over begins anew."""
_INSERT = (
    "INSERT INTO jobs (kind, queue_id, campaign_id, step_id, recipient_id, batch_id, state, reason, ready, priority, "
    "due_at, gap, last_error, error_key, message_id, follow, created_at, updated_at) "
    "SELECT 'send', ?, campaign_id, ?, recipient_id, batch_id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM jobs "
    "WHERE id = ? AND follow > 0 ON CONFLICT (recipient_id, step_id) DO NOTHING "
    "RETURNING queue_id, campaign_id, batch_id"
)
_ASKS = "SELECT 1 FROM jobs j JOIN campaigns c ON c.id = j.campaign_id WHERE j.id = ? AND c.approval = 'message'"
"""Whether each message of this job's campaign is to be approved."""
_AS_SEEN = (
    "SELECT 1 FROM jobs j JOIN recipients r ON r.id = j.recipient_id JOIN campaigns c ON c.id = j.campaign_id "
    "WHERE j.id = ? AND j.state = ? AND r.stopped = ? AND r.accepted_at IS ? AND r.replied_at IS ? "
    "AND c.state <> 'cancelled' AND (? IS NULL OR EXISTS (SELECT 1 FROM steps s WHERE s.id = ?)) "
    "AND ? IN (0, c.version)"
)


def follow(tx: Tx, what: Sequence[Following], now: int) -> int:
    """Write down what comes after each message; how many jobs were made. One that was dealt with meanwhile is left, and
    one that is not as it was seen (a reply, an acceptance, a cancel, an edit came between) is looked at again."""
    made = 0
    restored_at = _restored_at(tx)
    for one in what:
        if one.seen is not None and not _is_as_seen(tx, one, one.seen):
            continue
        if one.step_id is not None:
            made += _insert(tx, one, now, restored_at)
        tx.execute("UPDATE jobs SET follow = ? WHERE id = ? AND follow > 0", (2 if one.waits else 0, one.job_id))
    return made


def _is_as_seen(tx: Tx, one: Following, seen: Ended) -> bool:
    facts = (seen.state.value, seen.stopped, seen.accepted_at, seen.replied_at)
    return tx.one(_AS_SEEN, (one.job_id, *facts, one.step_id, one.step_id, one.version)) is not None


def note_restored(tx: Tx, at: int) -> None:
    """A backup was put back: what follows a message of it and was due before `at` (us) may have left already."""
    tx.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_RESTORED_AT, str(at)),
    )


def _restored_at(tx: Tx) -> int:
    row = tx.one("SELECT value FROM settings WHERE key = ?", (_RESTORED_AT,))
    return int(row["value"]) if row is not None else 0


def _insert(tx: Tx, one: Following, now: int, restored_at: int) -> int:
    state, reason, detail, error_key = "pending", "", "", ""
    asks = tx.one(_ASKS, (one.job_id,)) is not None
    newest = tx.one("SELECT COALESCE(max(id), 0) AS id FROM jobs")["id"] if asks else 0
    if one.skipped:
        state, reason = "skipped", one.skipped
    elif one.due_at <= restored_at:
        state, detail, error_key = "uncertain", f"{RESTORED}: it may have been sent after the backup", RESTORED
    elif one.held:
        state, reason, detail, error_key = "held", one.held, one.detail, f"held: {one.detail}"[:100]
    elif asks:
        state, reason = "held", approvals.WAITS
    ready = 1 if one.due_at <= now and state == "pending" else 0
    row = tx.one(
        _INSERT,
        (
            one.queue_id, one.step_id, state, reason, ready, one.priority, one.due_at, one.gap, detail, error_key,
            one.message_id, 1 if one.more else 0, now, now, one.job_id,
        ),
    )  # fmt: skip
    if row is None:
        return 0
    tx.count(row["queue_id"], row["campaign_id"], row["batch_id"], state, error_key, +1)
    if asks:
        approvals.open_new(tx, newest, now)
    tx.execute(
        "UPDATE batches SET total = total + 1, state = CASE WHEN state = 'done' THEN 'ready' ELSE state END, "
        "finished_at = CASE WHEN state = 'done' THEN NULL ELSE finished_at END WHERE id = ?",
        (row["batch_id"],),
    )
    return 1


_ACCEPTED = (
    "SELECT r.id, r.campaign_id, r.address, EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id "
    "AND j.queue_id = ?2 AND (j.state <> 'skipped' OR j.reason = 'already invited')) AS invited "
    "FROM recipients r WHERE r.accepted_at IS NULL AND r.profile IN "
    "(SELECT value FROM json_each(?1) UNION SELECT p.profile FROM profiles p INDEXED BY profiles_provider "
    "WHERE p.queue_id = ?2 AND p.provider_id <> '' AND p.provider_id IN (SELECT value FROM json_each(?1))) "
    "AND r.profile <> '' AND EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id AND j.queue_id = ?2 "
    "AND j.state IN ('completed', 'uncertain', 'skipped'))"
)


def note_accepted(tx: Tx, queue_id: int, profiles: Sequence[str], at: int, now: int) -> int:
    """These profiles (or the provider's ids of them) are connected with the account: whoever was invited through it
    has accepted. What waited for that goes on, what was meant for those who do not accept is skipped. Returns how many
    people that is news of."""
    wanted = json.dumps(list(profiles))
    people = tx.all(_ACCEPTED, (wanted, queue_id))
    for person in people:
        tx.execute("UPDATE recipients SET accepted_at = ? WHERE id = ?", (at, person["id"]))
        tx.execute("UPDATE jobs SET follow = 1 WHERE recipient_id = ? AND follow = 2", (person["id"],))
        skip_conditional(tx, person["id"], "not_accepted", "accepted", now)
        # Whom the look-up found connected was never asked.
        news = "accepted the invitation" if person["invited"] else "is connected already: counts as accepted"
        event = Event("invitation.accepted", f"{person['address']} {news}", campaign_id=person["campaign_id"])
        add_event(tx, event, now)
    return len(people)


def skip(tx: Tx, job: Any, reason: str, now: int) -> None:
    """An open job (row with its scope, state and error key) will not run."""
    tx.execute(
        "UPDATE jobs SET state = 'skipped', reason = ?, ready = 0, updated_at = ? WHERE id = ?",
        (reason, now, job["id"]),
    )
    tx.move([(job, job["state"], job["error_key"], "skipped", job["error_key"])])


_CONDITIONAL = (
    "SELECT j.id, j.state, j.error_key, j.queue_id, j.campaign_id, j.batch_id FROM jobs j "
    "JOIN steps s ON s.id = j.step_id WHERE j.recipient_id = ? AND j.state IN ('pending', 'held') "
    "AND instr(' ' || s.conditions || ' ', ' ' || ? || ' ') > 0"
)


def skip_conditional(tx: Tx, recipient_id: int, condition: str, reason: str, now: int) -> None:
    """Open messages of a person that ask for a `condition` which holds no more will not be sent."""
    for job in tx.all(_CONDITIONAL, (recipient_id, condition)):
        skip(tx, job, reason, now)


def stop_person(tx: Tx, recipient_id: int, why: str, now: int) -> int:
    """Write to this person no more in this campaign (`why`: replied, bounced, unsubscribed, suppressed): what is open
    is skipped. One in flight ends as it ends. Returns how many messages that spares."""
    tx.execute(
        "UPDATE recipients SET stopped = ?, stopped_at = ?, replied_at = CASE WHEN ? = 'replied' THEN "
        "COALESCE(replied_at, ?) ELSE replied_at END WHERE id = ? AND stopped = ''",
        (why, now, why, now, recipient_id),
    )
    jobs = tx.all(
        "SELECT id, state, error_key, queue_id, campaign_id, batch_id FROM jobs WHERE recipient_id = ? "
        "AND state IN ('pending', 'held')",
        (recipient_id,),
    )
    for job in jobs:
        skip(tx, job, why, now)
    return len(jobs)
