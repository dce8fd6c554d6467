"""How runs of background jobs end, with an outcome or given back, and their leases held meanwhile. Each function runs
inside the Writer's transaction.

Only a job's holder may end it: every claim raises the job's `lease`, and an end with an older one changes nothing.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.endings import FAILURE_HOUR
from storage.model import HOUR, JobState, OutcomeClass
from storage.tasks import ClaimedTask, TaskEnd

if TYPE_CHECKING:
    from storage.tx import Tx

_HELD_BY = "SELECT id, lease FROM jobs WHERE state = 'processing' AND id IN (SELECT value FROM json_each(?))"
_DONE = (
    "UPDATE jobs SET state = 'completed', reason = '', ready = 0, lease_until = NULL, attempts = attempts + 1, "
    "tries = tries + 1, outcome = 'accepted', error_key = '', last_error = '', sent_at = ?1, updated_at = ?1 "
    "WHERE state = 'processing' AND lease = ?2 AND id IN (SELECT value FROM json_each(?3))"
)
_FINISH = (
    "UPDATE jobs SET state = ended.state, reason = ended.reason, ready = 0, lease_until = NULL, "
    "due_at = COALESCE(ended.due_at, jobs.due_at), attempts = jobs.attempts + 1, tries = jobs.tries + ended.tries, "
    "outcome = ended.outcome, error_key = ended.error_key, last_error = ended.error, "
    "sent_at = ended.done_at, updated_at = ended.at FROM "
    "(WITH given (state, reason, due_at, tries, outcome, error_key, error, done_at, at, id, lease) "
    "AS (VALUES {rows}) SELECT * FROM given) AS ended "
    "WHERE jobs.id = ended.id AND jobs.lease = ended.lease AND jobs.state = 'processing'"
)
_RUN = (
    "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, finished_at, outcome, reply, error_key, "
    "server, duration) VALUES "
)
_CLOSE = (
    "UPDATE attempts SET finished_at = ?, outcome = ?, reply = ?, error_key = ?, duration = ? "
    "WHERE id = ? AND lease = ? AND outcome IS NULL"
)
_SAID = "UPDATE tasks SET result = ?, flag = ?, cancel = CASE WHEN ? = 1 THEN '' ELSE cancel END WHERE job_id = ?"
_ONE_HOUR = (
    "INSERT INTO kind_hours (kind, hour, outcome, bucket, n, duration, shortest, longest) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, hour, outcome, bucket) DO UPDATE SET n = n + excluded.n, "
    "duration = duration + excluded.duration, shortest = min(shortest, excluded.shortest), "
    "longest = max(longest, excluded.longest)"
)


def finish(tx: Tx, groups: list[tuple[Sequence[TaskEnd], int]]) -> list[list[bool]]:
    """Record how runs ended: (ends, epoch) each. False: the lease was lost meanwhile, and nothing was changed."""
    held = dict(map(tuple, tx.all(_HELD_BY, (json.dumps([end.task.id for ends, _ in groups for end in ends]),))))
    answers: list[list[bool]] = []
    ours: list[tuple[TaskEnd, int]] = []
    for ends, epoch in groups:
        answer = []
        for end in ends:
            holds = held.get(end.task.id) == end.task.lease
            answer.append(holds)
            if holds:
                ours.append((end, epoch))
                del held[end.task.id]
        answers.append(answer)
    if ours:
        _record(tx, ours)
    return answers


def _record(tx: Tx, ends: list[tuple[TaskEnd, int]]) -> None:
    done: defaultdict[int, list[int]] = defaultdict(list)
    others = []
    for end, _ in ends:
        if _is_plain(end):
            done[end.task.lease].append(end.task.id)
        else:
            others.append(_finished(end))
    # What ended well differs in nothing but its lease. One time serves all of a commit; each attempt keeps its own.
    at = max(end.now for end, _ in ends)
    for lease, ids in done.items():
        tx.execute(_DONE, (at, lease, json.dumps(ids)))
    if others:
        tx.update_many(_FINISH, 11, others)
    runs = [_ran(end, epoch) for end, epoch in ends if end.task.attempt_id is None]
    if runs:
        tx.insert_many(_RUN, 12, runs)
    for end, _ in ends:
        task = end.task
        if task.attempt_id is not None:
            took = end.now - task.started_at
            tx.execute(
                _CLOSE, (end.now, end.outcome.value, end.error, end.error_key, took, task.attempt_id, task.lease)
            )
        if end.error_key:
            where = (end.error_key, 0, task.queue_id, end.outcome.value, end.now // HOUR)
            tx.execute(FAILURE_HOUR, (*where, end.now, end.now, end.error))
        if end.result or end.flag or end.asked or task.attempts:
            tx.execute(_SAID, (end.result, end.flag, int(end.state is not JobState.PENDING), task.id))
    _count(tx, [end for end, _ in ends])


def _is_plain(end: TaskEnd) -> bool:
    return (
        end.state is JobState.COMPLETED
        and end.outcome is OutcomeClass.ACCEPTED
        and end.counts_try
        and not (end.reason or end.error_key or end.error or end.due_at)
    )


def _count(tx: Tx, ends: list[TaskEnd]) -> None:
    moves = Counter((end.task.queue_id, end.task.batch_id, end.state, end.error_key) for end in ends)
    for (queue_id, batch_id, state, key), n in moves.items():
        tx.count(queue_id, None, batch_id, "processing", "", -n)
        tx.count(queue_id, None, batch_id, state.value, key, n)
    for kind, n in Counter(end.task.kind for end in ends if end.state is JobState.COMPLETED).items():
        tx.kinds[kind, "processing"] -= n
        tx.kinds[kind, "completed"] += n
    _hours(tx, ends)


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


def _hours(tx: Tx, ends: Sequence[TaskEnd]) -> None:
    sums: dict[tuple[str, int, str, int], tuple[int, int, int, int]] = {}
    for end in ends:
        took = max(0, end.now - end.task.started_at)
        key = (end.task.kind, end.now // HOUR, ENDED.get(end.state, end.state.value), bucket_of(took))
        n, total, shortest, longest = sums.get(key, (0, 0, took, 0))
        sums[key] = (n + 1, total + took, min(shortest, took), max(longest, took))
    tx.executemany(_ONE_HOUR, [(*key, *value) for key, value in sums.items()])


_BACK = (
    "UPDATE jobs SET state = 'pending', ready = 1, lease_until = NULL, updated_at = ? "
    "WHERE id = ? AND lease = ? AND state = 'processing' RETURNING error_key"
)


def hand_back(tx: Tx, tasks: Sequence[ClaimedTask], now: int) -> int:
    """Return runs that may simply be begun again, as a drain leaves them: no try is used up. Never one that must not
    run twice and was begun. Returns how many."""
    returned = 0
    for task in tasks:
        row = tx.one(_BACK, (now, task.id, task.lease))
        if row is None:
            continue
        returned += 1
        if task.attempt_id is not None:
            tx.execute(_CLOSE, (now, OutcomeClass.TRANSIENT.value, NOT_BEGUN, "", 0, task.attempt_id, task.lease))
        tx.count(task.queue_id, None, task.batch_id, "processing", "", -1)
        tx.count(task.queue_id, None, task.batch_id, "pending", row["error_key"], 1)
    return returned


def renew(tx: Tx, held: Sequence[tuple[int, int]], until: int) -> list[int]:
    """Hold leases, as (job id, lease), until a later time (us); the ids of those that were lost."""
    rows = dict(map(tuple, tx.all(_HELD_BY, (json.dumps([job_id for job_id, _ in held]),))))
    ours = [job_id for job_id, lease in held if rows.get(job_id) == lease]
    tx.execute(_RENEW, (until, json.dumps(ours)))
    return [job_id for job_id, lease in held if rows.get(job_id) != lease]


_RENEW = "UPDATE jobs SET lease_until = ? WHERE state = 'processing' AND id IN (SELECT value FROM json_each(?))"
