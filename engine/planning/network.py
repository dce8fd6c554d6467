"""Several queues sent in the mind together: a message through one may be followed by a step through another, and what
one cannot send today goes through another.

Each queue is a discrete-event simulation of its own (`engine.planning.simulation`). The one with the earliest event
goes on until the next event of another, so that nothing arrives in a queue's past (conservative synchronization: Chandy
and Misra 1979).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.planning.lanes import Line, Run, Station, Waiting
from engine.planning.opening import NEVER
from engine.planning.sharing import MOST, Sharing
from engine.planning.simulation import Hand, Relieve, SimulatedQueue
from storage.model import MINUTE


def simulate(stations: Sequence[Station], *, now: int, rng: random.Random) -> list[Run]:
    """Send everything that is open from `now` (us) on, and what follows it, and say when, by station in their order.
    Lanes of one name in several stations are one campaign. It ends when nothing can begin any more."""
    return _Network(stations, now, rng).run()


class _Network:
    def __init__(self, stations: Sequence[Station], now: int, rng: random.Random) -> None:
        lanes = [lane for station in stations for lane in station.lanes]
        follows = any(lane.follow is not None for lane in lanes)
        shares = any(lane.sharing is not None for lane in lanes)
        self._linked = follows or shares
        self._ids = [station.id for station in stations]
        self._places = {number: place for place, number in enumerate(self._ids)}
        self._queues = [
            SimulatedQueue(
                station, now, rng, self._hand(place) if follows else None, self._relieve(place) if shares else None
            )
            for place, station in enumerate(stations)
        ]
        self._lines = [{line.lane.name: line for line in queue.lines} for queue in self._queues]

    def run(self) -> list[Run]:
        if self._linked:
            self._together()
        else:
            for queue in self._queues:
                queue.run()
        for queue in self._queues:
            queue.give_up()
        return [queue.result() for queue in self._queues]

    def _together(self) -> None:
        while True:
            first: SimulatedQueue | None = None
            soonest = then = NEVER
            for queue in self._queues:
                wakes = queue.wakes
                if wakes < soonest:
                    first, soonest, then = queue, wakes, soonest
                elif wakes < then:
                    then = wakes
            if first is None:
                return
            first.run(then)

    def _arrive(self, place: int, line: Line, job: Waiting, origin: int) -> None:
        """Give a job to the queue at `place`; the one that it comes from must not run past it."""
        self._queues[place].arrive(line, job)
        if place != origin:
            own = self._queues[origin]
            own.horizon = min(own.horizon, self._queues[place].wakes)

    def _hand(self, place: int) -> Hand:
        def hand(line: Line, job: Waiting, at: int, accepted: bool) -> None:
            follow = line.lane.follow
            found = follow(self._ids[place], job, at, accepted) if follow is not None else None
            to = self._places.get(found[0]) if found is not None else None
            if found is None or to is None or (target := self._lines[to].get(line.lane.name)) is None:
                return
            target.run.followed += 1
            self._arrive(to, target, found[1], place)

        return hand

    def _relieve(self, place: int) -> Relieve:
        def relieve(until: int) -> int:
            queue = self._queues[place]
            again = until
            for line in queue.lines:
                if line.lane.sharing is not None and line.next is not None:
                    again = min(again, self._share(place, line, line.lane.sharing, until))
            # The engine looks once a minute.
            return max(again, queue.now + MINUTE)

        return relieve

    def _share(self, place: int, line: Line, sharing: Sharing, until: int) -> int:
        """Let the siblings of a queue that is closed until a time (us) take of one campaign what they have room for
        today, the one with the most first; when more may have room (us)."""
        now, again = self._queues[place].now, until
        rooms: list[tuple[int, int, int]] = []
        for sibling in sharing.siblings.get(self._ids[place], ()):
            if (to := self._places.get(sibling)) is not None and line.lane.name in self._lines[to]:
                room, ends = self._queues[to].room(now)
                rooms.append((-room, ends, to))
                again = min(again, ends)
        for room, ends, to in sorted(rooms):
            before = min(until, ends)
            jobs = line.due_before(before, sharing.steps, -room)
            if not jobs:
                continue
            target = self._lines[to][line.lane.name]
            moved = list(sharing.plan(self._ids[to], jobs, max(now, target.last_before(before)), before, now))
            line.remove({job.id for job in moved})
            for job in moved:
                self._arrive(to, target, job, place)
            if len(moved) == MOST:
                again = now
        return again
