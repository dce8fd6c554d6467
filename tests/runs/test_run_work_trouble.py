"""Background jobs whose processors misbehave, and engines that are changed while they run them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from work_world import Script, Scripted, WorkWorld

from engine.processors.context import RunContext
from engine.processors.processor import Done, Outcome, Processor
from engine.processors.registry import Registry
from storage.model import HOUR, MINUTE, SECOND
from tests.support.simulated import SimulatedClock


class Rude(Processor[Script]):
    """Does what no processor should; `name` says what."""

    kind = "rude"
    about = "misbehaves"
    payload = Script
    swallowed: ClassVar[int] = 0

    async def run(self, context: RunContext, payload: Script) -> Outcome:
        match payload.name:
            case "exit":
                sys.exit("enough")
            case "cancelled within":
                inner = asyncio.ensure_future(asyncio.Event().wait())
                inner.cancel()
                await inner
            case "half a character":
                raise ValueError("file \udcff is not there")
            case "speechless":
                raise SpeechlessError
            case "long":
                raise ValueError("x" * 10_000_000)
            case "huge result":
                return {"text": "x" * 10_000_000}
            case "half a flag":
                return Done(flag="\udcff")
            case "swallows its end":
                while True:
                    try:
                        await context.clock.sleep(HOUR)
                    except asyncio.CancelledError:
                        type(self).swallowed += 1
                        if self.swallowed > 2:
                            raise
        return Done()


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.fixture
async def work(tmp_path: Path, clock: SimulatedClock, unhurried: None) -> AsyncIterator[WorkWorld]:
    made = WorkWorld(tmp_path, clock)
    made.registry = Registry({kind.kind: kind for kind in (Scripted, Rude, Rows)})
    made.work_settings = {"backoff": {"first": "10s", "jitter": 0}}
    Rude.swallowed = 0
    await made.start()
    yield made
    await made.stop()
    made.true_books()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exit", "SystemExit: enough"),
        ("cancelled within", "CancelledError"),
        ("half a character", "ValueError: file ? is not there"),
        ("speechless", "SpeechlessError"),
    ],
)
async def test_whatever_a_processor_raises_is_its_own_trouble(work: WorkWorld, name: str, said: str) -> None:
    bad = await work.add(name, kind="rude", job={"retries": 0})
    good = await work.add("good", takes=1)
    await work.finish()
    assert (work.job(bad)["state"], work.job(bad)["last_error"]) == ("failed", said)
    assert work.job(good)["state"] == "completed"


async def test_a_long_word_is_cut(work: WorkWorld) -> None:
    bad = await work.add("long", kind="rude", job={"retries": 0})
    await work.finish()
    assert len(work.job(bad)["last_error"]) <= 2_000


@pytest.mark.parametrize(
    ("name", "flag"), [("huge result", "its result has more than 65,536 characters"), ("half a flag", "?")]
)
async def test_what_cannot_be_kept_does_not_fail_the_run(work: WorkWorld, name: str, flag: str) -> None:
    job_id = await work.add(name, kind="rude")
    await work.finish()
    job = work.job(job_id)
    assert (job["state"], job["result"]) == ("completed", "")
    assert job["flag"].startswith(flag)


async def test_a_processor_that_swallows_its_end_is_asked_again(work: WorkWorld) -> None:
    job_id = await work.add("swallows its end", kind="rude", job={"retries": 0, "timeout": 30 * SECOND})
    await work.finish()
    assert work.job(job_id)["last_error"] == "timed out after 30s"
    assert Rude.swallowed == 3


async def test_jobs_that_never_wait_and_jobs_that_do_share_a_queue(work: WorkWorld) -> None:
    slow = [await work.add(f"slow {n}", takes=10) for n in range(2)]
    quick = [await work.add(f"quick {n}") for n in range(40)]
    begun = work.clock.now()
    await work.finish()
    assert all(work.job(one)["finished_at"] == begun for one in quick)
    assert all(work.job(one)["finished_at"] == begun + 10 * SECOND for one in slow)


async def test_a_queue_that_comes_back_before_it_has_ended_goes_on(work: WorkWorld) -> None:
    work.work_settings["queues"] = {"slow": {"concurrency": 1}}
    await _reload(work)
    first = await work.add("first", takes=3, job={"queue": "slow"})
    second = await work.add("second", takes=3, job={"queue": "slow"})
    await work.clock.run(SECOND)
    work.work_settings["queues"] = {}
    await _reload(work)
    work.work_settings["queues"] = {"slow": {"concurrency": 1}}
    await _reload(work)
    await work.finish()
    assert [work.job(one)["state"] for one in (first, second)] == ["completed", "completed"]


async def test_a_queue_that_comes_back_after_it_has_ended_begins_anew(work: WorkWorld) -> None:
    for queues in ({"slow": {"concurrency": 1}}, {}, {"slow": {"concurrency": 1}}):
        work.work_settings["queues"] = queues
        await _reload(work)
        await work.clock.run(MINUTE)
    job_id = await work.add(job={"queue": "slow"})
    await work.finish()
    assert work.job(job_id)["state"] == "completed"


async def test_more_places_are_used_at_once_and_fewer_as_jobs_end(work: WorkWorld) -> None:
    for n in range(12):
        await work.add(str(n), takes=10)
    await work.clock.run(SECOND)
    assert len(Scripted.ledger) == 3
    work.work_settings["concurrency"] = 6
    await _reload(work)
    await work.clock.run(SECOND)
    assert len(Scripted.ledger) == 6
    work.work_settings["concurrency"] = 1
    await _reload(work)
    Scripted.together["most"] = 0
    await work.clock.run(30 * SECOND)
    assert Scripted.together["now"] == 1
    await work.finish()
    assert len(Scripted.finished) == 12


async def test_a_job_is_asked_to_end_while_its_engine_drains(work: WorkWorld) -> None:
    job_id = await work.add(takes=200)
    await work.clock.run(SECOND)
    await work.call("job.end", ids=[job_id])
    await work.restart()
    assert work.job(job_id)["attempts"] == 0
    await work.finish()
    assert work.job(job_id)["state"] == "completed"


async def _reload(work: WorkWorld) -> dict[str, Any]:
    work.write_config()
    return await work.call("engine.reload")


class Rows(Processor[Script]):
    """Maps items that misbehave, or tells how far it is in its own way."""

    kind = "rows"
    about = "has items that misbehave"
    payload = Script

    async def run(self, context: RunContext, payload: Script) -> Outcome:
        if payload.name == "storm":
            for n in range(1, 2_001):
                await context.progress(n, 1, "more than all")
            await context.progress(5, 10, "the last word")
            return Done()
        mapped = await context.map(["good", "exit", "cancelled", "set", "half", "slow"], partial(_row, context), 3)
        return {"good": len(mapped.values), **mapped.errors}


async def _row(context: RunContext, what: str) -> Any:
    match what:
        case "exit":
            sys.exit(3)
        case "cancelled":
            raise asyncio.CancelledError
        case "set":
            return {1, 2}
        case "half":
            return "\udcff"
        case "slow":
            await context.clock.sleep(HOUR)
    return what


async def test_items_that_misbehave_are_errors_of_their_own(work: WorkWorld) -> None:
    job_id = await work.add(kind="rows", job={"timeout": 2 * HOUR})
    await work.clock.run(MINUTE)
    # The slow one holds nothing up: what was done is written while it goes on.
    kept = work.read(lambda reader: reader.rows("SELECT key, done FROM task_items ORDER BY key"))
    assert [(row["key"], row["done"]) for row in kept] == [("0", 1), ("1", 0), ("2", 0), ("3", 0), ("4", 0)]
    await work.finish()
    result = json.loads(work.job(job_id)["result"])
    assert result["good"] == 2
    assert sorted(result) == ["1", "2", "3", "4", "good"]


async def test_a_storm_of_progress_is_written_seldom_and_its_last_word_always(work: WorkWorld) -> None:
    before = work.engine.store.writer.commits
    job_id = await work.add("storm", kind="rows")
    await work.finish()
    job = work.job(job_id)
    assert (job["done"], job["total"]) == (5, 10)
    assert work.engine.store.writer.commits - before < 50


@pytest.mark.parametrize("jump", [3 * HOUR, -3 * HOUR])
async def test_a_clock_that_jumps_neither_loses_nor_repeats_what_runs(work: WorkWorld, jump: int) -> None:
    running = await work.add("running", takes=10 * 60, job={"timeout": HOUR})
    await work.clock.run(MINUTE)
    work.clock.step_wall(jump)
    after = await work.add("after", takes=1)
    await work.clock.run(5 * MINUTE)
    assert work.job(after)["state"] == "completed"
    await work.finish()
    assert work.job(running)["state"] == "completed"
    assert Scripted.ledger.count("running") == 1
