"""What the embedded store is asked about schedules. A part of `storage.sqlite`."""

from __future__ import annotations

from collections.abc import Callable

from storage import firings, schedules, set_back
from storage.events import Event
from storage.firings import Decision
from storage.schedules import Schedule, ScheduleSpec
from storage.set_back import SetBack
from storage.tasks import NewTask
from storage.writer import Writer


class SqliteSchedules:
    """The schedules of `storage.store.Store`."""

    writer: Writer
    _now: Callable[[], int]

    async def get_schedule(self, name: str | int) -> Schedule:
        return await self.writer.submit(lambda tx: schedules.get(tx, name))

    async def add_schedule(self, spec: ScheduleSpec, next_at: int | None, event: Event) -> Schedule:
        return await self.writer.submit(lambda tx: schedules.add(tx, spec, next_at, event, self._now()))

    async def edit_schedule(self, seen: Schedule, spec: ScheduleSpec, next_at: int | None, event: Event) -> Schedule:
        return await self.writer.submit(lambda tx: schedules.edit(tx, seen, spec, next_at, event, self._now()))

    async def set_schedule_enabled(self, seen: Schedule, enabled: bool, next_at: int | None, event: Event) -> Schedule:
        return await self.writer.submit(
            lambda tx: schedules.set_enabled(tx, seen, enabled, next_at, event, self._now())
        )

    async def remove_schedule(self, seen: Schedule, event: Event) -> None:
        await self.writer.submit(lambda tx: schedules.remove(tx, seen, event, self._now()))

    async def due_schedules(self, now: int, most: int) -> tuple[list[Schedule], int | None]:
        return await self.writer.submit(lambda tx: schedules.due(tx, now, most))

    async def schedules_set_back(self) -> list[SetBack]:
        return await self.writer.submit(lambda tx: set_back.set_back(tx, self._now()))

    async def count_anew(self, seen: Schedule, decided_at: int, next_at: int, event: Event) -> bool:
        return await self.writer.submit(
            lambda tx: set_back.count_anew(tx, seen, decided_at, next_at, event, self._now())
        )

    async def decide_firings(self, decision: Decision) -> int | None:
        return await self.writer.submit(lambda tx: firings.decide(tx, decision, self._now()))

    async def waiting_firings(self) -> list[tuple[Schedule, int]]:
        return await self.writer.submit(firings.waiting)

    async def begin_waiting(self, seen: Schedule, at: int, task: NewTask | None, refused: str) -> bool:
        return await self.writer.submit(lambda tx: firings.begin_waiting(tx, seen, at, task, refused, self._now()))

    async def run_schedule(self, schedule_id: int, task: NewTask, event: Event, *, anyway: bool) -> int:
        return await self.writer.submit(
            lambda tx: firings.run_now(tx, schedule_id, task, event, self._now(), anyway=anyway)
        )
