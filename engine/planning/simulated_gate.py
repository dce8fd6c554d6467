"""The limits of a queue that is sent in the mind: what they count, and until when they let nothing begin.

They are the functions that the engine's own gate uses, over counts kept here.
"""

from __future__ import annotations

from bisect import bisect_left
from zoneinfo import ZoneInfo

from engine.feedback import GOOD_FOR_RATE
from engine.planning.caps import Cap
from engine.planning.lanes import QueueNow
from engine.planning.opening import Openings
from engine.planning.sharing import MOST
from storage.dispatch import after
from storage.limits import CAP, Ceiling, GateLimits, frees_at
from storage.model import DAY

WINDOW, MINIMUM_GAP = "window", "minimum gap"
_DAY = Cap(1, DAY, calendar=True)


class SimulatedGate:
    """The limits of one queue on its way through time (us)."""

    def __init__(self, queue: QueueNow) -> None:
        self.queue, self.limits = queue, queue.limits
        self.openings = Openings(queue.limits.window)
        self.last_start = queue.last_start
        self.throttle = queue.throttle
        """How often trouble has halved the rate."""
        self._starts = list(queue.starts)
        self._good = 0
        self._warm_days, self._warm_on = queue.warm_days, queue.warm_on
        self._now_counts: GateLimits
        self._caps: list[tuple[Ceiling, str]]
        self._known_until = 0
        """Until when `_now_counts` and `_caps` are what the gate counts."""

    def opens(self, now: int) -> tuple[int, str]:
        """The limit of the whole queue that opens last, with the time (us); not later than now: all are open."""
        if now < self.queue.closed_until:
            return self.queue.closed_until, self.queue.closed_by
        if self.limits.window is not None and (opens := self.openings.of_queue(now)):
            return opens, WINDOW
        if now >= self._known_until:
            self._know_limits(now)
        latest, by = 0, ""
        if self._now_counts.min_gap:
            latest, by = after(self.last_start, self.limits.min_gap << self.throttle, now), MINIMUM_GAP
        starts = self._starts
        for cap, words in self._caps:
            if len(starts) >= cap.n and (opens := frees_at(cap, starts[-cap.n], now)) > latest:
                latest, by = opens, words
        return latest, by

    def begins(self, now: int) -> None:
        """Count an attempt that begins; only once `opens` was asked."""
        self.last_start = now
        self._starts.append(now)
        warmup = self._now_counts.warmup
        if warmup is not None and self._warm_on < warmup.since:
            self._warm_days, self._warm_on = self._warm_days + 1, warmup.since

    def gives_back(self, began: int) -> None:
        """An attempt that began then (us) counts no more: nothing of it left."""
        del self._starts[bisect_left(self._starts, began)]

    def recovers(self) -> None:
        """A message was taken while the rate is halved."""
        self._good += 1
        if self._good >= GOOD_FOR_RATE:
            self._good, self.throttle = 0, self.throttle - 1
            self._known_until = 0

    def room(self, now: int) -> tuple[int, int]:
        """How many messages may begin today, and when the queue's day ends (us)."""
        ends = _DAY.bounds(now, ZoneInfo(self.limits.zone))[1]
        if now >= self._known_until:
            self._know_limits(now)
        room, starts = 0 if now < self.queue.closed_until else MOST, self._starts
        for cap, _ in self._caps:
            if len(starts) >= cap.n and frees_at(cap, starts[-cap.n], now) > now:
                return 0, ends
            if cap.period >= DAY:
                used = len(starts) - bisect_left(starts, cap.since if cap.until else now - cap.period + 1)
                room = min(room, cap.n - used)
        return room, ends

    def _know_limits(self, now: int) -> None:
        """Work out what the gate counts until the present calendar period ends."""
        self._now_counts, _, self._known_until = self.limits.at_gate(now)
        ceilings = self._now_counts.ceilings(self.throttle, self._warm_days, self._warm_on)
        words = [str(own) for own in self.limits.caps]
        self._caps = [(cap, words[place] if word == CAP else word) for place, (word, cap) in enumerate(ceilings)]
