"""Schedules are fired here: what is due, what was missed, what waited for the run before. The store makes each time's
row and job in one transaction (`storage.firings`); the arithmetic is pure (`engine.planning.cron`, `.missed`).

At rest nothing is read: the next firing of all schedules is known until somebody changes one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.control.work import JobSpec, new_task, queues_of
from engine.planning.cron import Cron
from engine.planning.durations import format_duration
from engine.planning.missed import TOLERANCE, Missed, Verdict, missed
from engine.schedule_words import local
from storage.errors import PacelineError
from storage.events import Event
from storage.firings import Decision, Told
from storage.model import SECOND
from storage.schedules import Schedule, ScheduleSpec
from storage.tasks import NewTask

if TYPE_CHECKING:
    from engine.control.actions import Context

SLICE = 100
"""Schedules of one read and one commit."""
MISSED_ROWS = 20
"""Firings that were missed at once and get rows of their own; the oldest row and the log tell how many more."""


class Schedules:
    """Fires every enabled schedule of the store when it is time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store, self._clock = context.store, context.clock
        self._changed = True
        self._seen: int | None = None
        """The time of the last look (us); None: nobody has looked, the clock may have been set back before."""
        self.next_at: int | None = None
        """When the next of them fires (us); None: none does."""

    def look_again(self) -> None:
        """Somebody may have changed a schedule."""
        self._changed = True

    async def fire(self) -> int:
        """Decide what is due by now; returns how many jobs it made."""
        now = self._clock.now()
        if self._seen is None or now < self._seen - TOLERANCE:
            await self._count_anew(now)
        self._seen = now
        if not self._changed and (self.next_at is None or now < self.next_at):
            return 0
        # Before the store is read: a change that comes meanwhile is looked at again.
        self._changed = False
        try:
            return await self._fire_due(now)
        except PacelineError:
            self._changed = True
            raise

    async def _count_anew(self, now: int) -> None:
        """The clock was set back: let what has dealt with times that are still to come go on with the next one that has
        not fired, not only when its false future is over."""
        for one in await self._store.schedules_set_back():
            seen = one.seen
            try:
                decided_at, next_at = following_unfired(Cron(seen.cron, seen.zone), one.fired, now)
                if next_at is None or (seen.next_at is not None and next_at >= seen.next_at):
                    continue
                times = local(next_at, seen.zone), local(seen.next_at, seen.zone) if seen.next_at else "never"
            except PacelineError:
                # Its zone is not known here: what it would fire next says so.
                continue
            text = f"the clock was set back: schedule {seen.name} fires next {times[0]} instead of {times[1]}"
            event = Event("schedule.counts_anew", text, level="warning", data={"schedule": seen.name})
            await self._store.count_anew(seen, decided_at, next_at, event)
        self._changed = True

    async def _fire_due(self, now: int) -> int:
        made = 0
        while True:
            due, self.next_at = await self._store.due_schedules(now, SLICE)
            if not due:
                return made
            queues = await queues_of(self._context)
            decisions = []
            for schedule in due:
                decisions.append(decision_on(self._context, schedule, queues, now))
                # A millisecond each, a tenth of a second after a year's absence: messages are sent meanwhile.
                await asyncio.sleep(0)
            # All at once: they share a commit.
            answers = await asyncio.gather(*map(self._store.decide_firings, decisions))
            made += sum(answer or 0 for answer in answers)

    async def begin_waiting(self) -> int:
        """Begin what waited for a run that is over; returns how many jobs that made."""
        ready = await self._store.waiting_firings()
        if not ready:
            return 0
        queues = await queues_of(self._context)
        began = 0
        for schedule, at in ready:
            task, refused = _task(self._context, schedule, queues)
            began += await self._store.begin_waiting(schedule, at, task, refused)
        return began


def task_of(context: Context, spec: ScheduleSpec, queues: dict[str, int]) -> NewTask:
    """The job that a firing makes. Raises UsageError when its kind is not installed, or its payload is none for it."""
    job = JobSpec(
        kind=spec.kind, payload=json.loads(spec.payload), queue=spec.queue or None, priority=spec.priority or None
    )
    return new_task(context, job, queues, origin=f"schedule {spec.name}")


def decision_on(context: Context, schedule: Schedule, queues: dict[str, int], now: int) -> Decision:
    """What is to become of a schedule's times up to `now`. One whose times can no longer be read (its zone is not
    known to this machine) fires no more, and says so."""
    cron = Cron(schedule.cron, schedule.zone)
    try:
        verdict = missed(cron, schedule.decided_at, now, Missed(schedule.missed, schedule.grace, schedule.most))
        fire = [_told(cron, at) for at in verdict.fire]
        given_up = _given_up(cron, schedule, verdict, now)
    except PacelineError as error:
        due = Told(schedule.next_at or now)
        return Decision(schedule, [], [due], [], None, _sentence(error), max(schedule.decided_at, now), None)
    task, refused = _task(context, schedule, queues) if fire else (None, "")
    late = now - TOLERANCE
    return Decision(
        seen=schedule,
        made_up=[told for told in fire if told.at < late],
        on_time=[told for told in fire if told.at >= late],
        missed=given_up,
        task=task,
        refused=refused,
        decided_at=max(schedule.decided_at, verdict.missed_last or 0, *verdict.fire),
        next_at=verdict.next_at,
        event=_missed_event(schedule, verdict) if verdict.missed else None,
    )


def following_unfired(cron: Cron, fired: Sequence[int], now: int) -> tuple[int, int | None]:
    """The first time after now that has not fired (None: there is none), and the one that is dealt with before it.
    `fired`: the times after now that have."""
    known, decided_at = frozenset(fired), now
    while (following := cron.next_after(decided_at)) in known:
        decided_at = following
    return decided_at, following


def _task(context: Context, schedule: Schedule, queues: dict[str, int]) -> tuple[NewTask | None, str]:
    try:
        return task_of(context, schedule, queues), ""
    except PacelineError as error:
        return None, _sentence(error)


def _sentence(error: PacelineError) -> str:
    return f"{error.message} - {error.hint}" if error.hint else error.message


def _told(cron: Cron, at: int) -> Told:
    """A time with what a change of the clocks did to it."""
    [firing] = cron.firings(at - 1, 1)
    return Told(at, firing.note)


def _given_up(cron: Cron, schedule: Schedule, verdict: Verdict, now: int) -> list[Told]:
    """The newest missed times: whatever is made up for is newer than all of them."""
    if verdict.missed_last is None:
        return []
    newest = cron.newest(verdict.missed_last, schedule.decided_at, MISSED_ROWS)
    told = [Told(at, f"{format_duration((now - at) // SECOND * SECOND)} late") for at in newest]
    if verdict.missed > len(told):
        more = f"{verdict.missed - len(told):,}{'+' if verdict.more else ''}"
        told[0] = Told(told[0].at, f"{told[0].note}; {more} before it were missed too")
    return told


def _missed_event(schedule: Schedule, verdict: Verdict) -> Event:
    first, last = (local(at or 0, schedule.zone) for at in (verdict.missed_first, verdict.missed_last))
    when = f"that of {last}" if verdict.missed == 1 else f"from {first} to {last}"
    firings = "firing" if verdict.missed == 1 else "firings"
    return Event(
        "schedule.missed",
        f"schedule {schedule.name} missed {verdict.missed_words} {firings}: {when}",
        level="warning",
        n=verdict.missed,
        data={"schedule": schedule.name},
    )
