"""Background jobs by a whole engine on simulated time: how they end, wait, share their queue and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from work_world import Scripted, WorkWorld

from storage.errors import PacelineError, RefusedError, UsageError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.simulated import SimulatedClock


@pytest.fixture
async def work(tmp_path: Path, clock: SimulatedClock, unhurried: None) -> AsyncIterator[WorkWorld]:
    made = WorkWorld(tmp_path, clock)
    made.work_settings = {"backoff": {"first": "10s", "jitter": 0}}
    await made.start()
    yield made
    await made.stop()
    made.true_books()


async def test_a_job_runs_and_keeps_its_result(work: WorkWorld) -> None:
    job_id = await work.add("one", takes=2)
    await work.finish()
    job = work.job(job_id)
    assert (job["state"], job["result"], job["flag"]) == ("completed", '{"ok": true}', "")
    assert job["finished_at"] - job["started_at"] == 2 * SECOND
    assert work.attempts(job_id) == [(1, "accepted", "")]


@pytest.mark.parametrize(
    ("ends", "state", "runs", "said"),
    [
        (("broken",), "failed", 4, "RuntimeError: broken"),
        (("broken", "broken", "done"), "completed", 3, ""),
        (("permanent",), "failed", 1, "no such customer"),
        (("not done", "done"), "completed", 2, ""),
        (("again", "again", "again", "again", "again", "done"), "completed", 6, ""),
        (("held",), "held", 1, "configure the gateway"),
    ],
)
async def test_how_a_run_ends_decides_what_follows(
    work: WorkWorld, ends: tuple[str, ...], state: str, runs: int, said: str
) -> None:
    job_id = await work.add(ends=list(ends))
    await work.finish()
    job = work.job(job_id)
    assert (job["state"], job["attempts"], job["last_error"]) == (state, runs, said)


async def test_failed_tries_wait_longer_each_time(work: WorkWorld) -> None:
    job_id = await work.add(ends=["broken"])
    begun = work.clock.now()
    await work.finish()
    rows = work.read(lambda reader: reader.rows("SELECT intent_at FROM attempts WHERE job_id = ?", (job_id,)))
    assert [row["intent_at"] - begun for row in rows] == [0, 10 * SECOND, 30 * SECOND, 70 * SECOND]


@pytest.mark.parametrize(
    ("ends", "flag"),
    [
        ("nothing", "empty: it told of nothing that it did"),
        ("empty", "empty: there was nothing to do"),
        ("flagged", "fewer than expected"),
    ],
)
async def test_a_run_that_did_nothing_or_too_little_is_flagged(work: WorkWorld, ends: str, flag: str) -> None:
    job_id = await work.add(ends=[ends])
    await work.finish()
    job = work.job(job_id)
    assert (job["state"], job["flag"]) == ("completed", flag)


async def test_a_job_that_takes_too_long_is_ended_and_tried_again(work: WorkWorld) -> None:
    job_id = await work.add(takes=100, job={"timeout": 30 * SECOND, "retries": 1})
    await work.finish()
    job = work.job(job_id)
    assert (job["state"], job["attempts"], job["last_error"]) == ("failed", 2, "timed out after 30s")
    assert Scripted.finished == []


async def test_what_must_not_run_twice_is_uncertain_when_nobody_knows(work: WorkWorld) -> None:
    broken = await work.add(kind="once", ends=["broken"])
    late = await work.add(kind="once", takes=100, job={"timeout": 30 * SECOND})
    doubtful = await work.add(kind="once", ends=["doubtful"])
    sure = await work.add("sure", kind="once", ends=["not done", "done"])
    refused = await work.add(kind="once", ends=["permanent"])
    await work.finish()
    assert [work.job(one)["state"] for one in (broken, late, doubtful, sure, refused)] == [
        "uncertain", "uncertain", "uncertain", "completed", "failed",
    ]  # fmt: skip
    assert work.job(broken)["attempts"] == 1
    assert work.job(sure)["attempts"] == 2


async def test_only_so_many_run_at_once(work: WorkWorld) -> None:
    for place in range(10):
        await work.add(str(place), takes=5)
    await work.finish()
    assert Scripted.together["most"] == 3
    assert Scripted.finished == [str(place) for place in range(10)]


async def test_priority_goes_first_and_waiting_raises_it(work: WorkWorld) -> None:
    for place in range(3):
        await work.add(f"first {place}", takes=20 * 60, job={"timeout": HOUR})
    await work.clock.run(SECOND)
    await work.add("low", job={"priority": 1})
    await work.clock.run(15 * MINUTE)
    await work.add("middle", job={"priority": 2})
    await work.add("older middle", job={"priority": 2, "due_at": 0})
    await work.add("high", job={"urgency": "high", "tier": "vip", "value": 15_000})
    await work.finish()
    assert [name for name in Scripted.ledger if not name.startswith("first")] == [
        "high",
        "low",
        "middle",
        "older middle",
    ]


async def test_a_delayed_job_waits_for_its_time(work: WorkWorld) -> None:
    at = work.clock.now() + 3 * HOUR
    job_id = await work.add(job={"due_at": at})
    await work.finish()
    assert work.job(job_id)["started_at"] == at


async def test_one_open_job_a_unique_key(work: WorkWorld) -> None:
    first = await work.add(takes=60, job={"unique": "customer 7"})
    assert await work.add(job={"unique": "customer 7"}) == first
    await work.clock.run(2 * MINUTE)
    later = await work.add(job={"unique": "customer 7"})
    assert later != first
    await work.finish()
    assert work.job(later)["state"] == "completed"


async def test_it_is_written_down_who_made_a_job(work: WorkWorld) -> None:
    first = await work.add("a", takes=60, job={"unique": "a"})
    assert await work.add("a", job={"unique": "a"}) == first, "a known key makes nothing"
    [event] = work.events("job.added")
    assert (event["actor"], event["via"], event["job_id"], event["n"]) == ("ana", "cli", first, 1)
    assert event["text"] == f"ana made job {first}: scripted"


async def test_many_jobs_made_at_once_are_one_event_with_their_number(work: WorkWorld) -> None:
    batch = (await work.call("job.begin", name="nightly"))["batch_id"]
    rows = [{"kind": "scripted", "payload": {"name": f"{n}"}} for n in range(30)]
    await work.call("job.rows", batch_id=batch, rows=rows)
    assert work.events("job.added") == []
    await work.call("job.commit", batch_id=batch)
    await work.call("job.commit", batch_id=batch)
    [event] = work.events("job.added")
    assert (event["n"], event["actor"], event["via"]) == (30, "ana", "cli")
    assert event["text"] == f"ana made 30 jobs of nightly (batch {batch})"
    empty = (await work.call("job.begin"))["batch_id"]
    await work.call("job.commit", batch_id=empty)
    assert len(work.events("job.added")) == 1


async def test_a_running_job_that_looks_ends_at_a_good_place(work: WorkWorld) -> None:
    job_id = await work.add(takes=60, looks=True)
    await work.clock.run(5 * SECOND)
    await work.call("job.end", ids=[job_id])
    await work.clock.run(2 * SECOND)
    job = work.job(job_id)
    assert (job["state"], job["reason"], job["last_error"]) == ("skipped", "cancelled", "ended by ana")


@pytest.mark.parametrize(("kind", "after"), [("scripted", 11), ("stubborn", 15)])
async def test_a_running_job_that_does_not_look_is_ended_where_it_is(work: WorkWorld, kind: str, after: int) -> None:
    job_id = await work.add(kind=kind, takes=200)
    await work.clock.run(5 * SECOND)
    await work.call("job.end", ids=[job_id])
    await work.clock.run(5 * SECOND)
    assert work.job(job_id)["state"] == "processing"
    await work.clock.run(after * SECOND)
    assert work.job(job_id)["state"] == "skipped"


async def test_one_that_must_not_run_twice_is_never_ended_where_it_is(work: WorkWorld) -> None:
    job_id = await work.add("paid", kind="once", takes=60)
    await work.clock.run(SECOND)
    await work.call("job.end", ids=[job_id])
    await work.finish()
    assert work.job(job_id)["state"] == "completed"
    await work.start()
    with pytest.raises(RefusedError, match="none of these jobs runs"):
        await work.call("job.end", ids=[job_id])


async def test_a_drain_gives_back_what_may_be_begun_again(work: WorkWorld) -> None:
    again = await work.add("again", takes=50)
    once = await work.add("once", kind="once", takes=50)
    await work.clock.run(10 * SECOND)
    await work.restart()
    job = work.job(again)
    assert (job["attempts"], work.job(once)["state"]) == (0, "completed")
    await work.finish()
    assert work.job(again)["state"] == "completed"
    assert Scripted.ledger.count("again") == 2
    assert Scripted.ledger.count("once") == 1


async def test_a_cut_leaves_what_must_not_run_twice_uncertain(work: WorkWorld) -> None:
    again = await work.add("again", takes=50)
    once = await work.add("once", kind="once", takes=50)
    await work.clock.run(10 * SECOND)
    await work.cut()
    assert (work.job(again)["state"], work.job(once)["state"]) == ("pending", "uncertain")
    await work.start()
    await work.finish()
    assert Scripted.ledger.count("once") == 1
    assert work.job(again)["state"] == "completed"


async def test_items_are_done_together_and_never_again(work: WorkWorld) -> None:
    """100 items of 200 ms, 50 at once, take 400 ms."""
    job_id = await work.add(items=100, takes=0.2)
    await work.finish()
    job = work.job(job_id)
    assert job["finished_at"] - job["started_at"] == 400_000
    assert (job["done"], job["total"]) == (100, 100)
    assert job["result"] == f'{{"sum": {sum(i * i for i in range(100))}, "failed": 0, "known": 0}}'


async def test_a_run_that_comes_back_goes_on_with_the_items_that_were_not_done(work: WorkWorld) -> None:
    job_id = await work.add(items=10, takes=20, at_once=1)
    await work.clock.run(110 * SECOND)
    await work.restart()
    await work.finish()
    assert work.job(job_id)["result"].endswith('"known": 5}')
    assert sorted(Scripted.ledger) == sorted(["", "", *(f"item {i}" for i in range(10))])


async def test_a_bad_item_does_not_stop_the_others(work: WorkWorld) -> None:
    job_id = await work.add(items=5, takes=1, ends=["item 3"])
    await work.finish()
    assert '"failed": 1' in work.job(job_id)["result"]
    [bad] = work.read(lambda r: r.rows("SELECT key, value FROM task_items WHERE done = 0"))
    assert dict(bad) == {"key": "3", "value": "item 3 is bad"}


async def test_stages_of_a_batch_wait_for_one_another(work: WorkWorld) -> None:
    batch = (await work.call("job.begin", name="nightly"))["batch_id"]
    rows = [
        {"kind": "scripted", "payload": {"name": f"{stage}", "takes": 5}, "stage": stage} for stage in (2, 1, 3, 1, 2)
    ]
    await work.call("job.rows", batch_id=batch, rows=rows)
    await work.call("job.commit", batch_id=batch)
    await work.finish()
    assert Scripted.ledger == ["1", "1", "2", "2", "3"]
    assert Scripted.together["most"] == 2


@pytest.mark.parametrize(("go_on", "ran"), [(False, ["1"]), (True, ["1", "2"])])
async def test_a_stage_that_ended_badly_holds_those_behind_it(work: WorkWorld, go_on: bool, ran: list[str]) -> None:
    batch = (await work.call("job.begin"))["batch_id"]
    rows = [
        {"kind": "scripted", "payload": {"name": "1", "ends": ["permanent", "done"]}, "stage": 1},
        {"kind": "scripted", "payload": {"name": "2"}, "stage": 2},
    ]
    ids = (await work.call("job.rows", batch_id=batch, rows=rows))["ids"]
    await work.call("job.commit", batch_id=batch, go_on=go_on)
    await work.finish()
    assert Scripted.ledger == ran
    if not go_on:
        await work.start()
        await work.call("job.retry", ids=ids[:1])
        await work.finish()
        assert [work.job(one)["state"] for one in ids] == ["completed", "completed"]


async def test_a_batch_that_was_cut_short_is_taken_back(work: WorkWorld) -> None:
    batch = (await work.call("job.begin"))["batch_id"]
    await work.call("job.rows", batch_id=batch, rows=[{"kind": "scripted"}] * 3)
    await work.restart()
    assert work.read(lambda reader: reader.rows("SELECT * FROM jobs")) == []
    assert Scripted.ledger == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "unheard"}, "there is no job kind 'unheard'"),
        ({"kind": "scripted", "payload": {"takes": "long"}}, "payload.takes"),
        ({"kind": "scripted", "payload": {"colour": "red"}}, "payload.colour"),
        ({"kind": "scripted", "queue": "fast"}, "there is no queue 'fast'"),
        ({"kind": "scripted", "urgency": "soon"}, "there is no urgency 'soon'"),
        ({"kind": "scripted", "priority": 3, "tier": "vip"}, "either a number or"),
        ({"kind": "scripted", "colour": 1}, "colour"),
    ],
)
async def test_a_mistake_is_told_with_its_row_and_field(work: WorkWorld, row: dict, said: str) -> None:  # type: ignore[type-arg]
    batch = (await work.call("job.begin"))["batch_id"]
    answer = await work.call("job.rows", batch_id=batch, rows=[{"kind": "scripted"}, row], numbers=[11, 12])
    [error] = answer["errors"]
    assert error["row"] == 12
    assert said in error["error"]
    assert answer["added"] == 0
    if row["kind"] == "unheard" or "colour" not in row:
        with pytest.raises((UsageError, PacelineError)):
            await work.call("job.add", **row)
    await work.call("job.discard", batch_id=batch)


async def test_a_paused_queue_begins_nothing(work: WorkWorld) -> None:
    await work.call("queue.pause", name="default")
    job_id = await work.add()
    await work.clock.run(HOUR)
    assert work.job(job_id)["state"] == "pending"
    await work.call("queue.resume", name="default")
    await work.finish()
    assert work.job(job_id)["state"] == "completed"


async def test_a_kind_that_is_gone_waits_for_a_person(work: WorkWorld) -> None:
    await work.call("queue.pause", name="default")
    job_id = await work.add()
    await work.stop()
    assert work.registry is not None
    kinds, work.registry = work.registry, type(work.registry)()
    await work.start()
    await work.call("queue.resume", name="default")
    await work.finish()
    assert (work.job(job_id)["state"], work.job(job_id)["reason"]) == ("held", "configuration")
    work.registry = kinds
    await work.start()
    await work.call("job.retry", ids=[job_id])
    await work.finish()
    assert work.job(job_id)["state"] == "completed"
