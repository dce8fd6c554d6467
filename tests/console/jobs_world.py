"""A store with background jobs in every state, a run of a pipeline, and a kind that nobody has installed, at fixed
times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from storage.model import HOUR, MINUTE, SECOND, JobState, OutcomeClass, StageState
from storage.stages import Stage
from storage.tasks import ClaimedTask, NewTask, TaskClaim, TaskEnd
from storage.work_terms import CHANNEL
from tests.console.world import NOON, World

PROSPECTS = "daily_prospect_queue"
STAGES = ("quota", "discover", "rank", "draft", "queue", "events")
FIGURES: tuple[tuple[int, dict[str, int]], ...] = (
    (10, {"queued_today": 0, "remaining": 50}),
    (130, {"discovered": 150, "tested": 150}),
    (30, {"scored": 120, "high_priority": 75, "uncontacted": 75, "selected": 50}),
    (30, {"generated": 50}),
    (30, {"queued": 50}),
    (10, {"events": 51}),
)
"""How long each stage of a run takes (s), and what it counts."""


class Jobs:
    """Makes background jobs in a world, runs them in the mind, and says how they ended."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store
        self.queue = world.run(world.store.ensure_queue("default", CHANNEL))

    def add(self, kind: str, payload: dict[str, Any] | None = None, **more: Any) -> int:
        text = json.dumps(payload or {}, ensure_ascii=False)
        task = NewTask(kind, self.queue.id, self.world.clock.at, text, **more)
        _, [made] = self.world.run(self.store.enqueue([task], name=kind, actor="ana"))
        return int(made.id)

    def claim(self, n: int = 1) -> list[ClaimedTask]:
        now = self.world.clock.at
        self.world.run(self.store.promote())
        ask = TaskClaim(self.queue.id, n, now, now + HOUR, 0, self.store.epoch)
        found: list[ClaimedTask] = self.world.run(self.store.claim_tasks(lambda: ask))
        return found

    def end(
        self, task: ClaimedTask, state: JobState, outcome: OutcomeClass, *, took: int = 2 * SECOND, **more: Any
    ) -> None:
        self.world.clock.at += took
        self.world.run(self.store.finish_tasks([TaskEnd(task, self.world.clock.at, state, outcome, **more)]))

    def done(self, kind: str, payload: dict[str, Any] | None = None, **more: Any) -> int:
        given = {name: more.pop(name) for name in ("unique_key", "origin", "effect") if name in more}
        job_id = self.add(kind, payload, **given)
        self.end(self.claim()[0], JobState.COMPLETED, OutcomeClass.ACCEPTED, **more)
        return job_id

    def failed(self, kind: str, error: str, payload: dict[str, Any] | None = None) -> int:
        job_id = self.add(kind, payload)
        self.end(
            self.claim()[0], JobState.FAILED, OutcomeClass.PERMANENT, error=error, error_key=error[:60], took=SECOND
        )
        return job_id

    def pipeline(self, *, stop_at: int = 0) -> int:
        """A run of the prospects' pipeline, to its end or up to a stage that is still running."""
        job_id = self.add(PROSPECTS, {"campaign": "prospects", "source": {"path": "p.csv"}}, origin="schedule:daily")
        task = self.claim()[0]
        self.world.run(self.store.ladder(job_id, STAGES))
        for position, (name, (took, counters)) in enumerate(zip(STAGES, FIGURES, strict=True), 1):
            began = self.world.clock.at
            stage = Stage(position, name, StageState.RUNNING, {}, {}, started_at=began)
            self.world.run(self.store.note_stage(task, stage))
            self.world.run(self.store.note_progress(task, position - 1, len(STAGES), name))
            if position == stop_at:
                return job_id
            self.world.clock.at += took * SECOND
            flag = "120 scored, 40 to 100 are usual" if name == "rank" else ""
            over = Stage(
                position, name, StageState.DONE, counters, {}, flag=flag, started_at=began,
                finished_at=self.world.clock.at,
            )  # fmt: skip
            self.world.run(self.store.note_stage(task, over))
        result = json.dumps({"prospectsDiscovered": 150, "prospectsQueued": 50})
        self.end(task, JobState.COMPLETED, OutcomeClass.ACCEPTED, took=0, result=result)
        return job_id


def working(folder: Path) -> World:
    """The world of the pictures: jobs of a shop's day, none of them a message."""
    world = World(folder)
    fill(world)
    return world


def fill(world: World) -> Jobs:
    world.clock.at = NOON - 6 * HOUR
    jobs = Jobs(world)
    jobs.pipeline()
    for i in range(12):
        world.clock.at = NOON - (5 * HOUR) + i * 20 * MINUTE
        result = json.dumps({"rows": 40 + i})
        jobs.done("sync_customer_data", {"path": f"customers-{i}.csv"}, took=(2 + i % 5) * SECOND, result=result)
    world.clock.at = NOON - 70 * MINUTE
    jobs.failed("generate_report", "the folder reports cannot be written", {"of": "campaigns", "format": "csv"})
    jobs.failed("sync_customer_data", "customers-13.csv is not there", {"path": "customers-13.csv"})
    jobs.done("cleanup_old_data", {"days": 30}, flag="empty: nothing was old enough", origin="schedule:nightly")
    jobs.add(
        "process_payment", {"order": "A-17", "amount": 120}, effect="unrepeatable", unique_key="process_payment:A-17"
    )
    jobs.end(
        jobs.claim()[0], JobState.UNCERTAIN, OutcomeClass.UNCERTAIN, error="its engine ended while it ran",
        error_key="engine ended",
    )  # fmt: skip
    world.clock.at = NOON - 4 * MINUTE
    jobs.add("update_analytics", {"days": 7})
    [task] = jobs.claim()
    world.run(world.store.keep_items(task, "items", [("0", True, '{"n": 1}'), ("1", False, "no such day")]))
    world.run(world.store.note_progress(task, 45, 100, "adding up"))
    world.clock.at = NOON - 2 * MINUTE
    jobs.pipeline(stop_at=3)
    world.clock.at = NOON - MINUTE
    for i in range(3):
        jobs.add("send_reminder", {"order": f"B-{i}"}, priority=8)
    world.clock.at = NOON
    return jobs
