"""Background jobs in the store: made, claimed by priority and age; how runs end stands in `storage.task_endings`. Each
function runs inside the Writer's transaction.

A background job is a row of `jobs` like a message, without a campaign; what only it has stands in `tasks`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.dispatch import PAUSED
from storage.endings import POISON
from storage.model import Effect, JobState, OutcomeClass
from storage.work_terms import HIGHEST, LOWEST, STAGED

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class NewTask:
    """One background job to be made. `due_at`, `timeout` in microseconds; `retries` after the first try. `stage`: its
    place in a batch of stages (0: none). With a `unique_key` it is made only when no job that is open or uncertain
    has that key."""

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
    must not run twice (None: it has none); `started_at`, `created_at` in microseconds."""

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
    rescues: int = 0
    created_at: int = 0
    attempt_id: int | None = None

    @property
    def suspect(self) -> bool:
        """Whether it fails when its engine dies with it once more."""
        return self.rescues >= POISON - 1


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
    suspect: bool = True
    """Whether one may be among them that fails when its engine dies once more: they run one at a time, or what ends the
    engine would take its neighbours with it."""


@dataclass(slots=True)
class TaskEnd:
    """How a run ended. `result`: what it gave, as JSON; `flag`: why a person should look at it although it succeeded;
    `counts_try`: it used up a try; `due_at`: when the next one is due (us); `asked`: somebody had asked it to end."""

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
    asked: bool = False


# What is uncertain may have been done: a second one of its key would do it again.
_OPEN_WITH_KEY = (
    "SELECT t.job_id FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.unique_key = ? "
    "AND j.state IN ('held', 'pending', 'processing', 'uncertain') LIMIT 1"
)
_LAST_ID = "SELECT COALESCE(max(id), 0) FROM jobs"
_NEW_JOBS = (
    "INSERT INTO jobs (id, kind, queue_id, batch_id, state, reason, ready, priority, due_at, last_error, error_key, "
    "created_at, updated_at) VALUES "
)
_NEW_TASKS = "INSERT INTO tasks (job_id, payload, effect, retries, timeout, stage, unique_key, origin) VALUES "


def add(tx: Tx, batch_id: int, tasks: Sequence[NewTask], now: int, *, loading: bool = False) -> list[Made]:
    """Make one slice of background jobs under a batch. While the batch is `loading` nobody can claim them; later stages
    of a batch wait for the earlier ones."""
    made: list[Made] = []
    jobs: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    counts: Counter[tuple[int, str, str]] = Counter()
    open_keys: dict[str, int] = {}
    # Only the Writer makes jobs, so that it knows their ids before they are there: one statement makes many.
    job_id = int(tx.one(_LAST_ID)[0])
    for task in tasks:
        if task.unique_key and (known := _open_with(tx, task.unique_key, open_keys)) is not None:
            made.append(Made(known, False))
            continue
        job_id += 1
        state = JobState.HELD if task.held else JobState.PENDING
        tx.kinds[task.kind, state.value] += 1
        key = f"held: {task.held}"[:100] if task.held else ""
        ready = 2 if loading else STAGED if task.stage > 1 else 1 if task.due_at <= now and not task.held else 0
        jobs.append(
            (job_id, task.kind, task.queue_id, batch_id, state.value, task.held and "configuration", ready,
             task.priority, task.due_at, task.held, key, now, now)
        )  # fmt: skip
        rows.append(
            (job_id, task.payload, task.effect, task.retries, task.timeout, task.stage, task.unique_key, task.origin)
        )
        if task.unique_key:
            open_keys[task.unique_key] = job_id
        counts[task.queue_id, state.value, key] += 1
        made.append(Made(job_id, True))
    if jobs:
        tx.insert_many(_NEW_JOBS, 13, jobs)
        tx.insert_many(_NEW_TASKS, 8, rows)
        tx.execute("UPDATE batches SET total = total + ? WHERE id = ?", (len(jobs), batch_id))
    for (queue_id, job_state, error_key), some in counts.items():
        tx.count(queue_id, None, batch_id, job_state, error_key, some)
    return made


def _open_with(tx: Tx, key: str, here: dict[str, int]) -> int | None:
    """The open job with a unique key, in the store or made `here` a moment ago."""
    if key in here:
        return here[key]
    row = tx.one(_OPEN_WITH_KEY, (key,))
    return None if row is None else int(row["job_id"])


_QUEUE = f"SELECT state, {PAUSED} FROM queues WHERE id = ?"
_HEADS = " UNION ALL ".join(
    f"SELECT * FROM (SELECT id, due_at, {priority} AS priority FROM jobs INDEXED BY jobs_claim "
    f"WHERE queue_id = ?1 AND campaign_id IS NULL AND priority = {priority} AND state = 'pending' AND ready = 1 "
    "ORDER BY due_at, id LIMIT ?2)"
    for priority in range(HIGHEST, LOWEST - 1, -1)
)
"""Those of each priority that are due longest, the highest priority first."""
# Ids go to the database as one JSON list: a text with a mark for each would be compiled for every number of them.
_TAKEN = (
    "SELECT j.id, j.lease + 1, j.kind, j.batch_id, t.payload, t.effect, t.timeout, t.retries, j.tries, j.attempts, "
    "t.origin, j.error_key, t.rescues, j.created_at FROM jobs j JOIN tasks t ON t.job_id = j.id "
    "WHERE j.id IN (SELECT value FROM json_each(?))"
)
_TAKE = (
    "UPDATE jobs SET state = 'processing', reason = '', ready = 0, lease = lease + 1, lease_until = ?, updated_at = ? "
    "WHERE state = 'pending' AND id IN (SELECT value FROM json_each(?))"
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
    found = {row[0]: _claimed(row, request) for row in tx.all(_TAKEN, (json.dumps(ids),))}
    claimed = [found[job_id] for job_id in ids]
    suspects = [task for task in claimed if task.suspect]
    if suspects:
        left = set(map(id, suspects[1:] if request.suspect else suspects))
        claimed = [task for task in claimed if id(task) not in left]
    if not claimed:
        return []
    tx.execute(_TAKE, (request.lease_until, request.now, json.dumps([task.id for task in claimed])))
    for task in claimed:
        if task.effect == Effect.UNREPEATABLE:
            task.attempt_id = tx.insert(
                _INTENT,
                (task.id, task.lease, task.attempts + 1, task.queue_id, request.epoch, request.now, task.kind),
            )
    moved = Counter((task.batch_id, task.error_key) for task in claimed)
    for (batch_id, error_key), n in moved.items():
        tx.count(request.queue_id, None, batch_id, "pending", error_key, -n)
        tx.count(request.queue_id, None, batch_id, "processing", "", n)
        tx.started(request.queue_id, None, batch_id, request.now)
    for kind, n in Counter(task.kind for task in claimed).items():
        tx.kinds[kind, "pending"] -= n
        tx.kinds[kind, "processing"] += n
    return claimed


def _first(tx: Tx, request: TaskClaim) -> list[int]:
    """The ids that go first: by priority as waiting has raised it, then by due time."""
    waiting: list[tuple[int, int, int]] = []
    for job_id, due_at, priority in tx.execute(_HEADS, (request.queue_id, request.room)):
        if request.ageing:
            priority = min(HIGHEST, priority + max(0, request.now - due_at) // request.ageing)
        waiting.append((-priority, due_at, job_id))
        if not request.ageing and len(waiting) == request.room:
            break
    return [job_id for _, _, job_id in sorted(waiting)[: request.room]]


def _claimed(row: Any, request: TaskClaim) -> ClaimedTask:
    (
        job_id, lease, kind, batch_id, payload, effect, timeout, retries, tries, attempts, origin, error_key, rescues,
        created_at,
    ) = row  # fmt: skip
    return ClaimedTask(
        job_id, lease, kind, request.queue_id, batch_id, payload, effect, timeout, retries, tries, attempts, origin,
        error_key, request.now, rescues, created_at,
    )  # fmt: skip


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


def holds_lease(tx: Tx, job_id: int, lease: int) -> bool:
    """Whether a run still has its job: nobody took it over meanwhile, and it has not ended."""
    return tx.one("SELECT 1 FROM jobs WHERE id = ? AND lease = ? AND state = 'processing'", (job_id, lease)) is not None


def keep_items(tx: Tx, job_id: int, lease: int, name: str, items: Sequence[tuple[str, bool, str]], now: int) -> bool:
    """Keep what became of items: (key, done, value as JSON or the error) each. False: the lease was lost, and nothing
    was kept."""
    if not holds_lease(tx, job_id, lease):
        return False
    tx.executemany(
        "INSERT INTO task_items (job_id, list, key, done, value, at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (job_id, list, key) DO UPDATE SET done = excluded.done, value = excluded.value, at = excluded.at",
        [(job_id, name, key, int(done), value, now) for key, done, value in items],
    )
    return True
