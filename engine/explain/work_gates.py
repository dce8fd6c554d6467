"""The gates that a background job must pass: a person's word, its batch, its time, its queue, its place, the engine."""

from __future__ import annotations

from dataclasses import dataclass

from engine.explain.facts import EngineFacts, QueueFacts, Row
from engine.explain.model import Gate, shut
from engine.explain.queue_gates import going
from storage.model import JobState


@dataclass(frozen=True, slots=True)
class WorkFacts:
    """`row` as `work_facts.job` gives it; `batch` as `work_facts.batch` does, of a job that waits for a stage; `ahead`:
    due jobs that go before it (None: 1,000 or more)."""

    engine: EngineFacts
    queue: QueueFacts
    row: Row
    batch: Row | None = None
    ahead: int | None = 0


def word(job: Row) -> Gate:
    """Whether it waits for a person."""
    if job["state"] != JobState.HELD:
        return Gate("held", "nobody has to agree first")
    if job["reason"] == "cancelled":
        return shut(
            "held", "cancelled by hand: it becomes skipped when the time to undo that is over",
            since=job["updated_at"], person=True, numbers={"reason": "cancelled"},
        )  # fmt: skip
    why = f": {job['last_error']}" if job["last_error"] else ""
    return shut(
        "held", f"held, something is to be put right first{why}", since=job["updated_at"], person=True,
        action="job.retry", remedy=f"paceline job retry {job['id']}", numbers={"reason": job["reason"]},
    )  # fmt: skip


def batch(job: Row, counts: Row | None) -> Gate:
    """Whether its batch stands and its stage has begun."""
    if job["ready"] == 2 or job["batch_state"] == "loading":
        return shut("batch", "its batch is still being made")
    if job["ready"] != 3 or counts is None:
        return Gate("batch", f"stage {job['stage']} of its batch has begun" if job["stage"] else "its batch stands")
    numbers = {"stage": job["stage"], "running": job["batch_stage"], **counts}
    stage = f"stage {job['stage']} waits"
    if n := counts["open"]:
        return shut("stage", f"{stage}: {_n(n)} of the stages before it {_are(n)} open", numbers=numbers)
    here = f"batch:{job['batch_id']}"
    if n := counts["held"]:
        return shut(
            "stage", f"{stage}: {_n(n)} before it {_are(n)} held for a person", person=True, numbers=numbers,
            remedy=f'paceline job list --filter "{here} state:held"',
        )  # fmt: skip
    if job["go_on"]:
        return shut("stage", f"{stage}: it begins when the books are settled", numbers=numbers)
    if n := counts["failed"]:
        return shut(
            "stage", f"{stage}: {_n(n)} before it failed", person=True, numbers=numbers,
            remedy=f'paceline job retry --filter "{here} state:failed"',
        )  # fmt: skip
    if n := counts["uncertain"]:
        return shut(
            "stage", f"{stage}: {_n(n)} before it {_are(n)} uncertain", person=True, numbers=numbers,
            remedy=f'paceline job list --filter "{here} state:uncertain"',
        )  # fmt: skip
    return shut("stage", f"{stage}: it begins when the books are settled", numbers=numbers)


def _n(n: int) -> str:
    return f"{n:,} {'job' if n == 1 else 'jobs'}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def places(facts: EngineFacts, queue: QueueFacts) -> Gate:
    """How many of its queue may run at once."""
    most = (facts.work or {}).get(queue.name, {}).get("concurrency")
    busy = queue.row["in_flight"]
    if most is None:
        return Gate("queue places", f"{busy:,} of queue {queue.name} run", numbers={"running": busy})
    numbers = {"running": busy, "concurrency": most}
    if busy >= most:
        return shut("queue places", f"all {most} places of queue {queue.name} are taken", numbers=numbers)
    return Gate("queue places", f"{busy} of {most} places of queue {queue.name} are taken", numbers=numbers)


def line(job: Row, ahead: int | None) -> Gate:
    """Its place in the line of its queue. Never open: what passes it runs."""
    if job["ready"] != 1:
        return shut("line", "it stands in line once it is due and its stage has begun")
    if ahead is None:
        return shut("line", "1,000 or more go first, by priority and the time they waited")
    if ahead:
        return shut(
            "line", f"{_n(ahead)} of its queue {'goes' if ahead == 1 else 'go'} first", numbers={"ahead": ahead}
        )
    return shut("line", "it is next: it begins when the engine has looked", numbers={"ahead": 0})


def engine(facts: EngineFacts, queue: str) -> Gate:
    """Whether an engine runs the jobs of this queue now."""
    if not facts.runs:
        return shut(
            "engine", "no engine runs, so nothing is done", person=True, action="engine.start",
            remedy="paceline engine run",
        )  # fmt: skip
    if facts.work is not None and queue not in facts.work:
        return shut(
            "engine", f"queue {queue} is no longer in the configuration", person=True,
            remedy=f"put [jobs.queues.{queue}] back, then paceline engine reload",
        )  # fmt: skip
    return going(facts, (facts.work or {}).get(queue, {}).get("trouble") or "")
