"""Pipelines: a kind of job made of named stages, one after the other.

What each stage came to is durable, so that a run whose engine died begins again at the stage that it was in, with what
the stages before it have given.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from engine.processors.context import RunContext
from engine.processors.processor import Done, Empty, Outcome, P, Processor
from storage.events import Event
from storage.model import StageState
from storage.stages import Stage

log = logging.getLogger("paceline.jobs")


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


@dataclass(frozen=True, slots=True)
class Course:
    """A run so far: the `counters` of all its stages together, and their `outputs`, by name."""

    counters: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def take(self, stage: StageEnd) -> None:
        self.counters.update(stage.counters)
        self.outputs.update(stage.output)


StageCode = Callable[[RunContext, Any, Course], Awaitable[StageEnd]]


class Pipeline(Processor[P]):
    """A processor of stages. `steps` gives the code of each name in `stages`; a stage may be run again when its engine
    died within it, so what it changes must be safe to repeat."""

    stages: ClassVar[tuple[str, ...]]
    funnel: ClassVar[tuple[str, ...]] = ()
    """The counters that tell how many were left after each step, the widest first."""

    def steps(self) -> tuple[StageCode, ...]:
        """The code of each stage, in order."""
        raise NotImplementedError

    async def result(self, context: RunContext, payload: P, course: Course, flags: list[str]) -> Outcome:
        """What a run that went through all its stages gives; `flags` are what its stages said."""
        return Done(dict(course.counters), "; ".join(flags))

    async def run(self, context: RunContext, payload: P) -> Outcome:
        course, flags = Course(), list[str]()
        ladder = await context.store.ladder(context.job_id, self.stages)
        for stage, code in zip(ladder, self.steps(), strict=True):
            if stage.state is StageState.DONE:
                course.take(StageEnd(stage.counters, stage.output))
                flags += [stage.flag] if stage.flag else []
                continue
            context.check()
            end = await self._stage(context, payload, stage, code, course, len(ladder))
            course.take(end)
            flags += [end.flag] if end.flag else []
            if end.stop:
                for later in ladder[stage.position :]:
                    await context.store.note_stage(
                        context.task, replace(later, state=StageState.SKIPPED, note=end.stop)
                    )
                return Empty(end.stop, {**course.counters, "stopped": end.stop})
        await context.progress(len(ladder), len(ladder))
        return await self.result(context, payload, course, flags)

    async def _stage(
        self, context: RunContext, payload: P, stage: Stage, code: StageCode, course: Course, of: int
    ) -> StageEnd:
        running = replace(stage, state=StageState.RUNNING, started_at=context.now(), finished_at=None, note="")
        await context.store.note_stage(context.task, running)
        await context.progress(stage.position - 1, of, stage.name)
        context.log.info("[%s] %d/%d %s", self.kind, stage.position, of, stage.name)
        try:
            end = await code(context, payload, course)
        except Exception as error:
            words = str(error) or type(error).__name__
            failed = replace(running, state=StageState.FAILED, finished_at=context.now(), note=words[:500])
            await context.store.note_stage(context.task, failed)
            raise
        figures = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in end.counters.items())
        told = Event(
            "pipeline.stage",
            f"{self.kind} {stage.position}/{of} {stage.name}: {end.stop or figures or 'done'}",
            level="warning" if end.flag else "info",
            job_id=context.job_id,
            data={"stage": stage.name, **end.counters},
        )
        done = replace(
            running,
            state=StageState.DONE,
            finished_at=context.now(),
            counters=dict(end.counters),
            output=end.output,
            note=end.stop or end.note,
            flag=end.flag,
        )
        await context.store.note_stage(context.task, done, (told, *end.events))
        return end
