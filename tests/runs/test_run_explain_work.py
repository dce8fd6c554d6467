"""No open background job without an answer: random work on the real store, asked at random moments why it waits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from work_world import Scripted, WorkWorld

from engine.explain import queue_gates
from engine.explain.asking import Asking
from engine.explain.facts import EngineFacts
from engine.explain.model import Explanation
from storage.model import HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.support.simulated import SimulatedClock

OPEN = ("held", "pending", "processing")


@pytest.fixture
async def work(tmp_path: Path, clock: SimulatedClock, unhurried: None) -> AsyncIterator[WorkWorld]:
    made = WorkWorld(tmp_path, clock)
    made.work_settings = {
        "backoff": {"first": "10s", "jitter": 0},
        "concurrency": 2,
        "queues": {"slow": {"concurrency": 1}},
    }
    yield made
    await made.stop()
    made.check()
    made.true_books()


def asking(world: WorkWorld, reader: Reader) -> Asking:
    status = world.engine.status() if world.running else {}
    paused = bool(reader.engine()["paused"])
    return Asking(reader, world.clock.now(), EngineFacts.told(status, runs=world.running, paused=paused))


def ask(world: WorkWorld, job_id: int) -> Explanation:
    return world.read(lambda reader: asking(world, reader).job(job_id))


def held_by(world: WorkWorld, job_id: int) -> tuple[str, str]:
    held = ask(world, job_id).holding
    assert held is not None
    return held.name, held.words


class Examiner:
    """Asks every open job, and compares the times that were said with those at which runs began."""

    def __init__(self, world: WorkWorld) -> None:
        self.world = world
        self.said: dict[int, tuple[int, int]] = {}
        self.gates: Counter[str] = Counter()

    def look(self) -> None:
        with Reader(self.world.database) as reader:
            self._compare(reader)
            questions = asking(self.world, reader)
            for row in reader.rows("SELECT id, state, attempts FROM jobs"):
                answer = questions.job(row["id"])
                if row["state"] not in OPEN:
                    assert answer.said, answer
                    assert answer.holding is None
                    continue
                held = answer.holding
                if row["state"] == "processing" and self.world.running:
                    assert answer.said.startswith("it runs"), answer
                    continue
                assert held is not None, answer
                assert held.words
                self.gates[held.name] += 1
                if held.opens_at is not None:
                    assert held.opens_at > self.world.clock.now()
                    self.said[row["id"]] = held.opens_at, row["attempts"]

    def _compare(self, reader: Reader) -> None:
        for job_id, (opens_at, attempts) in list(self.said.items()):
            begun = reader.rows(
                "SELECT min(intent_at) AS at FROM attempts WHERE job_id = ? AND number > ?", (job_id, attempts)
            )[0]["at"]
            if begun is not None:
                assert begun >= opens_at
                del self.said[job_id]


ENDS: tuple[tuple[str, ...], ...] = (
    ("done",), ("done",), ("empty",), ("again", "done"), ("no luck", "done"), ("no luck",), ("permanent",), ("held",),
)  # fmt: skip


async def _more(world: WorkWorld, rng: random.Random) -> None:
    """A batch of jobs, some of them in stages."""
    batch = (await world.call("job.begin"))["batch_id"]
    rows = [
        {
            "kind": rng.choice(("scripted", "scripted", "once")),
            "queue": rng.choice(("default", "default", "slow")),
            "payload": {"takes": rng.choice((0, 5, 90)), "ends": rng.choice(ENDS), "looks": True},
            "priority": rng.randint(1, 10),
            "stage": rng.choice((0, 1, 1, 2, 3)),
            "retries": rng.choice((0, 1)),
            **({"due_at": world.clock.now() + rng.randrange(HOUR)} if rng.random() < 0.3 else {}),
        }
        for _ in range(rng.randint(1, 8))
    ]  # fmt: skip
    await world.call("job.rows", batch_id=batch, rows=rows)
    await world.call("job.commit", batch_id=batch, go_on=rng.random() < 0.3)


async def _act(world: WorkWorld, rng: random.Random, examiner: Examiner) -> None:
    """Something that a person does, as far as it can be done now."""
    examiner.said.clear()
    states: dict[str, list[int]] = {}
    for row in world.rows("SELECT id, state FROM jobs"):
        states.setdefault(row["state"], []).append(row["id"])
    match rng.randrange(7):
        case 0:
            await world.call("queue.pause", name=rng.choice(("default", "slow")))
        case 1:
            await world.call("engine.pause")
        case 2 if states.get("pending"):
            await world.call("job.cancel", ids=rng.sample(states["pending"], 1))
        case 3 if states.get("failed"):
            await world.call("job.retry", ids=states["failed"])
        case 4 if states.get("processing"):
            await world.call("job.end", ids=states["processing"])
        case _:
            for name in ("default", "slow"):
                await world.call("queue.resume", name=name)
            await world.call("engine.resume")


@pytest.mark.parametrize("seed", range(8))
async def test_no_open_background_job_is_without_an_answer(work: WorkWorld, seed: int) -> None:
    rng = random.Random(seed)
    await work.start()
    examiner = Examiner(work)
    for _ in range(40):
        examiner.look()
        drawn = rng.random()
        if drawn < 0.06:
            await work.stop()
            examiner.look()
            await work.start()
        elif drawn < 0.3:
            await _act(work, rng, examiner)
        elif drawn < 0.6:
            await _more(work, rng)
        await work.clock.run(int(rng.choice((SECOND, 10 * SECOND, MINUTE, 10 * MINUTE)) * rng.uniform(0.1, 1)))
    assert len(examiner.gates) > 1


async def test_a_job_tells_how_many_go_before_it_by_priority_as_waiting_has_raised_it(work: WorkWorld) -> None:
    await work.start()
    await work.call("engine.pause")
    early = await work.add(job={"priority": 3})
    await work.clock.run(25 * MINUTE)
    low, high = await work.add(job={"priority": 5}), await work.add(job={"priority": 6})
    lines = {id: next(gate for gate in ask(work, id).gates if gate.name == "line") for id in (early, low, high)}
    # 25 minutes have raised the first one by two steps, so it goes before the second, which is as high and came later.
    assert {id: gate.numbers["ahead"] for id, gate in lines.items()} == {high: 0, early: 1, low: 2}
    await work.call("engine.resume")
    await work.clock.run(MINUTE)
    assert [row["job_id"] for row in work.rows("SELECT job_id FROM attempts ORDER BY id")] == [high, early, low]


async def test_a_stage_tells_what_it_waits_for(work: WorkWorld) -> None:
    await work.start()
    batch = (await work.call("job.begin"))["batch_id"]
    scripts: list[dict[str, Any]] = [{"takes": 30, "ends": ["permanent"]}, {}]
    rows = [{"kind": "scripted", "payload": script, "stage": n} for n, script in enumerate(scripts, 1)]
    first, second = (await work.call("job.rows", batch_id=batch, rows=rows))["ids"]
    assert held_by(work, second) == ("batch", "its batch is still being made")
    await work.call("job.commit", batch_id=batch)
    await work.clock.run(10 * SECOND)
    assert held_by(work, second) == ("stage", "stage 2 waits: 1 job of the stages before it is open")
    await work.clock.run(MINUTE)
    held = ask(work, second).holding
    assert held is not None
    assert held.person
    assert held.words == "stage 2 waits: 1 job before it failed"
    assert held.remedy == f'paceline job retry --filter "batch:{batch} state:failed"'
    assert ask(work, first).said == "failed: no such customer"


async def test_a_job_that_runs_tells_how_far_it_is_and_who_asked_it_to_end(work: WorkWorld) -> None:
    await work.start()
    job_id = await work.add(kind="once", takes=120, looks=True)
    await work.clock.run(SECOND)
    assert ask(work, job_id).said == "it runs"
    await work.call("job.end", ids=[job_id])
    assert ask(work, job_id).said == "it runs; ana asked it to end"


async def test_a_full_queue_and_one_that_is_gone_are_named(work: WorkWorld) -> None:
    await work.start()
    for _ in range(3):
        last = await work.add(takes=60)
    await work.clock.run(SECOND)
    gates = {gate.name: gate.words for gate in ask(work, last).gates}
    assert gates["queue places"] == "all 2 places of queue default are taken"
    slow = await work.add(job={"queue": "slow", "due_at": work.clock.now() + HOUR})
    work.work_settings["queues"] = {}
    work.write_config()
    await work.call("engine.reload")
    held = ask(work, slow).holding
    assert held is not None
    assert held.words == "queue slow is no longer in the configuration"
    assert Scripted.ledger == ["", ""]


async def test_what_is_held_tells_why_and_what_frees_it(work: WorkWorld) -> None:
    await work.start()
    job_id = await work.add(ends=["held"])
    await work.clock.run(SECOND)
    held = ask(work, job_id).holding
    assert held is not None
    assert held.words == "held, something is to be put right first: configure the gateway"
    assert held.remedy == f"paceline job retry {job_id}"
    waiting = await work.add(job={"due_at": work.clock.now() + HOUR})
    await work.call("job.cancel", ids=[waiting])
    assert "it becomes skipped" in held_by(work, waiting)[1]


async def test_a_queue_of_background_jobs_explains_itself(work: WorkWorld) -> None:
    await work.start()
    await work.call("queue.pause", name="slow")
    queue = work.read(lambda reader: asking(work, reader).queue("slow"))
    assert queue.holding is not None
    assert queue.holding.remedy == "paceline queue resume slow"


def test_an_engine_for_background_jobs_alone_says_that_it_does_not_send() -> None:
    facts = EngineFacts.told({"queues": [], "work": [], "sends": False}, runs=True, paused=False)
    gate = queue_gates.engine(facts, "one")
    assert (gate.open, gate.words) == (False, "the engine that runs does background jobs only")
