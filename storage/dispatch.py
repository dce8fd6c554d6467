"""The path of one job through the store: promote, claim, gate, finish. The hot statements of Paceline.

Each function runs inside the Writer's transaction. Only a job's holder may finish it: every claim raises the
job's `lease`, and a completion with an older lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.model import HOUR, ClaimedJob, JobState, OutcomeClass, QueueState
from storage.writer import Tx

PROMOTE_SLICE = 1_000


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a runner asks for.

    `room`: free slots of the queue. `busy`: jobs in flight by campaign id. `starting`: campaigns with a claimed
    job whose intent is not yet written, so that a gap is always measured from a real start. `min_gap`: the
    queue's minimum gap in microseconds.
    """

    queue_id: int
    room: int
    now: int
    lease_until: int
    busy: Mapping[int | None, int] = field(default_factory=dict)
    starting: frozenset[int | None] = frozenset()
    min_gap: int = 0
    peek: bool = False
    """Only look: `Claim.available` says how many could begin; nothing is taken (before a first connection)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`jobs` now under lease; `next_at`: the earliest time at which a gap or a cooling would let more begin
    (None: only a change can). `queue_state` as seen in the same transaction."""

    jobs: tuple[ClaimedJob, ...]
    next_at: int | None
    queue_state: QueueState
    blocked_by: str = ""
    available: int = 0
    cooling_step: int = 0


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """Ask the gate. `caps` are (n, period in microseconds): at most n counted intents in any such period."""

    job_id: int
    lease: int
    epoch: int
    now: int
    min_gap: int = 0
    caps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """`attempt_id` when granted; otherwise `refused` names the gate that closed and `retry_at` when to ask
    again (None: when something changes)."""

    attempt_id: int | None
    refused: str = ""
    retry_at: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of one attempt (or of a claim that never became one: `attempt_id` None)."""

    job_id: int
    lease: int
    attempt_id: int | None
    now: int
    state: JobState
    intent_at: int | None = None
    due_at: int | None = None
    reason: str = ""
    counts_try: bool = True
    outcome: OutcomeClass | None = None
    phase: str = ""
    code: int = 0
    enhanced: str = ""
    reply: str = ""
    error_key: str = ""
    server: str = ""
    duration: int = 0
    content_sent: bool = False


_PAUSED = "COALESCE((SELECT value FROM settings WHERE key = 'paused'), '0') = '1' AS paused"
_QUEUE = f"SELECT state, until_at, last_start, cooling_step, {_PAUSED} FROM queues WHERE id = ?"
_LANES = (
    "SELECT id, concurrency, last_start, live FROM campaigns "
    "WHERE queue_id = ? AND state = 'active' AND replanning = 0 ORDER BY priority DESC, last_start, id"
)
_HEADS = (
    "SELECT j.id, j.lease, j.kind, j.queue_id, j.campaign_id, j.step_id, j.batch_id, j.recipient_id, j.message_id, "
    "j.tries, j.budget_at, j.due_at, j.error_key, j.gap, r.address, r.fields "
    "FROM jobs j INDEXED BY jobs_claim LEFT JOIN recipients r ON r.id = j.recipient_id "
    "WHERE j.queue_id = ? AND j.campaign_id = ? AND j.state = 'pending' AND j.ready = 1 "
    "ORDER BY j.priority DESC, j.due_at, j.id LIMIT ?"
)
_TAKE = (
    "UPDATE jobs SET state = 'processing', lease = lease + 1, lease_until = ?, updated_at = ? "
    "WHERE id = ? AND state = 'pending'"
)


def claim(tx: Tx, request: ClaimRequest) -> Claim:
    """Take the jobs of one queue that may start now, in order, and put them under a lease.

    A lane is a campaign's part of the queue. Within a lane the head goes first, and a head that waits for its
    gap holds its lane: order is never changed for speed. Lanes of one priority take turns.
    """
    now = request.now
    queue = tx.one(_QUEUE, (request.queue_id,))
    if queue["last_start"] > now:
        _forget_future_starts(tx, request.queue_id, now)
        queue = tx.one(_QUEUE, (request.queue_id,))
    state = QueueState(queue["state"])
    room = request.room
    if state is QueueState.COOLING and queue["until_at"] <= now:
        tx.execute(
            "UPDATE queues SET state = 'probing', until_at = NULL, updated_at = ?, version = version + 1 WHERE id = ?",
            (now, request.queue_id),
        )
        state = QueueState.PROBING
    if state is QueueState.COOLING:
        return Claim((), queue["until_at"], state, "cooling", 0, queue["cooling_step"])
    if state is QueueState.PROBING:
        room = 0 if any(request.busy.values()) else min(room, 1)
    elif state is not QueueState.READY:
        return Claim((), None, state, state.value)
    if queue["paused"]:
        return Claim((), None, state, "engine paused")
    if request.min_gap:
        if request.starting:
            return Claim((), None, state, "gap")
        next_at = _after(queue["last_start"], request.min_gap, now)
        if next_at > now:
            return Claim((), next_at, state, "gap")
        room = min(room, 1)
    if room <= 0:
        return Claim((), None, state, "concurrency")
    return _claim_lanes(tx, request, room, state, queue["cooling_step"])


def _claim_lanes(tx: Tx, request: ClaimRequest, room: int, state: QueueState, cooling_step: int) -> Claim:
    jobs: list[ClaimedJob] = []
    available = 0
    next_at: int | None = None
    taken: dict[int, int] = {}
    lanes = tx.all(_LANES, (request.queue_id,))
    if any(lane["last_start"] > request.now for lane in lanes):
        _forget_future_starts(tx, request.queue_id, request.now)
        lanes = tx.all(_LANES, (request.queue_id,))
    # Two passes: an even share first, so that one large campaign cannot fill every slot, then what is left.
    for share in (max(1, room // max(1, len(lanes))), room):
        for lane in lanes:
            free = min(
                share,
                room - available,
                lane["concurrency"] - request.busy.get(lane["id"], 0) - taken.get(lane["id"], 0),
            )
            if free <= 0:
                continue
            got, lane_next = _claim_lane(tx, request, lane, free, bool(taken.get(lane["id"])))
            taken[lane["id"]] = taken.get(lane["id"], 0) + len(got)
            available += len(got)
            if got and not request.peek:
                jobs += _take(tx, got, lane, request)
            if lane_next is not None:
                next_at = lane_next if next_at is None else min(next_at, lane_next)
        if available >= room or len(lanes) <= 1 or request.peek:
            break
    blocked_by = "" if available or next_at is None else "gap"
    return Claim(tuple(jobs), next_at, state, blocked_by, available, cooling_step)


def _claim_lane(tx: Tx, request: ClaimRequest, lane: Any, free: int, gap_used: bool) -> tuple[list[Any], int | None]:
    """The rows of one lane that may begin now, and when its head's gap is over (None: no gap holds it)."""
    now = request.now
    jobs: list[Any] = []
    last_start = lane["last_start"]
    gap_used = gap_used or lane["id"] in request.starting
    for head in tx.all(_HEADS, (request.queue_id, lane["id"], free)):
        if head["gap"]:
            opens = max(head["due_at"], _after(last_start, head["gap"], now))
            if opens > now:
                return jobs, opens
            if gap_used:
                return jobs, None
            gap_used = True
        jobs.append(head)
        last_start = now
    return jobs, None


def _take(tx: Tx, rows: list[Any], lane: Any, request: ClaimRequest) -> list[ClaimedJob]:
    """Put these rows under a new lease. The Writer is the only one who writes, so what was read still holds."""
    tx.executemany(_TAKE, [(request.lease_until, request.now, row["id"]) for row in rows])
    for row in rows:
        scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
        tx.count(*scope, "pending", row["error_key"], -1)
        tx.count(*scope, "processing", "", +1)
    return [
        ClaimedJob(
            id=row["id"],
            lease=row["lease"] + 1,
            kind=row["kind"],
            queue_id=row["queue_id"],
            campaign_id=row["campaign_id"],
            step_id=row["step_id"],
            batch_id=row["batch_id"],
            recipient_id=row["recipient_id"],
            address=row["address"] or "",
            fields=row["fields"] or "{}",
            message_id=row["message_id"],
            tries=row["tries"],
            budget_at=row["budget_at"],
            due_at=row["due_at"],
            live=bool(lane["live"]),
        )
        for row in rows
    ]


def _after(last: int, gap: int, now: int) -> int:
    """When a gap after `last` has passed; 0 when nothing was ever started."""
    return 0 if last == 0 else min(last, now) + gap


def _forget_future_starts(tx: Tx, queue_id: int, now: int) -> None:
    """After a clock step backwards a start in the future counts as now, once: the gap runs from here."""
    tx.execute("UPDATE queues SET last_start = ? WHERE id = ? AND last_start > ?", (now, queue_id, now))
    tx.execute("UPDATE campaigns SET last_start = ? WHERE queue_id = ? AND last_start > ?", (now, queue_id, now))


_GATE = (
    f"SELECT {_PAUSED}, j.id, j.state, j.lease, j.queue_id, j.campaign_id, j.batch_id, j.attempts, j.gap, j.error_key, "
    "q.state AS queue_state, q.last_start AS queue_start, c.state AS campaign_state, c.last_start, "
    "c.replanning, r.stopped FROM jobs j JOIN queues q ON q.id = j.queue_id "
    "LEFT JOIN campaigns c ON c.id = j.campaign_id LEFT JOIN recipients r ON r.id = j.recipient_id WHERE j.id IN "
)
_NTH = "SELECT intent_at FROM attempts WHERE queue_id = ? AND counted = 1 ORDER BY intent_at DESC LIMIT 1 OFFSET ?"


def begin_attempts(tx: Tx, requests: list[IntentRequest]) -> list[Intent]:
    """The gate: write durable intents, or refuse. What left before this commit can be repeated; nothing after.

    A refused job goes back to `pending` in the same transaction (to `skipped` when its person must not be contacted
    any more); a lost lease changes nothing.
    """
    rows = _by_id(tx, _GATE, [request.job_id for request in requests])
    return [_begin(tx, rows.get(request.job_id), request) for request in requests]


def _begin(tx: Tx, row: Any, request: IntentRequest) -> Intent:
    if row is None or row["lease"] != request.lease or row["state"] != "processing":
        return Intent(None, "lease")
    refused, retry_at = _closed_gate(tx, row, request)
    if refused:
        _return(tx, row, request, refused)
        return Intent(None, refused, retry_at)
    attempt = tx.insert(
        "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at) VALUES (?, ?, ?, ?, ?, ?)",
        (request.job_id, request.lease, row["attempts"] + 1, row["queue_id"], request.epoch, request.now),
    )
    tx.started(row["queue_id"], row["campaign_id"], row["batch_id"], request.now)
    if request.min_gap or row["gap"]:
        tx.flush_starts()
    return Intent(attempt)


def _by_id(tx: Tx, select: str, ids: list[int]) -> dict[int, Any]:
    """Rows by `id` for a SELECT that ends in `IN `; read at once, since only the Writer changes them."""
    marks = ", ".join("?" * len(ids))
    return {row["id"]: row for row in tx.all(f"{select}({marks})", ids)}


def _closed_gate(tx: Tx, row: Any, request: IntentRequest) -> tuple[str, int | None]:
    """Which gate is closed ("" for none) and when it opens."""
    now = request.now
    if row["stopped"]:
        return f"recipient {row['stopped']}", None
    if row["campaign_state"] not in (None, "active") or row["replanning"]:
        return f"campaign {row['campaign_state']}", None
    if row["queue_state"] not in ("ready", "probing"):
        return f"queue {row['queue_state']}", None
    if row["paused"]:
        return "engine paused", None
    if request.min_gap:
        opens = _after(row["queue_start"], request.min_gap, now)
        if opens > now:
            return "gap", opens
    if row["gap"] and row["last_start"]:
        opens = _after(row["last_start"], row["gap"], now)
        if opens > now:
            return "gap", opens
    for n, period in request.caps:
        nth = tx.one(_NTH, (row["queue_id"], n - 1))
        if nth is not None:
            opens = min(nth["intent_at"], now) + period
            if opens > now:
                return "cap", opens
    return "", None


def _return(tx: Tx, row: Any, request: IntentRequest, refused: str) -> None:
    scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
    tx.count(*scope, "processing", "", -1)
    if row["stopped"]:
        tx.execute(
            "UPDATE jobs SET state = 'skipped', reason = ?, ready = 0, lease_until = NULL, updated_at = ? WHERE id = ?",
            (row["stopped"], request.now, request.job_id),
        )
        tx.count(*scope, "skipped", row["error_key"], +1)
        return
    tx.execute(
        "UPDATE jobs SET state = 'pending', lease_until = NULL, updated_at = ? WHERE id = ?",
        (request.now, request.job_id),
    )
    tx.count(*scope, "pending", row["error_key"], +1)


_HELD_BY = "SELECT id, state, lease, queue_id, campaign_id, batch_id FROM jobs WHERE id IN "
_FINISH = (
    "UPDATE jobs SET state = ?, reason = ?, ready = 0, lease_until = NULL, due_at = COALESCE(?, due_at), "
    "attempts = attempts + ?, tries = tries + ?, budget_at = COALESCE(budget_at, ?), outcome = ?, error_key = ?, "
    "last_error = ?, sent_at = COALESCE(?, sent_at), updated_at = ? WHERE id = ? AND lease = ? AND state = 'processing'"
)
_CLOSE_ATTEMPT = (
    "UPDATE attempts SET finished_at = ?, outcome = ?, phase = ?, code = ?, enhanced = ?, reply = ?, "
    "error_key = ?, server = ?, duration = ?, counted = ? WHERE id = ? AND lease = ? AND outcome IS NULL"
)
_FAILURE_HOUR = (
    "INSERT INTO failure_hours (error_key, campaign_id, queue_id, outcome, hour, n, first_at, last_at, sample) "
    "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT (error_key, campaign_id, queue_id, outcome, hour) "
    "DO UPDATE SET n = n + 1, last_at = excluded.last_at, sample = excluded.sample"
)


def finish_attempt(tx: Tx, end: Finish) -> bool:
    """Record what became of one claim; see `finish_attempts`."""
    return finish_attempts(tx, [end])[0]


def finish_attempts(tx: Tx, ends: list[Finish]) -> list[bool]:
    """Record what became of claims. False: the lease was lost meanwhile, and nothing was changed."""
    rows = _by_id(tx, _HELD_BY, [end.job_id for end in ends])
    answers: list[bool] = []
    held: list[tuple[Finish, Any]] = []
    for end in ends:
        row = rows.get(end.job_id)
        ours = row is not None and row["lease"] == end.lease and row["state"] == "processing"
        answers.append(ours)
        if ours:
            held.append((end, rows.pop(end.job_id)))
    tx.executemany(_FINISH, [_finished(end) for end, _ in held])
    attempted = [(end, row) for end, row in held if end.attempt_id is not None and end.outcome is not None]
    tx.executemany(_CLOSE_ATTEMPT, [_closed(end) for end, _ in attempted])
    for end, row in held:
        scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
        tx.count(*scope, "processing", "", -1)
        tx.count(*scope, end.state.value, end.error_key, +1)
    for end, row in attempted:
        outcome = end.outcome.value if end.outcome else ""
        tx.minute(end.now, row["campaign_id"], row["queue_id"], outcome, end.duration)
        if end.error_key:
            where = (end.error_key, row["campaign_id"] or 0, row["queue_id"], outcome, end.now // HOUR)
            tx.execute(_FAILURE_HOUR, (*where, end.now, end.now, end.reply))
    return answers


def _finished(end: Finish) -> tuple[Any, ...]:
    attempted = end.attempt_id is not None
    return (
        end.state.value,
        end.reason,
        end.due_at,
        1 if attempted else 0,
        1 if attempted and end.counts_try else 0,
        end.intent_at,
        end.outcome.value if end.outcome else "",
        end.error_key,
        end.reply if end.error_key else "",
        end.now if end.state is JobState.COMPLETED else None,
        end.now,
        end.job_id,
        end.lease,
    )


def _closed(end: Finish) -> tuple[Any, ...]:
    return (
        end.now,
        end.outcome.value if end.outcome else None,
        end.phase,
        end.code,
        end.enhanced,
        end.reply,
        end.error_key,
        end.server,
        end.duration,
        1 if end.content_sent else 0,
        end.attempt_id,
        end.lease,
    )


def promote(tx: Tx, now: int) -> tuple[int, int | None]:
    """Flag due rows, at most one slice; returns how many, and when the next one is due (None: none waits)."""
    moved = tx.execute(
        "UPDATE jobs SET ready = 1 WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_promote "
        "WHERE state = 'pending' AND ready = 0 AND due_at <= ? ORDER BY due_at LIMIT ?)",
        (now, PROMOTE_SLICE),
    ).rowcount
    row = tx.one("SELECT min(due_at) AS due_at FROM jobs INDEXED BY jobs_promote WHERE state = 'pending' AND ready = 0")
    return moved, row["due_at"]


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many claims without an intent went back to `pending`, and how many became `uncertain`."""

    requeued: int
    uncertain: int


def rescue(tx: Tx, now: int, *, everything: bool) -> Rescued:
    """Settle claims whose holder is gone: all of them at start (`everything`), later those whose lease ran out.

    Without an intent of its lease nothing can have left: back to `pending`. With one and no outcome the message
    may have left: `uncertain`, and nothing automatic ever retries it.
    """
    rows = tx.all(
        "SELECT j.id, j.lease, j.queue_id, j.campaign_id, j.batch_id, j.error_key, "
        "a.id AS attempt_id, a.intent_at "
        "FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.lease = j.lease AND a.outcome IS NULL "
        "WHERE j.state = 'processing' AND (? = 1 OR j.lease_until < ?) ORDER BY j.id LIMIT 1000",
        (1 if everything else 0, now),
    )
    uncertain = 0
    for row in rows:
        if row["attempt_id"] is None:
            tx.execute(
                "UPDATE jobs SET state = 'pending', ready = 1, lease = lease + 1, lease_until = NULL, updated_at = ? "
                "WHERE id = ?",
                (now, row["id"]),
            )
            scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
            tx.count(*scope, "processing", "", -1)
            tx.count(*scope, "pending", row["error_key"], +1)
            continue
        uncertain += 1
        finish_attempt(
            tx,
            Finish(
                job_id=row["id"],
                lease=row["lease"],
                attempt_id=row["attempt_id"],
                now=now,
                intent_at=row["intent_at"],
                state=JobState.UNCERTAIN,
                outcome=OutcomeClass.UNCERTAIN,
                phase="content",
                reply="the engine ended between the intent and the server's reply: sent or not is not known",
                error_key=DIED,
                content_sent=True,
            ),
        )
    return Rescued(len(rows) - uncertain, uncertain)


DIED = "engine ended while sending"
"""The error key of jobs that a dead engine left inside the send window."""


def hand_back(tx: Tx, jobs: tuple[tuple[int, int], ...], now: int) -> int:
    """Return claims that never began (a drain, a lost connection): (job id, lease) pairs. Returns how many."""
    returned = 0
    for job_id, lease in jobs:
        row = tx.one(
            "UPDATE jobs SET state = 'pending', ready = 1, lease_until = NULL, updated_at = ? WHERE id = ? "
            "AND lease = ? AND state = 'processing' AND NOT EXISTS "
            "(SELECT 1 FROM attempts a WHERE a.job_id = jobs.id AND a.lease = jobs.lease) "
            "RETURNING queue_id, campaign_id, batch_id, error_key",
            (now, job_id, lease),
        )
        if row is not None:
            returned += 1
            scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
            tx.count(*scope, "processing", "", -1)
            tx.count(*scope, "pending", row["error_key"], +1)
    return returned
