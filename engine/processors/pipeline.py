"""Pipelines: a kind of job made of named stages, one after the other.

What each stage came to is durable, so that a run whose engine died begins again at the stage that it was in, with what
the stages before it have given.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from engine.processors.context import RunContext
from engine.processors.processor import Again, Done, Empty, Outcome, P, Permanent, Processor
from storage.events import Event
from storage.model import StageState
from storage.stages import Stage, figures_of

log = logging.getLogger("paceline.jobs")

_STOP = "stop"
"""Where a stage's kept output says that the run ends with it."""


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What a stage came to. `counters`: figures by name, for people; `output`: what later stages are given, as JSON;
    `events`: facts that are written with its end. `stop`: why the run ends here and the later stages are skipped ("":
    it goes on); `flag`: why a person should look at it."""

    counters: dict[str, int] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    flag: str = ""
    stop: str = ""
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class Course:
    """A run so far: the `counters` of all its stages together, their `outputs` by name, their flags, and how long they
    took together (us), also before its engine died."""

    counters: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    took: int = 0

    def take(self, end: StageEnd, stage: Stage) -> None:
        self.counters.update(end.counters)
        self.outputs.update(end.output)
        self.flags += [end.flag] if end.flag else []
        self.took += (stage.finished_at or 0) - (stage.started_at or 0)


StageCode = Callable[[RunContext, Any, Course], Awaitable[StageEnd]]


class Pipeline(Processor[P]):
    """A processor of stages. `steps` gives the code of each name in `stages`; a stage may be run again when its engine
    died within it, so what it changes must be safe to repeat."""

    stages: ClassVar[tuple[str, ...]]
    funnel: ClassVar[tuple[str, ...]] = ()
    """The counters that tell how many were left after each step, the widest first."""

    @abstractmethod
    def steps(self) -> tuple[StageCode, ...]:
        """The code of each stage, in order."""

    def result(self, payload: P, course: Course) -> dict[str, Any]:
        """What is kept of a run, also of one that a stage stopped."""
        return dict(course.counters)

    def outcome(self, payload: P, course: Course) -> Outcome:
        """How a run ended that went through all its stages."""
        return Done(self.result(payload, course), "; ".join(course.flags))

    async def run(self, context: RunContext, payload: P) -> Outcome:
        ladder, course = await self._ladder(context), Course()
        for stage, code in zip(ladder, self.steps(), strict=True):
            if stage.state is StageState.DONE:
                end, done = _ended(stage), stage
            else:
                context.check()
                end, done = await self._stage(context, payload, stage, code, course, len(ladder))
            course.take(end, done)
            if end.stop:
                await self._skip(context, ladder[stage.position :], end.stop)
                return Empty(
                    "; ".join([end.stop, *course.flags]), {**self.result(payload, course), "stopped": end.stop}
                )
        await context.progress(len(ladder), len(ladder))
        return self.outcome(payload, course)

    async def _ladder(self, context: RunContext) -> list[Stage]:
        ladder = await context.store.ladder(context.job_id, self.stages)
        if tuple(stage.name for stage in ladder) != self.stages:
            raise Permanent(f"this run was begun by another version of {self.kind}, with other stages: run it anew")
        return ladder

    async def _stage(
        self, context: RunContext, payload: P, stage: Stage, code: StageCode, course: Course, of: int
    ) -> tuple[StageEnd, Stage]:
        running = replace(stage, state=StageState.RUNNING, started_at=context.now(), finished_at=None, note="")
        await _keep(context, running)
        await context.progress(stage.position - 1, of, stage.name)
        context.log.info("[%s] %d/%d %s", self.kind, stage.position, of, stage.name)
        try:
            end = await code(context, payload, course)
        except Exception as error:
            words = str(error) or type(error).__name__
            failed = replace(running, state=StageState.FAILED, finished_at=context.now(), note=words[:500])
            await _keep(context, failed)
            raise
        told = Event(
            "pipeline.stage",
            f"{self.kind} {stage.position}/{of} {stage.name}: {end.stop or figures_of(end.counters) or 'done'}",
            level="warning" if end.flag else "info",
            job_id=context.job_id,
            data={"stage": stage.name, **end.counters},
        )
        done = replace(
            running,
            state=StageState.DONE,
            finished_at=context.now(),
            counters=dict(end.counters),
            output={**end.output, _STOP: end.stop} if end.stop else end.output,
            note=end.stop or end.note,
            flag=end.flag,
        )
        await _keep(context, done, (told, *end.events))
        return end, done

    async def _skip(self, context: RunContext, stages: Sequence[Stage], why: str) -> None:
        for stage in stages:
            await _keep(context, replace(stage, state=StageState.SKIPPED, note=why))


def _ended(stage: Stage) -> StageEnd:
    """What a stage came to that an earlier try of the run has done."""
    output = dict(stage.output)
    stop = str(output.pop(_STOP, ""))
    return StageEnd(stage.counters, output, stage.note, stage.flag, stop)


async def _keep(context: RunContext, stage: Stage, events: tuple[Event, ...] = ()) -> None:
    if not await context.store.note_stage(context.task, stage, events):
        raise Again("its lease was lost: another engine has this run")
