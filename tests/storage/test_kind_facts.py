"""Background jobs by kind: what the sums by the hour say of success and times, also of runs that nobody timed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage import kind_facts
from storage.model import HOUR, SECOND, Effect, JobState, OutcomeClass
from storage.task_endings import bucket_of
from storage.tasks import NewTask, TaskClaim, TaskEnd
from tests.support.stores import Desk


def summed(durations: list[int]) -> list[dict[str, int]]:
    """As `kind_hours` keeps them: a row a bucket."""
    rows: dict[int, dict[str, int]] = {}
    for took in durations:
        row = rows.setdefault(
            bucket_of(took), {"bucket": bucket_of(took), "n": 0, "duration": 0, "shortest": took, "longest": took}
        )
        row["n"] += 1
        row["duration"] += took
        row["shortest"], row["longest"] = min(row["shortest"], took), max(row["longest"], took)
    return list(rows.values())


@given(st.lists(st.integers(1_000, HOUR), min_size=1, max_size=200))
def test_quantiles_of_buckets_lie_within_a_tenth_of_the_true_ones(durations: list[int]) -> None:
    times = kind_facts.times_of(summed(durations))
    assert times is not None
    ordered = sorted(durations)
    assert (times.n, times.shortest, times.longest) == (len(ordered), ordered[0], ordered[-1])
    assert times.average == sum(ordered) // len(ordered)
    for percent, found in ((50, times.p50), (95, times.p95)):
        true = ordered[-(-len(ordered) * percent // 100) - 1]
        assert abs(found - true) <= 0.1 * true


def test_no_run_has_no_times() -> None:
    assert kind_facts.times_of([]) is None


async def run(desk: Desk, queue_id: int, state: JobState, took: int) -> None:
    request = TaskClaim(queue_id, 1, desk.clock(), desk.clock() + HOUR, 0, desk.store.epoch)
    [task] = await desk.store.claim_tasks(lambda: request)
    outcome = OutcomeClass.ACCEPTED if state is JobState.COMPLETED else OutcomeClass.PERMANENT
    error = "" if state is JobState.COMPLETED else "no luck"
    desk.clock.step(took)
    end = TaskEnd(task, desk.clock(), state, outcome, error_key=error, error=error)
    assert await desk.store.finish_tasks([end]) == [True]


async def jobs(desk: Desk, n: int, **more: str) -> int:
    queue = await desk.store.ensure_queue("default", "jobs")
    new = [NewTask("report", queue.id, desk.clock(), **more) for _ in range(n)]  # type: ignore[arg-type]
    await desk.store.enqueue(new, name="", actor="ana")
    return queue.id


async def test_the_rate_is_that_of_the_jobs_that_ended_for_good(desk: Desk) -> None:
    queue_id = await jobs(desk, 5)
    for state in (JobState.COMPLETED, JobState.COMPLETED, JobState.COMPLETED, JobState.FAILED):
        await run(desk, queue_id, state, 2 * SECOND)
    runs = kind_facts.runs(desk.look, ["report"], 0)
    assert (runs.rated, runs.success_rate) == (4, 0.75)
    assert runs.times is not None
    assert (runs.times.n, runs.times.average) == (3, 2 * SECOND)
    assert kind_facts.runs(desk.look, ["report"], desk.clock() + HOUR).success_rate is None
    counts = kind_facts.totals(desk.look)["report"]
    assert (counts["pending"], counts["completed"], counts["failed"]) == (1, 3, 1)
    assert [queue["pending"] for queue in kind_facts.queues(desk.look)] == [1]
    [hour] = kind_facts.hours(desk.look, ["report"], 0)
    assert (hour["completed"], hour["failed"], hour["duration"]) == (3, 1, 6 * SECOND)


async def test_a_run_whose_engine_died_counts_as_well(desk: Desk) -> None:
    queue_id = await jobs(desk, 1)
    await jobs(desk, 1, effect=Effect.UNREPEATABLE.value)
    for _ in range(3):
        request = TaskClaim(queue_id, 2, desk.clock(), desk.clock() + HOUR, 0, desk.store.epoch)
        await desk.store.claim_tasks(lambda request=request: request)  # type: ignore[misc]
        await desk.store.rescue(everything=True)
    ended = kind_facts.runs(desk.look, ["report"], 0).ended
    assert (ended["failed"], ended["uncertain"]) == (1, 1)
    [poisoned] = [row for row in desk.look.failures() if row["state"] == "failed"]
    assert (poisoned["campaign"], poisoned["campaign_id"]) == (None, 0)
    assert poisoned["last_at"] == desk.clock()


async def test_what_is_due_is_known_without_looking_at_every_job(desk: Desk) -> None:
    assert not kind_facts.anything_due(desk.look, desk.clock())
    await jobs(desk, 1)
    assert kind_facts.anything_due(desk.look, desk.clock())
