"""Feedback: how fast a queue goes after trouble. Down at the first sign, up slowly, and both are told.

Two things fall: how many are under way at once (at every sign by half, back by one after `GOOD_FOR_ONE` good ones),
and the rate, which is halved in the store so that a restart remembers it: gaps double, caps of an hour and less halve.
After `GOOD_FOR_RATE` good ones it doubles again (docs/outcomes.md, "Going slower, and back"). Additive increase and
multiplicative decrease are those of congestion control (RFC 5681 section 3.1).
"""

from __future__ import annotations

from engine.outcomes import Outcome
from storage.events import Event
from storage.model import OutcomeClass
from storage.nouns import Queue
from storage.store import Store

GOOD_FOR_ONE = 20
GOOD_FOR_RATE = 30
MOST_HALVINGS = 4
"""A sixteenth of the rate: slower than that is what cooling is for."""


class Feedback:
    """Of one queue, as its runner asks it."""

    def __init__(self, queue: Queue, store: Store) -> None:
        self._queue = queue
        self._store = store
        self.throttle = queue.throttle
        """How often the rate is halved."""
        self._less: int | None = None if queue.throttle else 0
        """Places taken away for a while; None after a restart: half of them for each time the rate is halved."""
        # Good answers are counted in memory only: a restart counts anew, so a queue is slow for 29 good answers longer
        # at most, which is on the careful side. In the store they would cost a write for each message.
        self._good_for_one = self._good_for_rate = 0
        self.changes = 0
        """How often this engine itself changed the rate: what a claim saw before is older."""

    def places(self, concurrency: int) -> int:
        """How many of `concurrency` may be used now; never none."""
        if self._less is None:
            self._less = concurrency - (concurrency >> self.throttle)
        return max(1, concurrency - self._less)

    def seen(self, throttle: int) -> None:
        """Take over what the claiming transaction saw: a person may have lifted it, and then all places are back."""
        if self.throttle and not throttle:
            self._less = 0
        self.throttle = throttle

    async def halve(self, why: str, concurrency: int) -> None:
        """Half the places, half the rate. Not more than `MOST_HALVINGS` times."""
        self._less = concurrency - max(1, self.places(concurrency) // 2)
        self._good_for_one = self._good_for_rate = 0
        if self.throttle < MOST_HALVINGS:
            await self._set(
                self.throttle + 1, f"slows down to 1/{2 ** (self.throttle + 1)} of its rate: {why}", "warning"
            )

    async def note(self, outcome: Outcome, concurrency: int) -> None:
        """One more answer."""
        if outcome.cls is not OutcomeClass.ACCEPTED or not (self.throttle or self._less):
            return
        less = concurrency - self.places(concurrency)
        self._good_for_one += 1
        if less and self._good_for_one >= GOOD_FOR_ONE:
            less -= 1
            self._good_for_one = 0
        self._less = less
        self._good_for_rate += 1
        if self.throttle and self._good_for_rate >= GOOD_FOR_RATE:
            self._good_for_rate = 0
            left = self.throttle - 1
            to = f"1/{2**left} of its rate" if left else "its full rate"
            await self._set(left, f"goes back to {to} after {GOOD_FOR_RATE} good answers", "info")

    async def _set(self, throttle: int, words: str, level: str) -> None:
        self.throttle = throttle
        self.changes += 1
        await self._store.set_throttle(
            self._queue.id,
            throttle,
            Event(
                "queue.slowed" if level == "warning" else "queue.recovers",
                f"queue {self._queue.name} {words}"[:300],
                level=level,
                queue_id=self._queue.id,
            ),
        )
