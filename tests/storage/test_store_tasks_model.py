"""Random lives of background jobs beside a model that a page holds: the store claims what the model would, and every
job is in the state that the model says."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.endings import POISON
from storage.model import MINUTE, Effect, JobState, OutcomeClass
from storage.tasks import ClaimedTask, NewTask, TaskClaim, TaskEnd
from storage.work_terms import CHANNEL
from tests.support.stores import LEASE, Desk

AGEING = 10 * MINUTE
ENDS = {
    "completed": OutcomeClass.ACCEPTED,
    "failed": OutcomeClass.PERMANENT,
    "pending": OutcomeClass.TRANSIENT,
    "uncertain": OutcomeClass.UNCERTAIN,
}
picks = st.integers(0, 50)
steps = st.one_of(
    st.tuples(st.just("make"), st.integers(1, 10), st.integers(-30, 5), st.booleans(), st.sampled_from(("", "", "a"))),
    st.tuples(st.just("claim"), st.integers(1, 4)),
    st.tuples(st.just("end"), picks, st.sampled_from(sorted(ENDS))),
    st.tuples(st.just("end stale"), picks),
    st.tuples(st.just("give back"), picks),
    st.tuples(st.just("renew"), picks),
    st.tuples(st.just("wait"), st.integers(1, 25)),
    st.tuples(st.just("rescue"),),
    st.tuples(st.just("die"),),
)  # fmt: skip


@dataclass
class Job:
    """What the model knows of one job."""

    id: int
    priority: int
    due: int
    once: bool
    key: str
    state: str = "pending"
    ready: bool = False
    lease: int = 0
    until: int = 0
    rescues: int = 0
    runs: int = 0

    @property
    def open(self) -> bool:
        return self.state in ("pending", "processing")

    def raised(self, now: int) -> int:
        return min(10, self.priority + max(0, now - self.due) // AGEING)


@dataclass
class Life:
    desk: Desk
    queue_id: int
    jobs: dict[int, Job] = field(default_factory=dict)
    held: list[ClaimedTask] = field(default_factory=list)
    stale: list[ClaimedTask] = field(default_factory=list)

    async def make(self, priority: int, minutes: int, once: bool, key: str) -> None:
        now = self.desk.clock()
        due = now + minutes * MINUTE
        effect = Effect.UNREPEATABLE if once else Effect.REPEATABLE
        new = NewTask("report", self.queue_id, due, priority=priority, effect=effect.value, unique_key=key)
        [made] = (await self.desk.store.enqueue([new], name="test", actor="ada"))[1]
        known = [job.id for job in self.jobs.values() if key and job.key == key and job.open]
        assert (made.id, made.new) == (known[0], False) if known else made.new
        if made.new:
            self.jobs[made.id] = Job(made.id, priority, due, once, key, ready=due <= now)

    async def claim(self, room: int) -> None:
        now = self.desk.clock()
        wanted = TaskClaim(self.queue_id, room, now, now + LEASE, AGEING, self.desk.store.epoch)
        claimed = await self.desk.store.claim_tasks(lambda: wanted)
        due = sorted(
            (job for job in self.jobs.values() if job.state == "pending" and job.ready),
            key=lambda job: (-job.raised(now), job.due, job.id),
        )[:room]
        suspects = [job for job in due if job.rescues >= POISON - 1]
        expected = [job for job in due if job not in suspects[1:]]
        assert [task.id for task in claimed] == [job.id for job in expected]
        for job, task in zip(expected, claimed, strict=True):
            job.state, job.ready, job.lease, job.until = "processing", False, job.lease + 1, now + LEASE
            assert (task.lease, task.rescues, task.attempt_id is not None) == (job.lease, job.rescues, job.once)
            self.held.append(task)

    async def end(self, pick: int, state: str) -> None:
        if not self.held:
            return
        task, now = self.held.pop(pick % len(self.held)), self.desk.clock()
        due = now + MINUTE if state == "pending" else None
        key = "" if state == "completed" else "broken"
        ended = TaskEnd(task, now, JobState(state), ENDS[state], due_at=due, error_key=key, error=key)
        assert await self.desk.store.finish_tasks([ended]) == [True]
        job = self.jobs[task.id]
        job.state, job.due, job.runs = state, due or job.due, job.runs + 1
        self.stale.append(task)

    async def end_stale(self, pick: int) -> None:
        if self.stale:
            task = self.stale[pick % len(self.stale)]
            ended = TaskEnd(task, self.desk.clock(), JobState.COMPLETED, OutcomeClass.ACCEPTED)
            assert await self.desk.store.finish_tasks([ended]) == [False]

    async def give_back(self, pick: int) -> None:
        if self.held:
            task = self.held.pop(pick % len(self.held))
            assert await self.desk.store.give_back([task]) == 1
            self.jobs[task.id].state, self.jobs[task.id].ready = "pending", True
            self.stale.append(task)

    async def renew(self, pick: int) -> None:
        if self.held:
            task = self.held[pick % len(self.held)]
            until = self.desk.clock() + LEASE
            assert await self.desk.store.renew_leases([(task.id, task.lease)], until) == []
            self.jobs[task.id].until = until

    async def wait(self, minutes: int) -> None:
        now = self.desk.clock.step(minutes * MINUTE)
        await self.desk.store.promote()
        for job in self.jobs.values():
            job.ready = job.ready or (job.state == "pending" and job.due <= now)

    async def rescue(self) -> None:
        await self.desk.store.rescue(everything=False)
        self._rescued(lambda job: job.until < self.desk.clock())

    async def die(self) -> None:
        await self.desk.kill()
        await self.desk.store.rescue(everything=True)
        self._rescued(lambda job: True)

    def _rescued(self, lost: Any) -> None:
        for task in list(self.held):
            job = self.jobs[task.id]
            if not lost(job):
                continue
            self.held.remove(task)
            self.stale.append(task)
            if job.once:
                job.state, job.runs = "uncertain", job.runs + 1
                continue
            job.lease, job.rescues = job.lease + 1, job.rescues + 1
            job.state, job.ready = ("failed", False) if job.rescues >= POISON else ("pending", True)

    def check(self) -> None:
        rows = self.desk.look.rows("SELECT id, state, lease, attempts FROM jobs")
        assert {row["id"]: (row["state"], row["lease"], row["attempts"]) for row in rows} == {
            job.id: (job.state, job.lease, job.runs) for job in self.jobs.values()
        }
        assert self.desk.look.counter_drift() == []


async def live(folder: Path, story: list[tuple[Any, ...]]) -> None:
    desk = await Desk.open("sqlite", folder / "paceline.db")
    try:
        life = Life(desk, (await desk.store.ensure_queue("default", CHANNEL)).id)
        for name, *words in story:
            await getattr(life, name.replace(" ", "_"))(*words)
            life.check()
    finally:
        await desk.close()


@settings(deadline=None, max_examples=40)
@given(st.lists(steps, max_size=30))
def test_the_store_does_what_the_model_does(story: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), story))
