"""What the messages of a campaign are followed by, as far as that is certain before they have left: for forecasts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count, pairwise

from engine.planning.following import due_after, gap_of
from engine.planning.lanes import Waiting
from engine.planning.limits import Limits
from engine.planning.opening import parsed
from engine.planning.pacing import Pacing
from engine.planning.waits import Wait
from storage.forecast_facts import Row

MADE_LATER = 1 << 50
"""Ids of jobs that follow others begin here: they are made later than all that stand in the store, and of jobs that are
due at once the older one goes first."""


class Following:
    """Of one campaign: `row` as `forecast_facts.sharing` has it, its `steps` and `queues` as `forecast_facts` reads
    them, and the limits of each queue. Certain is a step without a condition behind one that is sent; who replies or
    leaves before is not foreseen."""

    def __init__(self, row: Row, steps: Sequence[Row], queues: Sequence[Row], limits: Mapping[int, Limits]) -> None:
        self._seed = row["seed"]
        self._after_failure = json.loads(row["settings"] or "{}").get("after_failure", "stop") == "next"
        self._channels = {queue["id"]: queue["channel"] for queue in queues}
        first = queues[0]["channel"] if queues else ""
        self._next: dict[int, Row] = {}
        self._ways: dict[int, list[int]] = {}
        for before, step in pairwise(steps):
            ways = [queue["id"] for queue in queues if queue["channel"] == (step["channel"] or first)]
            if ways and not step["conditions"]:
                self._next[before["id"]], self._ways[step["id"]] = step, ways
        own = parsed(row["hours"]) if row["hours"] else None
        self._windows = {
            number: [window for window in (own, one.window) if window is not None] for number, one in limits.items()
        }
        self._zones = {number: one.zone for number, one in limits.items()}
        self._waits = {step["id"]: Wait.from_dict(step["wait"]) for step in self._next.values()}
        pacing = json.loads(row["pacing"])
        self._pacings = {step["id"]: Pacing.from_dict(step["pacing"] or pacing) for step in self._next.values()}
        self._ids = count(MADE_LATER)
        self._gaps: dict[tuple[int, int], int] = {}
        """By person and step: the same in every draw."""

    @property
    def queues(self) -> frozenset[int]:
        """The queues that a step behind another one may go through."""
        return frozenset(queue_id for ways in self._ways.values() for queue_id in ways)

    def __call__(self, queue_id: int, job: Waiting, at: int, accepted: bool) -> tuple[int, Waiting] | None:
        """As `engine.planning.lanes.Follow`: by the rules of `engine.sequences`."""
        step = self._next.get(job.step)
        if step is None or not (accepted or self._after_failure):
            return None
        number = step["id"]
        ways = self._ways[number]
        # Who was written to through one account is written to through it again.
        to = queue_id if queue_id in ways else ways[job.person % len(ways)]
        due = due_after(at, self._waits[number], self._windows[to], zone=self._zones[to], fields=job.fields)
        gap = self._gaps.get((job.person, number))
        if gap is None:
            gap = self._gaps[job.person, number] = gap_of(self._pacings[number], self._seed, job.person, number)
        return to, Waiting(due, next(self._ids), gap, job.domain, job.fields, 0, None, False, job.person, number)
