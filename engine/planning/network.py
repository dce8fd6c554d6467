"""Several queues sent in the mind together: a message through one may be followed by a step through another.

Each queue is a discrete-event simulation of its own (`engine.planning.simulation`). The one with the earliest event
goes on until the next event of another, so that nothing arrives in a queue's past (conservative synchronization: Chandy
and Misra 1979).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.planning.lanes import Line, Run, Station, Waiting
from engine.planning.opening import NEVER
from engine.planning.simulation import Hand, SimulatedQueue


def simulate(stations: Sequence[Station], *, now: int, rng: random.Random) -> list[Run]:
    """Send everything that is open from `now` (us) on, and what follows it, and say when, by station in their order.
    Lanes of one name in several stations are one campaign. It ends when nothing can begin any more."""
    return _Network(stations, now, rng).run()


class _Network:
    def __init__(self, stations: Sequence[Station], now: int, rng: random.Random) -> None:
        linked = any(lane.follow is not None for station in stations for lane in station.lanes)
        hands = [self._hand(number) if linked else None for number in range(len(stations))]
        self._stations = stations
        self._places = {station.id: number for number, station in enumerate(stations)}
        self._queues: list[SimulatedQueue] = []
        for station, hand in zip(stations, hands, strict=True):
            self._queues.append(SimulatedQueue(station, now, rng, hand))
        self._linked = linked
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
            queue = min(self._queues, key=lambda one: one.wakes)
            if queue.wakes >= NEVER:
                return
            queue.run(min((other.wakes for other in self._queues if other is not queue), default=NEVER))

    def _hand(self, number: int) -> Hand:
        def hand(line: Line, job: Waiting, at: int, accepted: bool) -> None:
            follow = line.lane.follow
            found = follow(self._stations[number].id, job, at, accepted) if follow is not None else None
            if found is None or found[0] not in self._places:
                return
            place, following = self._places[found[0]], found[1]
            target = self._lines[place].get(line.lane.name)
            if target is None:
                return
            self._queues[place].arrive(target, following)
            if place != number:
                own = self._queues[number]
                own.horizon = min(own.horizon, self._queues[place].wakes)

        return hand
