"""What keeps the books straight between sends: completion, the end of a cancel's grace, a word on what is uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage import alarms, approvals, cancels, firings, lanes, profiles, schedules, sequences, stages
from storage.campaign_states import GRACE_OVER
from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.executions import finish_executions
from storage.model import JobState
from storage.reader import DRIFT, KIND_DRIFT
from storage.recipients import SLICE
from storage.tx import Tx

_FOLLOWED = (
    "SELECT 1 FROM jobs INDEXED BY jobs_follow WHERE campaign_id = ? AND follow > 0 AND state <> 'uncertain' LIMIT 1"
)
"""Something is still to follow: a step that is to be planned, or one that waits for an acceptance."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Names of campaigns that were completed, how many batches ended, whether a stage of one began, and how many
    completed campaigns go on."""

    completed: tuple[str, ...]
    batches: int
    released: bool = False
    resumed: int = 0
    expires_at: int | None = None
    """When the next message that waits for approval expires (us; None: none does)."""


def settle(tx: Tx, now: int) -> Settled:
    """Complete campaigns and batches with nothing open, by their counters; skip a slice of what expired.

    A completed campaign with something open goes on: a retry or an import was cut short between its two commits.
    """
    resumed = tx.execute(
        "UPDATE campaigns SET state = 'active', completed_at = NULL, updated_at = ?, version = version + 1 "
        "WHERE state = 'completed' AND EXISTS (SELECT 1 FROM counters k "
        "WHERE k.campaign_id = campaigns.id AND k.n > 0 AND k.state IN ('pending', 'processing'))",
        (now,),
    ).rowcount
    approvals.hold_campaigns(tx, now)
    _, expires_at = approvals.expire(tx, now)
    completed = []
    for row in tx.all(
        "SELECT c.id, c.name, "
        "SUM(k.n) AS total, "
        "SUM(CASE WHEN k.state IN ('held', 'pending', 'processing') THEN k.n ELSE 0 END) AS open, "
        "SUM(CASE WHEN k.state IN ('completed', 'bounced') THEN k.n ELSE 0 END) AS sent, "
        "SUM(CASE WHEN k.state = 'failed' THEN k.n ELSE 0 END) AS failed, "
        "SUM(CASE WHEN k.state = 'uncertain' THEN k.n ELSE 0 END) AS uncertain "
        "FROM campaigns c JOIN counters k ON k.campaign_id = c.id "
        "WHERE c.state IN ('active', 'paused') AND c.replanning = 0 GROUP BY c.id, c.name"
    ):
        if not row["total"] or row["open"] or tx.one(_FOLLOWED, (row["id"],)):
            continue
        tx.execute(
            "UPDATE campaigns SET state = 'completed', pause_reason = '', pause_detail = '', completed_at = ?, "
            "updated_at = ?, version = version + 1 WHERE id = ?",
            (now, now, row["id"]),
        )
        text = f"campaign {row['name']} completed: {row['sent']} sent, {row['failed']} failed"
        if row["uncertain"]:
            text += f", {row['uncertain']} uncertain (they wait for your word)"
        finish_executions(tx, row["id"], "done", text, now)
        add_event(tx, Event("campaign.completed", text, campaign_id=row["id"], n=row["total"]), now)
        completed.append(row["name"])
    batches = tx.execute(
        "UPDATE batches SET state = 'done', finished_at = ? WHERE state = 'ready' AND NOT EXISTS "
        "(SELECT 1 FROM counters k WHERE k.batch_id = batches.id AND k.n > 0 "
        "AND k.state IN ('held', 'pending', 'processing'))",
        (now,),
    ).rowcount
    released = stages.advance(tx, now)
    alarms.end(tx, now)
    return Settled(tuple(completed), batches, released, resumed, expires_at)


def skip_cancelled(tx: Tx, now: int, grace: int) -> tuple[int, int | None]:
    """Turn open rows of campaigns cancelled longer than `grace` ago into `skipped`, at most one slice.

    Returns how many, and when the next cancel's grace ends (None: none waits). What is in flight finishes; its end is
    a reason to look again.
    """
    moved = 0
    for campaign in tx.all(
        "SELECT id, name FROM campaigns WHERE state = 'cancelled' AND before_cancel <> '' "
        "AND (cancelled_at <= ? OR before_cancel = ?)",
        (now - grace, GRACE_OVER),
    ):
        tx.execute(
            "UPDATE campaigns SET before_cancel = ? WHERE id = ? AND before_cancel <> ?",
            (GRACE_OVER, campaign["id"], GRACE_OVER),
        )
        rows = tx.all(
            "SELECT id, state, queue_id, campaign_id, batch_id, error_key FROM jobs "
            "WHERE campaign_id = ? AND state = 'pending' UNION ALL "
            "SELECT id, state, queue_id, campaign_id, batch_id, error_key FROM jobs "
            "WHERE campaign_id = ? AND state = 'held' LIMIT ?",
            (campaign["id"], campaign["id"], SLICE - moved),
        )
        for row in rows:
            key = (row["queue_id"], row["campaign_id"], row["batch_id"])
            tx.count(*key, row["state"], row["error_key"], -1)
            tx.count(*key, "skipped", row["error_key"], +1)
        tx.executemany(
            "UPDATE jobs SET state = 'skipped', reason = 'cancelled', ready = 0, updated_at = ? WHERE id = ?",
            [(now, row["id"]) for row in rows],
        )
        moved += len(rows)
        if moved < SLICE:
            busy = tx.one(
                "SELECT 1 FROM jobs INDEXED BY jobs_lease WHERE state = 'processing' AND campaign_id = ? LIMIT 1",
                (campaign["id"],),
            )
            if busy is None:
                tx.execute("UPDATE campaigns SET before_cancel = '' WHERE id = ?", (campaign["id"],))
        if moved >= SLICE:
            break
    if moved >= SLICE:
        return moved, now
    row = tx.one(
        "SELECT min(cancelled_at) AS at FROM campaigns WHERE state = 'cancelled' AND before_cancel NOT IN ('', ?)",
        (GRACE_OVER,),
    )
    return moved, None if row["at"] is None else max(row["at"] + grace, now)


def runnable(tx: Tx, queue_ids: Sequence[int], stuck: frozenset[int], now: int) -> int:
    """How many jobs of these queues can still run without a person: pending or in flight in an active campaign or as
    background work, not behind a pause, a queue that waits for somebody, or a stage of a batch that ended badly.
    Cancels in their grace period count as one each, as does a next step that is still to be planned, but not of the
    campaigns `stuck`. So does what schedules make now."""
    paused = tx.one("SELECT 1 FROM settings WHERE key = 'paused' AND value = '1'") is not None
    marks = ", ".join("?" * len(queue_ids))
    row = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN k.state = 'processing' THEN k.n "
        "WHEN ? = 0 AND c.state = 'active' AND q.state IN ('ready', 'cooling', 'probing') THEN k.n "
        "ELSE 0 END), 0) AS n "
        "FROM counters k JOIN campaigns c ON c.id = k.campaign_id JOIN queues q ON q.id = k.queue_id "
        f"WHERE k.state IN ('pending', 'processing') AND q.id IN ({marks})",
        (int(paused), *queue_ids),
    )
    work = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN k.state = 'processing' THEN k.n WHEN ? = 0 AND q.state = 'ready' THEN k.n "
        "ELSE 0 END), 0) AS n FROM counters k JOIN queues q ON q.id = k.queue_id "
        f"WHERE k.campaign_id = 0 AND k.state IN ('pending', 'processing') AND q.id IN ({marks})",
        (int(paused), *queue_ids),
    )
    graces = tx.one("SELECT count(*) AS n FROM campaigns WHERE state = 'cancelled' AND before_cancel <> ''")
    stuck_stages = stages.blocked(tx)
    return (
        int(row["n"])
        + int(work["n"])
        - stuck_stages
        + int(graces["n"])
        + cancels.graces(tx)
        + sequences.any_ended(tx, stuck)
        + schedules.any_due(tx, now)
        + len(firings.waiting(tx))
    )


def resolve(tx: Tx, job_id: int, *, sent: bool, now: int) -> int | None:
    """A person's word on an uncertain message: it was sent, or send it again knowing that it may be a duplicate.
    Returns its campaign."""
    state = JobState.COMPLETED if sent else JobState.PENDING
    row = tx.one(
        "SELECT j.state, j.error_key, j.queue_id, j.campaign_id, c.name AS campaign, c.state AS campaign_state "
        "FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id WHERE j.id = ?",
        (job_id,),
    )
    if row is None or row["state"] != "uncertain":
        raise RefusedError(f"job {job_id} is not uncertain", hint="see `paceline job show`")
    done = state is JobState.COMPLETED
    if not done and row["campaign_state"] == "cancelled":
        raise RefusedError(
            f"campaign '{row['campaign']}' is cancelled: job {job_id} cannot be sent again",
            hint="say that it was sent, or leave it; a new campaign can reach this person",
        )
    queue_id = row["queue_id"] if done else lanes.home(tx, row["campaign_id"], row["queue_id"])
    scope = tx.one(
        "UPDATE jobs SET state = ?, queue_id = ?, sent_at = CASE WHEN ? = 1 THEN "
        "COALESCE((SELECT max(intent_at) FROM attempts a WHERE a.job_id = jobs.id), due_at) ELSE sent_at END, "
        "ready = 0, due_at = CASE WHEN ? = 1 THEN due_at ELSE ? END, "
        "tries = 0, budget_at = NULL, error_key = CASE WHEN ? = 1 THEN '' ELSE error_key END, "
        # What was said of a doubt that is over; the attempt keeps the words.
        "last_error = CASE WHEN ? = 1 THEN '' ELSE last_error END, updated_at = ? "
        "WHERE id = ? RETURNING campaign_id, batch_id",
        (state.value, queue_id, done, done, now, done, done, now, job_id),
    )
    key = (scope["campaign_id"], scope["batch_id"])
    tx.count(row["queue_id"], *key, "uncertain", row["error_key"], -1)
    tx.count(queue_id, *key, state.value, row["error_key"], +1)
    if not done:
        approvals.ask(tx, [job_id], now)
        profiles.forget(tx, row["queue_id"], job_id)
        tx.execute(
            "UPDATE batches SET state = 'ready', finished_at = NULL WHERE id = ? AND state = 'done'",
            (scope["batch_id"],),
        )
    return int(scope["campaign_id"]) if scope["campaign_id"] is not None else None


def recount(tx: Tx) -> list[tuple[int, int, int, str, str, int, int]]:
    """Where the counters differ from a recount of the job rows: (campaign id or 0, batch id, queue id, state, error
    key, counter, rows)."""
    return [tuple(row) for row in tx.all(DRIFT)]


def recount_kinds(tx: Tx) -> list[tuple[str, str, int, int]]:
    """The same of background jobs by kind: (kind, state, counter, rows)."""
    return [tuple(row) for row in tx.all(KIND_DRIFT)]
