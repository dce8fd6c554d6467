"""Background jobs in the store: made, claimed by priority and age, ended. Each function runs inside the Writer's
transaction.

A background job is a row of `jobs` like a message, without a campaign; what only it has stands in `tasks`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.dispatch import PAUSED
from storage.endings import FAILURE_HOUR
from storage.model import HOUR, Effect, JobState, OutcomeClass

if TYPE_CHECKING:
    from storage.tx import Tx

CHANNEL = "jobs"
"""The channel of a queue that holds background jobs."""
HIGHEST = 10
LOWEST = 1
STAGED = 3
"""`jobs.ready` of a job that waits for an earlier stage of its batch."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """One background job to be made. `due_at`, `timeout` in microseconds; `retries` after the first try. `stage`: its
    place in a batch of stages (0: none). With a `unique_key` it is made only when no open job has that key."""

    kind: str
    queue_id: int
    due_at: int
    payload: str = "{}"
    priority: int = 5
    effect: str = Effect.REPEATABLE.value
    retries: int = 3
    timeout: int = 300_000_000
    stage: int = 0
    unique_key: str = ""
    origin: str = "manual"
    held: str = ""
    """Why it waits for a person ("" when it does not)."""


@dataclass(frozen=True, slots=True)
class Made:
    """`id`: the job; `new`: False when an open one had the same key."""

    id: int
    new: bool


@dataclass(slots=True)
class ClaimedTask:
    """A background job under a lease. `tries`: failed tries in the present budget; `attempt_id`: the intent of one that
    must not run twice (None: it has none); `started_at` in microseconds."""

    id: int
    lease: int
    kind: str
    queue_id: int
    batch_id: int
    payload: str
    effect: str
    timeout: int
    retries: int
    tries: int
    attempts: int
    origin: str
    error_key: str
    started_at: int
    attempt_id: int | None = None


@dataclass(slots=True)
class TaskClaim:
    """Ask for background jobs of one queue: at most `room`. A job gains a step of priority for each `ageing` (us) that
    it waits (0: none does)."""

    queue_id: int
    room: int
    now: int
    lease_until: int
    ageing: int
    epoch: int


@dataclass(slots=True)
class TaskEnd:
    """How a run ended. `result`: what it gave, as JSON; `flag`: why a person should look at it although it succeeded;
    `counts_try`: it used up a try; `due_at`: when the next one is due (us)."""

    task: ClaimedTask
    now: int
    state: JobState
    outcome: OutcomeClass
    due_at: int | None = None
    reason: str = ""
    error_key: str = ""
    error: str = ""
    result: str = ""
    flag: str = ""
    counts_try: bool = True


_OPEN_WITH_KEY = (
    "SELECT t.job_id FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.unique_key = ? "
    "AND j.state IN ('held', 'pending', 'processing') LIMIT 1"
)
_NEW_JOB = (
    "INSERT INTO jobs (kind, queue_id, batch_id, state, reason, ready, priority, due_at, last_error, error_key, "
    "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_NEW_TASK = (
    "INSERT INTO tasks (job_id, payload, effect, retries, timeout, stage, unique_key, origin) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def add(tx: Tx, batch_id: int, tasks: Sequence[NewTask], now: int, *, loading: bool = False) -> list[Made]:
    """Make one slice of background jobs under a batch. While the batch is `loading` nobody can claim them; later stages
    of a batch wait for the earlier ones."""
    made: list[Made] = []
    rows: list[tuple[Any, ...]] = []
    counts: Counter[tuple[int, str, str]] = Counter()
    for task in tasks:
        if task.unique_key and (known := tx.one(_OPEN_WITH_KEY, (task.unique_key,))) is not None:
            made.append(Made(known["job_id"], False))
            continue
        state = JobState.HELD if task.held else JobState.PENDING
        key = f"held: {task.held}"[:100] if task.held else ""
        ready = 2 if loading else STAGED if task.stage > 1 else 1 if task.due_at <= now and not task.held else 0
        job_id = tx.insert(
            _NEW_JOB,
            (task.kind, task.queue_id, batch_id, state.value, task.held and "configuration", ready, task.priority,
             task.due_at, task.held, key, now, now),
        )  # fmt: skip
        row = (
            job_id, task.payload, task.effect, task.retries, task.timeout, task.stage, task.unique_key, task.origin
        )  # fmt: skip
        if task.unique_key:
            tx.execute(_NEW_TASK, row)
        else:
            rows.append(row)
        counts[task.queue_id, state.value, key] += 1
        made.append(Made(job_id, True))
    tx.executemany(_NEW_TASK, rows)
    n = sum(one.new for one in made)
    tx.execute("UPDATE batches SET total = total + ? WHERE id = ?", (n, batch_id))
    for (queue_id, job_state, error_key), some in counts.items():
        tx.count(queue_id, None, batch_id, job_state, error_key, some)
    return made


_QUEUE = f"SELECT state, {PAUSED} FROM queues WHERE id = ?"
_HEADS = (
    "SELECT id, due_at FROM jobs INDEXED BY jobs_claim WHERE queue_id = ? AND campaign_id IS NULL AND priority = ? "
    "AND state = 'pending' AND ready = 1 ORDER BY due_at, id LIMIT ?"
)
_TAKE = (
    "UPDATE jobs SET state = 'processing', reason = '', lease = lease + 1, lease_until = ?, updated_at = ? "
    "WHERE state = 'pending' AND id IN "
)
_TAKEN = (
    "SELECT j.id, j.lease, j.kind, j.queue_id, j.campaign_id, j.batch_id, j.tries, j.attempts, j.error_key, "
    "t.payload, t.effect, t.timeout, t.retries, t.origin FROM jobs j JOIN tasks t ON t.job_id = j.id WHERE j.id IN "
)
_INTENT = (
    "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, server) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def claim(tx: Tx, request: TaskClaim) -> list[ClaimedTask]:
    """Take the background jobs of one queue that go first, and put them under a lease. One that must not run twice gets
    its intent in the same transaction: whatever happens to its engine, it is known that it may have run."""
    queue = tx.one(_QUEUE, (request.queue_id,))
    if request.room <= 0 or queue["state"] != "ready" or queue["paused"]:
        return []
    ids = _first(tx, request)
    if not ids:
        return []
    marks = f"({', '.join('?' * len(ids))})"
    tx.execute(f"{_TAKE}{marks}", (request.lease_until, request.now, *ids))
    rows = {row["id"]: row for row in tx.all(f"{_TAKEN}{marks}", ids)}
    tx.move((row, "pending", row["error_key"], "processing", "") for row in rows.values())
    claimed = []
    for job_id in ids:
        task = _claimed(rows[job_id], request.now)
        if task.effect == Effect.UNREPEATABLE:
            task.attempt_id = tx.insert(
                _INTENT,
                (task.id, task.lease, task.attempts + 1, task.queue_id, request.epoch, request.now, task.kind),
            )
        claimed.append(task)
    tx.starts["queues", request.queue_id] = request.now
    for batch_id in {task.batch_id for task in claimed}:
        tx.started(request.queue_id, None, batch_id, request.now)
    return claimed


def _first(tx: Tx, request: TaskClaim) -> list[int]:
    """The ids that go first: by priority as waiting has raised it, then by due time."""
    waiting: list[tuple[int, int, int]] = []
    for priority in range(HIGHEST, LOWEST - 1, -1):
        for row in tx.all(_HEADS, (request.queue_id, priority, request.room)):
            waited = max(0, request.now - row["due_at"])
            raised = min(HIGHEST, priority + waited // request.ageing) if request.ageing else priority
            waiting.append((-raised, row["due_at"], row["id"]))
        if not request.ageing and len(waiting) >= request.room:
            break
    return [job_id for _, _, job_id in sorted(waiting)[: request.room]]


def _claimed(row: Any, now: int) -> ClaimedTask:
    return ClaimedTask(
        row["id"], row["lease"], row["kind"], row["queue_id"], row["batch_id"], row["payload"], row["effect"],
        row["timeout"], row["retries"], row["tries"], row["attempts"], row["origin"], row["error_key"], now,
    )  # fmt: skip


_FINISH = (
    "UPDATE jobs SET state = ended.state, reason = ended.reason, ready = 0, lease_until = NULL, "
    "due_at = COALESCE(ended.due_at, jobs.due_at), attempts = jobs.attempts + 1, tries = jobs.tries + ended.tries, "
    "outcome = ended.outcome, error_key = ended.error_key, last_error = ended.error, "
    "sent_at = ended.done_at, updated_at = ended.at FROM "
    "(WITH given (state, reason, due_at, tries, outcome, error_key, error, done_at, at, id, lease) "
    "AS (VALUES {rows}) SELECT * FROM given) AS ended "
    "WHERE jobs.id = ended.id AND jobs.lease = ended.lease AND jobs.state = 'processing'"
)
_HELD_BY = "SELECT id, state, lease FROM jobs WHERE id IN "
_RUN = (
    "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, finished_at, outcome, reply, error_key, "
    "server, duration) VALUES "
)
_CLOSE = (
    "UPDATE attempts SET finished_at = ?, outcome = ?, reply = ?, error_key = ?, duration = ? "
    "WHERE id = ? AND lease = ? AND outcome IS NULL"
)
_TIMES = (
    "UPDATE tasks SET started_at = ended.started, finished_at = ended.at, result = ended.result, flag = ended.flag, "
    "cancel = CASE WHEN ended.over = 1 THEN '' ELSE tasks.cancel END FROM "
    "(WITH given (started, at, result, flag, over, id) AS (VALUES {rows}) SELECT * FROM given) AS ended "
    "WHERE tasks.job_id = ended.id"
)
_ONE_HOUR = (
    "INSERT INTO kind_hours (kind, hour, outcome, bucket, n, duration, shortest, longest) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, hour, outcome, bucket) DO UPDATE SET n = n + excluded.n, "
    "duration = duration + excluded.duration, shortest = min(shortest, excluded.shortest), "
    "longest = max(longest, excluded.longest)"
)


def finish(tx: Tx, ends: list[tuple[TaskEnd, int]]) -> list[bool]:
    """Record how runs ended: (end, epoch) each. False: the lease was lost meanwhile, and nothing was changed."""
    held = tx.by_id(_HELD_BY, [end.task.id for end, _ in ends])
    answers: list[bool] = []
    ours: list[tuple[TaskEnd, int]] = []
    for end, epoch in ends:
        row = held.get(end.task.id)
        holds = row is not None and row["lease"] == end.task.lease and row["state"] == "processing"
        answers.append(holds)
        if holds:
            ours.append((end, epoch))
            held.pop(end.task.id)
    if ours:
        _record(tx, ours)
    return answers


def _record(tx: Tx, ends: list[tuple[TaskEnd, int]]) -> None:
    tx.update_many(_FINISH, 11, [_finished(end) for end, _ in ends])
    runs = [_ran(end, epoch) for end, epoch in ends if end.task.attempt_id is None]
    if runs:
        tx.insert_many(_RUN, 12, runs)
    for end, _ in ends:
        if end.task.attempt_id is not None:
            took = end.now - end.task.started_at
            tx.execute(
                _CLOSE,
                (end.now, end.outcome.value, end.error, end.error_key, took, end.task.attempt_id, end.task.lease),
            )
        if end.error_key:
            where = (end.error_key, 0, end.task.queue_id, end.outcome.value, end.now // HOUR)
            tx.execute(FAILURE_HOUR, (*where, end.now, end.now, end.error))
    over = (JobState.PENDING,)
    tx.update_many(
        _TIMES, 6,
        [(end.task.started_at, end.now, end.result, end.flag, int(end.state not in over), end.task.id)
         for end, _ in ends],
    )  # fmt: skip
    tx.move((_scope(end.task), "processing", "", end.state.value, end.error_key) for end, _ in ends)
    _hours(tx, (end for end, _ in ends))


def _scope(task: ClaimedTask) -> dict[str, Any]:
    return {"queue_id": task.queue_id, "campaign_id": None, "batch_id": task.batch_id}


def _finished(end: TaskEnd) -> tuple[Any, ...]:
    return (
        end.state.value, end.reason, end.due_at, 1 if end.counts_try else 0, end.outcome.value, end.error_key,
        end.error, end.now if end.state is JobState.COMPLETED else None, end.now, end.task.id, end.task.lease,
    )  # fmt: skip


def _ran(end: TaskEnd, epoch: int) -> tuple[Any, ...]:
    task = end.task
    return (
        task.id, task.lease, task.attempts + 1, task.queue_id, epoch, task.started_at, end.now, end.outcome.value,
        end.error, end.error_key, task.kind, end.now - task.started_at,
    )  # fmt: skip


NOT_BEGUN = "given back before it began"
ENDED = {JobState.PENDING: "retried"}
"""What the statistics call a run that ended in this state, where it is not the state itself."""


def bucket_of(duration: int) -> int:
    """The power of 2^(1/8) microseconds at or below a duration (us): a quantile read from it is 9 % off at most."""
    return int(8 * math.log2(duration)) if duration > 1 else 0


def _hours(tx: Tx, ends: Iterable[TaskEnd]) -> None:
    sums: dict[tuple[str, int, str, int], tuple[int, int, int, int]] = {}
    for end in ends:
        took = max(0, end.now - end.task.started_at)
        key = (end.task.kind, end.now // HOUR, ENDED.get(end.state, end.state.value), bucket_of(took))
        n, total, shortest, longest = sums.get(key, (0, 0, took, 0))
        sums[key] = (n + 1, total + took, min(shortest, took), max(longest, took))
    tx.executemany(_ONE_HOUR, [(*key, *value) for key, value in sums.items()])


def hand_back(tx: Tx, tasks: Sequence[ClaimedTask], now: int) -> int:
    """Return runs that may simply be begun again, as a drain leaves them: no try is used up. Never one that must not
    run twice and was begun. Returns how many."""
    returned = 0
    for task in tasks:
        row = tx.one(
            "UPDATE jobs SET state = 'pending', ready = 1, lease_until = NULL, updated_at = ? "
            "WHERE id = ? AND lease = ? AND state = 'processing' RETURNING error_key",
            (now, task.id, task.lease),
        )
        if row is None:
            continue
        returned += 1
        if task.attempt_id is not None:
            tx.execute(_CLOSE, (now, OutcomeClass.TRANSIENT.value, NOT_BEGUN, "", 0, task.attempt_id, task.lease))
        tx.move([(_scope(task), "processing", "", "pending", row["error_key"])])
    return returned


def renew(tx: Tx, held: Sequence[tuple[int, int]], until: int) -> list[int]:
    """Hold leases, as (job id, lease), until a later time (us); the ids of those that were lost."""
    lost = []
    for job_id, lease in held:
        renewed = tx.execute(
            "UPDATE jobs SET lease_until = ? WHERE id = ? AND lease = ? AND state = 'processing'",
            (until, job_id, lease),
        ).rowcount
        if not renewed:
            lost.append(job_id)
    return lost


def note_progress(tx: Tx, job_id: int, lease: int, done: int, total: int, note: str) -> None:
    """How far a run is, in its own units."""
    tx.execute(
        "UPDATE tasks SET done = ?, total = ?, note = ? WHERE job_id = ? AND EXISTS "
        "(SELECT 1 FROM jobs j WHERE j.id = tasks.job_id AND j.lease = ? AND j.state = 'processing')",
        (done, total, note, job_id, lease),
    )


def ask_to_end(tx: Tx, job_id: int, by: str) -> bool:
    """A person wants a running job to end; False when it does not run."""
    return bool(
        tx.execute(
            "UPDATE tasks SET cancel = ? WHERE job_id = ? AND EXISTS "
            "(SELECT 1 FROM jobs j WHERE j.id = tasks.job_id AND j.state = 'processing')",
            (by, job_id),
        ).rowcount
    )


def items_done(tx: Tx, job_id: int, name: str) -> dict[str, str]:
    """What of a list of items was done before, by key, with its value (JSON)."""
    rows = tx.all("SELECT key, value FROM task_items WHERE job_id = ? AND list = ? AND done = 1", (job_id, name))
    return {row["key"]: row["value"] for row in rows}


def keep_items(tx: Tx, job_id: int, lease: int, name: str, items: Sequence[tuple[str, bool, str]], now: int) -> bool:
    """Keep what became of items: (key, done, value as JSON or the error) each. False: the lease was lost, and nothing
    was kept."""
    holds = tx.one("SELECT 1 FROM jobs WHERE id = ? AND lease = ? AND state = 'processing'", (job_id, lease))
    if holds is None:
        return False
    tx.executemany(
        "INSERT INTO task_items (job_id, list, key, done, value, at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (job_id, list, key) DO UPDATE SET done = excluded.done, value = excluded.value, at = excluded.at",
        [(job_id, name, key, int(done), value, now) for key, done, value in items],
    )
    return True
