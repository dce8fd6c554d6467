"""From facts to an explanation of a background job, or of a queue of such jobs. Pure: no clock, no I/O."""

from __future__ import annotations

from dataclasses import replace

from engine.explain import job_gates, queue_gates, work_gates
from engine.explain.facts import EngineFacts, QueueFacts, Row
from engine.explain.model import Explanation, shut
from engine.explain.work_gates import WorkFacts
from storage.model import Effect, JobState


def of_work(facts: WorkFacts, now: int) -> Explanation:
    """Why one background job does not run, and when it will; of one that has ended what became of it."""
    row = facts.row
    numbers = {"kind": row["kind"], "queue": facts.queue.name, "batch": row["batch_id"]}
    made = Explanation("job", str(row["id"]), row["state"], numbers=numbers)
    if became := ended(row):
        return replace(made, said=became, said_at=row["sent_at"] or row["updated_at"])
    if row["state"] == JobState.PROCESSING:
        return _under_way(made, facts, now)
    gates = (
        work_gates.word(row),
        work_gates.batch(row, facts.batch),
        job_gates.due(row, now),
        work_gates.places(facts.engine, facts.queue),
        queue_gates.breaker(facts.queue, now),
        *([work_gates.line(row, facts.ahead)] if row["state"] == JobState.PENDING else []),
        work_gates.engine(facts.engine, facts.queue.name),
    )
    return replace(made, gates=gates)


def of_work_queue(engine: EngineFacts, queue: QueueFacts, now: int) -> Explanation:
    """What holds a queue of background jobs as such, whatever is next in it."""
    numbers = {"in_flight": queue.row["in_flight"], "campaigns": []}
    gates = (
        work_gates.places(engine, queue),
        queue_gates.breaker(queue, now),
        work_gates.engine(engine, queue.name),
    )
    return Explanation("queue", queue.name, queue.row["state"], gates, numbers=numbers)


def _under_way(made: Explanation, facts: WorkFacts, now: int) -> Explanation:
    row = facts.row
    if facts.engine.runs and (row["lease_until"] or 0) >= now:
        of = f" of {row['total']:,}" if row["total"] else ""
        far = f": {row['done']:,}{of} done" if row["done"] or row["total"] else ""
        asked = f"; {row['cancel']} asked it to end" if row["cancel"] else ""
        return replace(made, said=f"it runs{far}{asked}", said_at=row["updated_at"])
    then = "it is uncertain then" if row["effect"] == Effect.UNREPEATABLE else "it is run again then"
    if facts.engine.runs:
        words = f"its lease has run out: the engine takes it back within a minute, {then}"
        return replace(made, gates=(shut("lease", words, since=row["updated_at"]),))
    words = f"its engine ended while it ran: the next one takes it back, {then}"
    gate = shut(
        "lease", words, since=row["updated_at"], person=True, action="engine.start", remedy="paceline engine run"
    )
    return replace(made, gates=(gate,))


def ended(row: Row) -> str:
    """What became of a background job; "" while it is open."""
    error = row["last_error"] or row["error_key"] or "no reason was recorded"
    return {
        "completed": f"done, but look at it: {row['flag']}" if row["flag"] else "done",
        "failed": f"failed: {error}",
        "uncertain": f"done or not is not known: {error}",
        "skipped": f"skipped ({row['reason']}): it will not be run",
    }.get(row["state"], "")
