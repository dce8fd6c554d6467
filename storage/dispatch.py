"""How a job is taken: due rows are promoted, a runner claims what may start now under a lease that only grows.

The next steps of its path stand in `storage.gate` (the durable intent) and `storage.endings` (its outcome). Each
function runs inside the Writer's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.model import SECOND, ClaimedJob, JobState, OutcomeClass, QueueState
from storage.writer import Tx

PROMOTE_SLICE = 1_000

STEP_BACK = SECOND
"""A start further in the future than this says that the clock was set back. Less is the same moment: the starts of a
commit are younger than the claims that were asked for while it was gathered."""


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
    begin: Callable[[ClaimedJob], IntentRequest | None] | None = None
    """Asked of each claimed job in the claim's own transaction: the intent to write with it, or None to leave it
    claimed only. It must not raise, and may be asked again when the transaction has to be run again."""


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
    intents: Mapping[int, Intent] = field(default_factory=dict)
    """The gate's answers by job id, for those whose intent was asked for with the claim."""


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """Ask the gate. `caps` are (n, period in microseconds): at most n counted intents in any such period."""

    job_id: int
    lease: int
    epoch: int
    now: int
    min_gap: int = 0
    caps: tuple[tuple[int, int], ...] = ()
    server: str = ""
    """Where the content will go: kept with the intent, so that an engine that dies leaves it known."""


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


PAUSED = "COALESCE((SELECT value FROM settings WHERE key = 'paused'), '0') = '1' AS paused"
_QUEUE = f"SELECT state, until_at, last_start, cooling_step, {PAUSED} FROM queues WHERE id = ?"
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
    if queue["last_start"] > now + STEP_BACK:
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
        next_at = after(queue["last_start"], request.min_gap, now)
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
    if any(lane["last_start"] > request.now + STEP_BACK for lane in lanes):
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
            opens = max(head["due_at"], after(last_start, head["gap"], now))
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
    tx.move((row, "pending", row["error_key"], "processing", "") for row in rows)
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


def after(last: int, gap: int, now: int) -> int:
    """When a gap after `last` has passed; 0 when nothing was ever started."""
    return 0 if last == 0 else min(last, now) + gap


def _forget_future_starts(tx: Tx, queue_id: int, now: int) -> None:
    """After a clock step backwards a start in the future counts as now, once: gaps and caps run from here."""
    tx.execute("UPDATE queues SET last_start = ? WHERE id = ? AND last_start > ?", (now, queue_id, now))
    tx.execute("UPDATE campaigns SET last_start = ? WHERE queue_id = ? AND last_start > ?", (now, queue_id, now))
    tx.execute("UPDATE attempts SET counted_at = ? WHERE queue_id = ? AND counted_at > ?", (now, queue_id, now))


def promote(tx: Tx, now: int) -> tuple[int, int | None]:
    """Flag due rows, at most one slice; returns how many, and when the next one is due (None: none waits)."""
    moved = tx.execute(
        "UPDATE jobs SET ready = 1 WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_promote "
        "WHERE state = 'pending' AND ready = 0 AND due_at <= ? ORDER BY due_at LIMIT ?)",
        (now, PROMOTE_SLICE),
    ).rowcount
    row = tx.one("SELECT min(due_at) AS due_at FROM jobs INDEXED BY jobs_promote WHERE state = 'pending' AND ready = 0")
    return moved, row["due_at"]
