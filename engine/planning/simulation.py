"""One queue sent in the mind: which message begins when, by the rules that claim and gate keep.

A discrete-event simulation without clock and I/O: time jumps to the next moment at which something can begin or ends.
Limits, windows, places in line and the ladder of retries are the functions that the engine itself uses; the order of
campaigns is that of `storage.dispatch`. Chance (how long an attempt takes, how it ends) comes from the given generator.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from engine.planning.lanes import Hold, Line, Run, Station, Waiting
from engine.planning.opening import NEVER
from engine.planning.sharing import PATIENCE
from engine.planning.simulated_gate import MINIMUM_GAP, WINDOW, SimulatedGate
from engine.retry import next_due
from storage.dispatch import after
from storage.domains import place_in_line
from storage.shares import AGEING, HIGHEST, ROUND, SAVED_ROUNDS

PLAN, GAP, CONCURRENCY = "plan", "gap", "concurrency"
FAR = 1 << 62
"""Later than anything happens."""
_LAST = (0, FAR, FAR)
"""Behind every lane in turn."""

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
        self.openings = self.gate.openings
        choosy = self.openings.own_zones or bool(queue.limits.domain_gap)
        self.lines = [Line(lane, choosy) for lane in station.lanes]
        self.in_own_time = any(line.choosy for line in self.lines)
        """Whether any person may have a time of its own."""
        self.in_order = self.in_own_time or sum(line.across for line in self.lines) > 1
        """Whether lanes are looked at in their turn, for what one of them does to those behind it."""
        self.live = [line for line in self.lines if line.next is not None or line.lane.flying]
        self.now, self.rng, self.measured, self.policy = now, rng, measured, station.policy
        self.hand, self.relieve, self.relieve_at = hand, relieve, now
        self.wakes, self.held_by = now, ""
        """When it goes on by itself (us), and what holds it until then."""
        self.horizon = FAR
        self.refused = measured.transient + measured.permanent
        self.spaced_start = queue.spaced_start
        self.domains = dict(queue.domains)
        self.ends: list[tuple[int, int, Line, Waiting, int]] = []
        """What is in flight: when it ends, a number, its lane and job, when it began."""
        self.number = 0
        self.most = max((line.turn for line in self.live), default=0)
        """The largest share that a live lane has had."""
        self.holds: list[Hold] = []
        self.holding = (now, "")
        """Since when (us) it waits for what, beyond `holds`."""
        self.flying = [(line, job) for line in self.lines for job in line.lane.flying]

    def run(self, horizon: int = FAR) -> None:
        """Send until `horizon` (us), or until nothing can begin any more; `wakes` says when it would go on."""
        ends, concurrency = self.ends, self.limits.concurrency
        self.horizon = horizon
        while self.flying:
            self._occupy(*self.flying.pop())
        if self.wakes > self.now:
            self._wait(self.wakes, self.held_by)
        while True:
            while ends and ends[0][0] <= self.now:
                self._end(*heapq.heappop(ends))
            line, opens, by = self._before_heads() or self._next()
            if line is None:
                if ends and ends[0][0] < opens:
                    # Behind a window the head may be another one by then, which is held by something else.
                    opens = ends[0][0] if by == WINDOW else self._ends_before(opens, by)
            elif len(ends) >= concurrency:
                opens, by = ends[0][0], CONCURRENCY
            else:
                opens, by = self.gate.opens(self.now)
                if opens <= self.now and line.next is not None:
                    self._begin(line, line.next)
                    continue
                if self.relieve is not None and opens - self.now > PATIENCE and by not in (WINDOW, MINIMUM_GAP):
                    if self.now >= self.relieve_at:
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
                self.wakes, self.held_by = opens, by
                return
            self._wait(opens, by)

    def give_up(self) -> None:
        """Nothing that is left can begin at any time."""
        for line in self.live:
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
        if line not in self.live:
            self.live = [one for one in self.lines if one is line or one in self.live]
            self.most = max(one.turn for one in self.live)

    def room(self, now: int) -> tuple[int, int]:
        """How many more messages than those that it has may begin today, and when its day ends (us)."""
        room, ends = self.gate.room(now)
        return max(0, room - sum(line.count_before(ends, room) for line in self.live)) if room else 0, ends

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

    # which campaign

    def _before_heads(self) -> tuple[None, int, str] | None:
        """A claim looks at nobody while the queue's minimum gap lasts: to look at somebody whose domain is not free yet
        would put them behind others."""
        if not (self.limits.domain_gap and self.limits.min_gap):
            return None
        opens = self.gate.after_minimum_gap(self.now)
        due = any(line.next is not None and line.next.due <= self.now for line in self.live)
        return (None, opens, MINIMUM_GAP) if due and opens > self.now else None

    def _next(self) -> tuple[Line | None, int, str]:
        """The lane that begins now; else when the first one may, and what holds it."""
        now, soonest, held_by = self.now, FAR, PLAN
        if len(self.live) == 1:
            opens, by = self._opens(self.live[0])
            return (self.live[0] if opens <= now else None), opens, by if opens < FAR else PLAN
        first: Line | None = None
        best, waits_in_turn = _LAST, False
        for line in sorted(self.live, key=self._rank) if self.in_order and len(self.live) > 1 else self.live:
            if waits_in_turn and line.across:
                continue
            opens, by = self._opens(line)
            if opens > now:
                waits_in_turn = waits_in_turn or (line.across and by == GAP)
                if opens < soonest:
                    soonest, held_by = opens, by
            elif self.in_order or len(self.live) < 2:
                # To look at a lane whose people have times of their own moves them: nobody behind this one is asked.
                return line, opens, by
            elif (rank := self._rank(line)) < best:
                first, best = line, rank
        return (first, now, "") if first is not None else (None, soonest, held_by)

    def _rank(self, line: Line) -> tuple[int, int, int]:
        """The least goes first, as `storage.shares` orders lanes."""
        least, turn, now = self.most - SAVED_ROUNDS * ROUND, line.turn, self.now
        last, since = line.last_start, line.since
        waited, raised = now - ((last if last > since else since) or now), line.priority
        if waited >= AGEING:
            raised = min(raised + waited // AGEING, HIGHEST)
        return -raised, turn if turn > least else least, last

    def _opens(self, line: Line) -> tuple[int, str]:
        """When the head of a lane may begin, as far as the lane itself is concerned."""
        now, head = self.now, line.next
        if head is None or line.busy >= line.concurrency:
            return FAR, CONCURRENCY
        if head.due > now:
            return head.due, PLAN
        if line.choosy:
            windowed = line.lane.hours or self.openings.own_zones
            if windowed and (opens := self.openings.of(line.lane.hours, None, now)):
                if opens >= NEVER:
                    line.give_up()
                return opens, WINDOW
            head = self._in_own_time(line, head)
            if head is None or head.due > now:
                return (FAR if head is None else head.due), WINDOW
        if head.gap:
            last = self.spaced_start if line.across else line.last_start
            return max(head.due, after(last, head.gap << self.gate.throttle, now)), GAP
        return now, ""

    def _in_own_time(self, line: Line, head: Waiting | None) -> Waiting | None:
        """The first job of a lane whose person may be written to now; those before it are moved to their time."""
        now, hours, gap = self.now, line.lane.hours, self.limits.domain_gap << self.gate.throttle
        windowed = bool(hours) or self.openings.own_zones
        while head is not None and head.due <= now:
            later, keeps = self.openings.of(hours, head.fields, now) if windowed else 0, False
            if not later and gap and head.domain:
                last, reserved = self.domains.get(head.domain, (0, 0))
                later = place_in_line(last, reserved, gap, now, keeps_place=head.keeps_place)
                if later:
                    self.domains[head.domain], keeps = (last, later), True
            if not later:
                return head
            line.take(head)
            if later >= NEVER:
                line.run.never += 1
            else:
                line.put_back(head._replace(due=later, keeps_place=keeps))
            head = line.next
        return head

    # one attempt

    def _begin(self, line: Line, job: Waiting) -> None:
        now = self.now
        line.take(job)
        self.gate.begins(now)
        line.last_start = now
        if line.across:
            self.spaced_start = now
        line.run.begun.append(now)
        if job.domain and self.limits.domain_gap:
            self.domains[job.domain] = (now, max(now, self.domains.get(job.domain, (0, 0))[1]))
        if len(self.live) > 1:
            least, turn = self.most - SAVED_ROUNDS * ROUND, line.turn
            line.turn = turn = (turn if turn > least else least) + ROUND // line.lane.weight
            if turn > self.most:
                self.most = turn
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
        if line.next is None and not line.busy:
            self.live = [other for other in self.live if other is not line]
            self.most = max((other.turn for other in self.live), default=0)
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
