"""Everything that can hold a background job, as claim and stages look at it: bounded reads for `engine.explain`."""

from __future__ import annotations

from storage.errors import NotFoundError
from storage.reader import Reader, Row
from storage.work_terms import HIGHEST, LOWEST

LINE = 1_000
"""Jobs that are counted when one asks for its place in the line."""

_JOB = (
    "SELECT j.id, j.kind, j.state, j.reason, j.ready, j.priority, j.due_at, j.attempts, j.tries, j.error_key, "
    "j.last_error, j.sent_at, j.updated_at, j.lease_until, j.queue_id, j.batch_id, q.name AS queue, NULL AS address, "
    "t.effect, t.stage, t.flag, t.cancel, t.done, t.total, t.note, "
    "b.stage AS batch_stage, b.go_on, b.state AS batch_state FROM jobs j JOIN tasks t ON t.job_id = j.id "
    "JOIN queues q ON q.id = j.queue_id JOIN batches b ON b.id = j.batch_id WHERE j.id = ?"
)
_BATCH = (
    "SELECT COALESCE(SUM(CASE WHEN state IN ('pending', 'processing') THEN n END), 0) AS open, "
    "COALESCE(SUM(CASE WHEN state = 'held' THEN n END), 0) AS held, "
    "COALESCE(SUM(CASE WHEN state = 'failed' THEN n END), 0) AS failed, "
    "COALESCE(SUM(CASE WHEN state = 'uncertain' THEN n END), 0) AS uncertain "
    "FROM counters INDEXED BY counters_batch WHERE batch_id = ?"
)
_STAGED = (
    "SELECT count(*) AS n, COALESCE(SUM(j.state = 'held'), 0) AS held FROM jobs j INDEXED BY jobs_staged "
    "WHERE j.batch_id = ? AND j.ready = 3"
)
_AHEAD = (
    "SELECT count(*) AS n FROM (SELECT 1 FROM jobs INDEXED BY jobs_claim WHERE queue_id = ? AND campaign_id IS NULL "
    "AND priority = ? AND state = 'pending' AND ready = 1 AND due_at <= ? AND (due_at <= ? OR (due_at, id) < (?, ?)) "
    "LIMIT ?)"
)
_OLDEST = (
    "SELECT min((SELECT j.due_at FROM jobs j INDEXED BY jobs_claim WHERE j.queue_id = ?1 AND j.campaign_id IS NULL "
    "AND j.priority = p.column1 AND j.state = 'pending' AND j.ready = 1 ORDER BY j.due_at LIMIT 1)) AS due_at "
    f"FROM (VALUES {', '.join(f'({priority})' for priority in range(LOWEST, HIGHEST + 1))}) p"
)
_BLOCKED = (
    "SELECT b.id, b.name, b.stage FROM batches b INDEXED BY batches_staged WHERE b.stage > 0 AND b.state = 'ready' "
    "AND b.go_on = 0"
)


def job(reader: Reader, job_id: int) -> Row:
    """One background job with what its batch says of stages. Raises NotFoundError."""
    row = reader.one(_JOB, (job_id,))
    if row is None:
        raise NotFoundError(f"there is no background job {job_id}", hint="see `paceline job list`")
    return row


def batch(reader: Reader, batch_id: int) -> Row:
    """How many jobs of a batch wait for an earlier stage (`waiting`), and of the others how many are `open`, `held` for
    a person, `failed`, `uncertain`."""
    found = reader.one(_BATCH, (batch_id,)) or {}
    staged = reader.one(_STAGED, (batch_id,)) or {}
    pending = int(staged["n"]) - int(staged["held"])
    return {
        **found,
        "waiting": staged["n"],
        "open": found["open"] - pending,
        "held": found["held"] - staged["held"],
    }


def blocked(reader: Reader) -> list[Row]:
    """Batches whose later stages wait for a person, since something of an earlier one ended badly: `id, name, stage`,
    and what `batch` counts."""
    found = [{**row, **batch(reader, row["id"])} for row in reader.rows(_BLOCKED)]
    return [
        row for row in found if row["failed"] + row["uncertain"] and row["waiting"] and not row["open"] + row["held"]
    ]


def oldest_waiting(reader: Reader, queue_id: int) -> int | None:
    """The due time (us) of the job that stands longest in the line of a queue of background jobs; None without one."""
    row = reader.one(_OLDEST, (queue_id,))
    return row["due_at"] if row else None


def ahead(reader: Reader, job: Row, now: int, ageing: int) -> int | None:
    """How many due jobs of its queue go before this one: by priority as waiting has raised it (a step each `ageing` us,
    0: none), then by due time. None: 1,000 or more."""
    due = int(job["due_at"])
    raised = _raised(job["priority"], due, now, ageing)
    before = 0
    for priority in range(HIGHEST, LOWEST - 1, -1):
        higher, as_high = (_since(priority, step, now, ageing) for step in (raised + 1, raised))
        if as_high is None:
            continue
        values = (job["queue_id"], priority, as_high, -1 if higher is None else higher, due, job["id"], LINE)
        found = reader.one(_AHEAD, values)
        before += int(found["n"]) if found else 0
        if before >= LINE:
            return None
    return before


def _raised(priority: int, due: int, now: int, ageing: int) -> int:
    return min(HIGHEST, priority + max(0, now - due) // ageing) if ageing else priority


def _since(priority: int, step: int, now: int, ageing: int) -> int | None:
    """Up to which due time (us) a job of this priority has been raised to that step; None: none can be."""
    if step > HIGHEST:
        return None
    if priority >= step:
        return now
    return now - (step - priority) * ageing if ageing else None
