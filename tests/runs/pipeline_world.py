"""A world with pipelines: the daily prospects on the example's people, and one whose stages are told what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, ClassVar

import pytest
from run_world import World

from engine.processors import daily_prospects
from engine.processors.context import RunContext
from engine.processors.daily_prospects import DailyProspects
from engine.processors.pipeline import Course, Pipeline, StageCode, StageEnd
from engine.processors.processor import Payload
from engine.processors.registry import Registry
from storage.model import HOUR, SECOND
from storage.pipeline_facts import runs
from tests.support.simulated import SimulatedClock, UnderWay

EXAMPLE = Path(__file__).parents[2] / "examples" / "prospects"
DAILY = "daily_prospect_queue"


class Told(Payload):
    """`fails`: the stages that fail at their first try; `stop`: the one that ends the run."""

    fails: tuple[str, ...] = ()
    stop: str = ""


class Scripted(Pipeline[Told]):
    """Three stages; each tells the ledger that it ran, and gives the next one its own word."""

    kind: ClassVar[str] = "scripted_stages"
    about: ClassVar[str] = "does what its payload says"
    payload = Told
    stages: ClassVar[tuple[str, ...]] = ("first", "second", "third")
    ledger: ClassVar[list[str]] = []

    def steps(self) -> tuple[StageCode, ...]:
        return tuple(map(_stage_of, self.stages))


def _stage_of(name: str) -> StageCode:
    async def stage(context: RunContext, payload: Told, course: Course) -> StageEnd:
        Scripted.ledger.append(f"{name} after {', '.join(course.outputs) or 'nothing'}")
        await context.clock.sleep(10 * SECOND)
        if name in payload.fails and context.attempt == 1:
            raise RuntimeError(f"{name} is broken")
        return StageEnd({name: 7}, {name: True}, stop="there is enough" if payload.stop == name else "")

    return stage


class Resting(DailyProspects):
    """The daily prospects, with an hour between the end of one stage's code and what is written of it."""

    rest_after: ClassVar[str] = ""
    resting: ClassVar[bool] = False

    def steps(self) -> tuple[StageCode, ...]:
        return tuple(_resting(name, code) for name, code in zip(self.stages, super().steps(), strict=True))


def _resting(name: str, code: StageCode) -> StageCode:
    async def stage(context: RunContext, payload: Any, course: Course) -> StageEnd:
        end = await code(context, payload, course)
        if name == Resting.rest_after:
            Resting.rest_after, Resting.resting = "", True
            await context.clock.sleep(HOUR)
        return end

    return stage


class PipelineWorld(World):
    """An engine that knows both pipelines, and the example's payload."""

    def __init__(self, folder: Path, clock: SimulatedClock, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, clock)
        self.registry = Registry({DAILY: Resting, Scripted.kind: Scripted})
        self.work_settings = {"folder": str(EXAMPLE), "backoff": {"first": "10s", "jitter": 0}}
        self.settings = tomllib.loads((EXAMPLE / "pipeline.toml").read_text("utf-8"))
        Scripted.ledger.clear()
        Resting.rest_after, Resting.resting = "", False
        under_way = UnderWay(clock)
        patch.setattr(daily_prospects, "read_prospects", under_way.counted(daily_prospects.read_prospects))
        patch.setattr(RunContext, "in_thread", under_way.counted(RunContext.in_thread))

    async def prospects(self, **more: Any) -> None:
        """The campaign that messages are laid into."""
        await self.campaign("prospects", 0, start=False, approval="message", **more)

    async def run(self, kind: str = DAILY, **payload: Any) -> dict[str, Any]:
        """One run to its end, as it is then."""
        job_id = await self.begin(kind, **payload)
        await self.clock.until(lambda: self.run_of(job_id)["state"] not in ("pending", "processing"))
        return self.run_of(job_id)

    async def begin(self, kind: str = DAILY, **payload: Any) -> int:
        given = {**self.settings, **payload} if kind == DAILY else payload
        return int((await self.call("job.add", kind=kind, payload=given))["job_id"])

    def run_of(self, job_id: int) -> dict[str, Any]:
        kind = self.rows("SELECT kind FROM jobs WHERE id = ?", job_id)[0]["kind"]
        [row] = self.read(lambda reader: runs(reader, kind, before=job_id + 1, limit=1))
        return dict(row)

    def job_row(self, job_id: int) -> dict[str, Any]:
        return self.rows("SELECT * FROM jobs WHERE id = ?", job_id)[0]

    def stages(self, job_id: int) -> dict[str, str]:
        return {stage["name"]: stage["state"] for stage in self.run_of(job_id)["stages"]}

    def waiting(self) -> list[dict[str, Any]]:
        """The messages that wait for approval, in the order in which they were laid."""
        return [job for job in self.jobs("prospects") if (job["state"], job["reason"]) == ("held", "approval")]

    def seen(self, jobs: list[dict[str, Any]]) -> list[list[Any]]:
        return [[job["id"], job["state"], job["lease"]] for job in jobs]
