"""How a claim ends: with an outcome, handed back, or rescued after its holder died.

Only a job's holder may finish it: every claim raises the job's `lease`, and a completion with an older lease
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage import suppressions
from storage.dispatch_nouns import Finish
from storage.model import HOUR, SEND, JobState, OutcomeClass
from storage.reputation import Verdict, is_dead, note_verdicts
from storage.tx import Tx

_HELD_BY = "SELECT id, state, lease, queue_id, campaign_id, batch_id FROM jobs WHERE id IN "
_INTENT = "SELECT 1 FROM attempts WHERE job_id = ? AND lease = ?"
# Each begins with UPDATE: what begins with WITH does not tell Python's sqlite3 how many rows it changed.
_FINISH = (
    "UPDATE jobs SET state = ended.state, reason = ended.reason, ready = 0, lease_until = NULL, "
    "due_at = COALESCE(ended.due_at, jobs.due_at), attempts = jobs.attempts + ended.attempts, "
    "tries = jobs.tries + ended.tries, budget_at = COALESCE(jobs.budget_at, ended.budget_at), "
    "outcome = ended.outcome, error_key = ended.error_key, last_error = ended.last_error, "
    "sent_at = COALESCE(ended.sent_at, jobs.sent_at), updated_at = ended.at FROM "
    "(WITH given (state, reason, due_at, attempts, tries, budget_at, outcome, error_key, last_error, sent_at, at, id, "
    "lease) AS (VALUES {rows}) SELECT * FROM given) AS ended "
    "WHERE jobs.id = ended.id AND jobs.lease = ended.lease AND jobs.state = 'processing'"
)
_CLOSE_ATTEMPT = (
    "UPDATE attempts SET finished_at = ended.at, outcome = ended.outcome, phase = ended.phase, code = ended.code, "
    "enhanced = ended.enhanced, reply = ended.reply, error_key = ended.error_key, "
    "server = CASE WHEN ended.server = '' THEN attempts.server ELSE ended.server END, duration = ended.duration, "
    "counted_at = CASE WHEN ended.counted = 1 THEN attempts.counted_at END FROM "
    "(WITH given (at, outcome, phase, code, enhanced, reply, error_key, server, duration, counted, id, lease) "
    "AS (VALUES {rows}) SELECT * FROM given) AS ended "
    "WHERE attempts.id = ended.id AND attempts.lease = ended.lease AND attempts.outcome IS NULL"
)
FAILURE_HOUR = (
    "INSERT INTO failure_hours (error_key, campaign_id, queue_id, outcome, hour, n, first_at, last_at, sample) "
    "VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT (error_key, campaign_id, queue_id, outcome, hour) "
    "DO UPDATE SET n = n + 1, last_at = excluded.last_at, sample = excluded.sample"
)


def finish_attempt(tx: Tx, end: Finish) -> bool:
    """Record what became of one claim; see `finish_attempts`."""
    return finish_attempts(tx, [end])[0]


class _LostAmongManyError(Exception):
    """Not every lease of a group still holds: the Writer runs it again one by one."""


def finish_attempts(tx: Tx, ends: list[Finish]) -> list[bool]:
    """Record what became of claims. False: the lease was lost meanwhile, and nothing was changed."""
    if len(ends) > 1 and len({end.job_id for end in ends}) == len(ends) and all(map(_is_whole, ends)):
        return _finish_together(tx, ends)
    rows = tx.by_id(_HELD_BY, [end.job_id for end in ends])
    answers: list[bool] = []
    held: list[tuple[Finish, Any]] = []
    for end in ends:
        row = rows.get(end.job_id)
        ours = row is not None and row["lease"] == end.lease and row["state"] == "processing"
        if ours and end.attempt_id is None and tx.one(_INTENT, (end.job_id, end.lease)):
            # Its intent stands: only an outcome may end it, or it would be sent a second time.
            ours = False
        answers.append(ours)
        if ours:
            held.append((end, rows.pop(end.job_id)))
    if held:
        tx.update_many(_FINISH, 13, [_finished(end) for end, _ in held])
    attempted = [(end, row) for end, row in held if end.attempt_id is not None and end.outcome is not None]
    _record(tx, held, attempted)
    return answers


def _is_whole(end: Finish) -> bool:
    return end.scope is not None and end.attempt_id is not None and end.outcome is not None


def _finish_together(tx: Tx, ends: list[Finish]) -> list[bool]:
    """Ends of attempts whose leases hold, as nearly always: nothing is read first. Raises when one does not hold, and
    then nothing of it stays."""
    if tx.update_many(_FINISH, 13, [_finished(end) for end in ends]) != len(ends):
        raise _LostAmongManyError
    rows = [(end, _scope(end)) for end in ends]
    _record(tx, rows, rows)
    return [True] * len(ends)


def _scope(end: Finish) -> dict[str, Any]:
    queue_id, campaign_id, batch_id = end.scope or (0, None, 0)
    return {"queue_id": queue_id, "campaign_id": campaign_id, "batch_id": batch_id}


def _record(tx: Tx, held: list[tuple[Finish, Any]], attempted: list[tuple[Finish, Any]]) -> None:
    """Close the attempts and count everything."""
    if attempted:
        tx.update_many(_CLOSE_ATTEMPT, 12, [_closed(end) for end, _ in attempted])
    tx.move((row, "processing", "", end.state.value, end.error_key) for end, row in held)
    for end, row in attempted:
        outcome = end.outcome.value if end.outcome else ""
        tx.minute(end.now, row["campaign_id"], row["queue_id"], outcome, end.duration)
        if end.error_key:
            where = (end.error_key, row["campaign_id"] or 0, row["queue_id"], outcome, end.now // HOUR)
            tx.execute(FAILURE_HOUR, (*where, end.now, end.now, end.reply))
        if end.suppress:
            suppressions.by_answer(tx, end.job_id, end.suppress, end.suppress_for, end.reply, end.now)
    verdicts = [
        Verdict(row["campaign_id"], row["queue_id"], is_dead(end.outcome, end.error_key))
        for end, row in attempted
        if end.outcome is OutcomeClass.ACCEPTED or end.outcome is OutcomeClass.PERMANENT
    ]
    if verdicts:
        note_verdicts(tx, verdicts, attempted[0][0].now)


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


_CLAIMED = (
    "SELECT j.id, j.lease, j.kind, j.queue_id, j.campaign_id, j.batch_id, j.error_key, "
    "a.id AS attempt_id, a.intent_at FROM jobs j INDEXED BY jobs_lease "
    "LEFT JOIN attempts a ON a.job_id = j.id AND a.lease = j.lease AND a.outcome IS NULL "
    "WHERE j.state = 'processing'{lapsed} ORDER BY j.id LIMIT 1000"
)
# The index is named because the order tempts the planner into every row: at 5 million jobs no message left for 2.5 s.
_LAPSED = " AND j.lease_until < ?"


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many claims without an intent went back to `pending`, and how many became `uncertain`."""

    requeued: int
    uncertain: int


def rescue(tx: Tx, now: int, *, everything: bool, held: frozenset[int] = frozenset()) -> Rescued:
    """Settle claims whose holder is gone: all of them at start (`everything`), later those whose lease ran out.

    Without an intent of its lease nothing can have left: back to `pending`, but a background job only so often. With
    one and no outcome the message may have left: `uncertain`, and nothing automatic ever retries it. `held` are jobs
    that the asking engine itself still has in flight: a laptop that slept through their leases loses nothing.
    """
    found = tx.all(_CLAIMED.format(lapsed=""), ()) if everything else tx.all(_CLAIMED.format(lapsed=_LAPSED), (now,))
    rows = [row for row in found if row["id"] not in held]
    uncertain = 0
    for row in rows:
        if row["attempt_id"] is None and row["kind"] != SEND and poisoned(tx, row, now):
            continue
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
                reply=UNANSWERED if row["kind"] == SEND else UNFINISHED,
                error_key=DIED,
                content_sent=True,
            ),
        )
        if row["kind"] != SEND:
            _count_run(tx, row["kind"], JobState.UNCERTAIN, now)
    return Rescued(len(rows) - uncertain, uncertain)


_UNTIMED_RUN = (
    "INSERT INTO kind_hours (kind, hour, outcome, bucket, n, duration, shortest, longest) "
    "VALUES (?, ?, ?, 0, 1, 0, 0, 0) ON CONFLICT (kind, hour, outcome, bucket) DO UPDATE SET n = n + 1"
)
UNANSWERED = "the engine ended between the intent and the server's reply: sent or not is not known"
UNFINISHED = "the engine ended while it ran: done or not is not known"
POISON = 3
"""So many times a background job may be rescued; the engine did not survive it the last time either."""
POISONED = f"its engine ended {POISON} times while it ran"


def poisoned(tx: Tx, row: Any, now: int) -> bool:
    """Count one more rescue of a background job, and fail it when that were too many; whether it did."""
    counted = tx.one("UPDATE tasks SET rescues = rescues + 1 WHERE job_id = ? RETURNING rescues", (row["id"],))
    if counted is None or counted["rescues"] < POISON:
        return False
    tx.execute(
        "UPDATE jobs SET state = 'failed', ready = 0, lease = lease + 1, lease_until = NULL, error_key = ?, "
        "last_error = ?, updated_at = ? WHERE id = ?",
        (POISONED, f"{POISONED}: it may be what ends it", now, row["id"]),
    )
    tx.move([(row, "processing", "", "failed", POISONED)])
    where = (POISONED, 0, row["queue_id"], OutcomeClass.PERMANENT.value, now // HOUR)
    tx.execute(FAILURE_HOUR, (*where, now, now, f"{POISONED}: it may be what ends it"))
    _count_run(tx, row["kind"], JobState.FAILED, now)
    return True


def _count_run(tx: Tx, kind: str, state: JobState, now: int) -> None:
    """Count a run among those of its hour whose end nobody timed."""
    tx.execute(_UNTIMED_RUN, (kind, now // HOUR, state.value))


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
