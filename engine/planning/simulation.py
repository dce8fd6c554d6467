"""One queue sent in the mind: which message begins when, by the rules that claim and gate keep.

A discrete-event simulation without clock and I/O: time jumps to the next moment at which something can begin or ends.
What may begin is told by `simulated_claim` and `simulated_gate`; the ladder of retries is the engine's own. Chance (how
long an attempt takes, how it ends) comes from the given generator.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from engine.planning.lanes import Hold, Line, Run, Station, Waiting
from engine.planning.opening import NEVER
from engine.planning.sharing import PATIENCE
from engine.planning.simulated_claim import CONCURRENCY, DOMAIN_GAP, FAR, SimulatedClaim
from engine.planning.simulated_gate import MINIMUM_GAP, WINDOW, SimulatedGate
from engine.retry import next_due

Hand = Callable[[Line, Waiting, int, bool], None]
"""Asked when a job of a line is over at a time (us), accepted or refused for good: it may let another one follow."""
Relieve = Callable[[int], int]
"""Asked when a cap or a cooling holds the queue until a time (us): another one may take jobs of it; returns when to ask
again."""


class SimulatedQueue:
    """One queue on its way through time."""

    def __init__(
        self,
        station: Station,
        now: int,
        rng: random.Random,
        hand: Hand | None = None,
        relieve: Relieve | None = None,
    ) -> None:
        queue, measured = station.queue, station.measured
        self.limits = queue.limits
        self.gate = SimulatedGate(queue)
        self.claim = SimulatedClaim(station, self.gate)
        self.lines = self.claim.lines
        self.now, self.rng, self.measured, self.policy = now, rng, measured, station.policy
        self.hand, self.relieve, self.relieve_at = hand, relieve, now
        self.wakes, self.held_by = now, ""
        """When it goes on by itself (us), and what holds it until then."""
        self.horizon = FAR
        self.refused = measured.transient + measured.permanent
        self.ends: list[tuple[int, int, Line, Waiting, int]] = []
        """What is in flight: when it ends, a number, its lane and job, when it began."""
        self.number = 0
        self.holds: list[Hold] = []
        self.holding = (now, "")
        """Since when (us) it waits for what, beyond `holds`."""
        self.flying = [(line, job) for line in self.lines for job in line.lane.flying]

    def run(self, horizon: int = FAR) -> None:
        """Send until `horizon` (us), or until nothing can begin any more; `wakes` says when it would go on."""
        ends, claim, concurrency = self.ends, self.claim, self.limits.concurrency
        self.horizon = horizon
        while self.flying:
            self._occupy(*self.flying.pop())
        if self.wakes > self.now:
            self._wait(self.wakes, self.held_by)
        while True:
            if claim.passed:
                claim.look_anew()
            while ends and ends[0][0] <= self.now:
                self._end(*heapq.heappop(ends))
            shut = self._shut() if claim.choosy else None
            line, opens, by = (None, *shut) if shut else claim.next(self.now)
            if line is None and not shut:
                if ends and ends[0][0] < opens:
                    # Behind a window or a domain the head may be another one by then, held by something else.
                    opens = ends[0][0] if by in (WINDOW, DOMAIN_GAP) else self._ends_before(opens, by)
            elif len(ends) >= concurrency:
                opens, by = ends[0][0], CONCURRENCY
            else:
                if not shut:
                    opens, by = self.gate.opens(self.now)
                if line is not None and line.next is not None and opens <= self.now:
                    self._begin(line, line.next)
                    continue
                if self.relieve is not None and opens - self.now > PATIENCE and by not in (WINDOW, MINIMUM_GAP):
                    if self.now >= self.relieve_at:
                        claim.look_anew()
                        self.relieve_at = self.relieve(opens)
                        continue
                    opens = min(opens, self.relieve_at)
                if opens >= NEVER:
                    self.give_up()
                    continue
                if self.hand is not None and ends and ends[0][0] < opens:
                    # What follows it may begin in another queue before this one goes on.
                    opens = ends[0][0]
            if opens > self.horizon or opens >= NEVER:
                claim.look_anew()
                self.wakes, self.held_by = opens, by
                return
            self._wait(opens, by)

    def give_up(self) -> None:
        """Nothing that is left can begin at any time."""
        for line in self.claim.live:
            line.give_up()

    def result(self) -> Run:
        """What became of its lanes so far."""
        self._note_hold()
        return Run([line.run for line in self.lines], self.holds)

    def arrive(self, line: Line, job: Waiting) -> None:
        """Another job for a line of this queue, due from now on."""
        line.put_back(job)
        wakes = job.due if job.due > self.now else self.now
        if wakes < self.wakes:
            self.wakes = wakes
        self.claim.joins(line)

    def room(self, now: int) -> tuple[int, int]:
        """How many more messages than those that it has may begin today, and when its day ends (us)."""
        room, ends = self.gate.room(now)
        return max(0, room - sum(line.count_before(ends, room) for line in self.claim.live)) if room else 0, ends

    def _wait(self, until: int, by: str) -> None:
        if by != self.holding[1]:
            self._note_hold()
            self.holding = (self.now, by)
        self.now = until

    def _note_hold(self) -> None:
        """Keep what held the queue last: time goes on by waits alone, so it held it until now."""
        begin, by = self.holding
        if self.now > begin:
            self.holds.append(Hold(begin, self.now, by))
        self.holding = (self.now, by)

    def _ends_before(self, opens: int, by: str) -> int:
        """What is in flight ends while nothing can begin before `opens` (us), held by `by`, and no other queue has
        anything to do; when to look again."""
        ends = self.ends
        while ends and (ended := ends[0][0]) < opens and ended <= self.horizon:
            line = ends[0][2]
            full, head = line.busy >= line.concurrency, line.next
            self._wait(ended, by)
            if not self._end(*heapq.heappop(ends)) or full or line.next is not head:
                return ended
        return min(ends[0][0], opens) if ends else opens

    def _shut(self) -> tuple[int, str] | None:
        """Until when the queue itself holds what is due, and by what; a claim looks at nobody meanwhile, and to look
        at people with times of their own would move them."""
        now = self.now
        if not self.claim.due(now):
            return None
        if len(self.ends) >= self.limits.concurrency:
            return self.ends[0][0], CONCURRENCY
        opens, by = self.gate.opens(now)
        return (opens, by) if opens > now else None

    # one attempt

    def _begin(self, line: Line, job: Waiting) -> None:
        line.take(job)
        self.gate.begins(self.now)
        self.claim.begins(line, job, self.now)
        line.run.begun.append(self.now)
        self._occupy(line, job)

    def _occupy(self, line: Line, job: Waiting) -> None:
        durations = self.measured.durations
        took = durations[int(self.rng.random() * len(durations))] if durations else 0
        line.busy += 1
        self.number += 1
        if took:
            heapq.heappush(self.ends, (self.now + took, self.number, line, job, self.now))
        else:
            self._end(self.now, self.number, line, job, self.now)

    def _end(self, ended: int, number: int, line: Line, job: Waiting, began: int) -> bool:
        """True: nothing but its place changes by it."""
        line.busy -= 1
        line.run.ended = ended
        chance = self.rng.random() if self.refused else 1.0
        throttle = self.gate.throttle
        if accepted := chance >= self.refused:
            line.run.sent.append(ended)
            if throttle:
                self.gate.recovers()
            if self.hand is not None:
                self.hand(line, job, ended, True)
        else:
            self._refuse(line, job, began, ended, for_ever=chance < self.measured.permanent)
        if line.next is None and not line.busy and self.claim.leaves(line):
            return False
        return accepted and self.gate.throttle == throttle

    def _refuse(self, line: Line, job: Waiting, began: int, ended: int, *, for_ever: bool) -> None:
        if self.rng.random() < self.measured.unspent:
            self.gate.gives_back(began)
        budget = job.budget_at if job.budget_at is not None else began
        due = None
        if not for_ever:
            due = next_due(self.policy, tries=job.tries + 1, budget_at=budget, now=ended, rng=self.rng)
        if due is None:
            line.run.failed += 1
            if self.hand is not None:
                self.hand(line, job, ended, False)
        else:
            line.put_back(job._replace(due=due, tries=job.tries + 1, budget_at=budget))
