"""Who may begin in a queue that is sent in the mind: the turns of campaigns, their gaps, and people's own times.

It decides as `storage.dispatch.claim` does, by the same functions, over lanes kept here.
"""

from __future__ import annotations

from engine.planning.lanes import Line, Station, Waiting
from engine.planning.opening import NEVER
from engine.planning.simulated_gate import WINDOW, SimulatedGate
from storage.dispatch import PASSED_OVER, after
from storage.domains import place_in_line
from storage.shares import ROUND, SAVED_ROUNDS, in_order, keeps_turn

PLAN, GAP, DOMAIN_GAP, CONCURRENCY = "plan", "gap", "domain gap", "concurrency"
FAR = 1 << 62
"""Later than anything happens."""


class SimulatedClaim:
    """The lanes of one queue on their way through time (us)."""

    def __init__(self, station: Station, gate: SimulatedGate) -> None:
        queue = station.queue
        self.gate, self.openings = gate, gate.openings
        self.domain_gap = queue.limits.domain_gap
        choosy = self.openings.own_zones or bool(self.domain_gap)
        self.lines = [Line(lane, choosy) for lane in station.lanes]
        self.choosy = any(line.choosy for line in self.lines)
        """Whether to look at people may move them."""
        self.live: list[Line] = []
        """Lanes that have something to send, or in flight."""
        self.most = 0
        """The largest share that a live lane has had."""
        self.in_turn: list[Line] = []
        """`live` in the order in which they may begin; empty: to be worked out anew."""
        self.spaced_start = queue.spaced_start
        self.domains = dict(queue.domains)
        self.passed: list[tuple[Line, Waiting]] = []
        """Who was passed over in this look: their place in the line of a domain has come, the start before was late."""
        self._lives([line for line in self.lines if line.next is not None or line.lane.flying])

    def due(self, now: int) -> bool:
        """Whether anything is due."""
        return any(line.next is not None and line.next.due <= now for line in self.live)

    def joins(self, line: Line) -> None:
        """A lane has something to send."""
        if line not in self.live:
            self._lives([one for one in self.lines if one is line or one in self.live])

    def leaves(self, line: Line) -> bool:
        """A lane has nothing in front and nothing in flight; whether it has nothing at all."""
        if any(other is line for other, _ in self.passed):
            return False
        self._lives([other for other in self.live if other is not line])
        return True

    def begins(self, line: Line, job: Waiting, now: int) -> None:
        """A job of a lane begins: those behind it count from there."""
        line.last_start = now
        if line.across:
            self.spaced_start = now
        if job.domain and self.domain_gap:
            self.domains[job.domain] = (now, max(now, self.domains.get(job.domain, (0, 0))[1]))
        self.in_turn = []
        if len(self.live) > 1:
            least, turn = self.most - SAVED_ROUNDS * ROUND, line.turn
            line.turn = turn = (turn if turn > least else least) + ROUND // line.lane.weight
            if turn > self.most:
                self.most = turn

    def next(self, now: int) -> tuple[Line | None, int, str]:
        """The lane that begins at `now` (us); else when the first one may, and what holds it."""
        soonest, held_by = FAR, PLAN
        if len(self.live) == 1:
            opens, by = self._opens(self.live[0], now)
            return (self.live[0] if opens <= now else None), opens, by if opens < FAR else PLAN
        waits_in_turn = False
        if not self.in_turn:
            self.in_turn = self._in_turn()
        for line in self.in_turn:
            if waits_in_turn and line.across:
                continue
            opens, by = self._opens(line, now)
            if opens <= now:
                return line, opens, by
            waits_in_turn = waits_in_turn or (
                line.across and (by == GAP or (by == WINDOW and self._keeps_turn(line, now)))
            )
            if opens < soonest:
                soonest, held_by = opens, by
        return None, soonest, held_by

    def _in_turn(self) -> list[Line]:
        """The live lanes in the order in which they may begin: it changes with a start, not with time."""
        shares = [(one.priority, one.turn, one.last_start, one.since, one.lane.id) for one in self.live]
        return [self.live[place] for place in in_order(shares, self.gate.last_start)]

    def _opens(self, line: Line, now: int) -> tuple[int, str]:
        """When the head of a lane may begin, as far as the lane itself is concerned."""
        head = line.next
        if head is None or line.busy >= line.concurrency:
            return FAR, CONCURRENCY
        if head.due > now:
            return head.due, DOMAIN_GAP if head.keeps_place else PLAN
        if not line.choosy:
            return self._after_gap(line, head, now), GAP
        windowed = line.lane.hours or self.openings.own_zones
        if windowed and (opens := self.openings.of(line.lane.hours, None, now)):
            if opens >= NEVER:
                line.give_up()
            return opens, WINDOW
        return self._in_own_time(line, now, windowed=bool(windowed))

    def _after_gap(self, line: Line, head: Waiting, now: int) -> int:
        """When the gap before a job that is due has passed (us)."""
        if not head.gap:
            return now
        last = self.spaced_start if line.across else line.last_start
        return max(now, after(last, head.gap << self.gate.throttle, now))

    def _keeps_turn(self, line: Line, now: int) -> bool:
        """Whether a lane that waits for its campaign's hours holds the others."""
        head, hours = line.next, line.lane.hours
        if head is None or head.due > now or not head.gap or not hours:
            return False
        gap = head.gap << self.gate.throttle
        return keeps_turn(lambda at: self.openings.of(hours, None, at), self._after_gap(line, head, now), gap, now)

    def _in_own_time(self, line: Line, now: int, *, windowed: bool) -> tuple[int, str]:
        """When the first job of a lane whose person may be written to now may begin, and what holds it; those before it
        are moved to their time, or passed over."""
        gap, free_at, passed = self.domain_gap << self.gate.throttle, FAR, 0
        while (head := line.next) is not None and head.due <= now:
            begins = self._after_gap(line, head, now)
            if windowed:
                if begins > now and (opens := self.openings.of(line.lane.hours, None, begins)):
                    return opens, WINDOW
                if opens := self.openings.of(line.lane.hours, head.fields, begins):
                    line.take(head)
                    if opens >= NEVER:
                        line.run.never += 1
                    else:
                        line.put_back(head._replace(due=opens, keeps_place=False))
                    continue
            if begins > now:
                return begins, GAP
            if not (gap and head.domain):
                return now, ""
            last, reserved = self.domains.get(head.domain, (0, 0))
            place = place_in_line(last, reserved, gap, now, keeps_place=head.keeps_place)
            if not place:
                return now, ""
            line.take(head)
            if head.keeps_place and passed < PASSED_OVER:
                self.passed.append((line, head))
                free_at, passed = min(free_at, place), passed + 1
                continue
            if not head.keeps_place:
                self.domains[head.domain] = (last, place)
            line.put_back(head._replace(due=place, keeps_place=True))
        due, by = (FAR, WINDOW) if head is None else (head.due, DOMAIN_GAP if head.keeps_place else WINDOW)
        return (free_at, DOMAIN_GAP) if free_at < due else (due, by)

    def look_anew(self) -> None:
        """Who was passed over stands where they stood, for the next look."""
        while self.passed:
            line, job = self.passed.pop()
            line.put_back(job)

    def _lives(self, lines: list[Line]) -> None:
        self.live, self.in_turn = lines, []
        self.most = max((line.turn for line in lines), default=0)
