"""What a runner keeps in memory: the places of its queue that are taken, and until when a gate is closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from engine.clock import Clock
from storage.dispatch_nouns import Claim, Intent
from storage.domains import domain_of
from storage.limits import CAP, WARM_UP

COUNTED = (CAP, WARM_UP)


class Slots:
    """The places of one queue's concurrency. `changed` is called when one is free again, and when of all that were
    claimed the last has begun."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.taken = 0
        """Claims that have not ended. Counted here, not by tasks: a task is done only after it woke the loop."""
        self.busy: Counter[int | None] = Counter()
        """The same by campaign."""
        self._starting: Counter[int | None] = Counter()
        self._addresses: Counter[str] = Counter()
        self._changed = changed

    @property
    def starting(self) -> frozenset[int | None]:
        """Campaigns with a claim whose intent is not yet written."""
        return frozenset(campaign for campaign, n in self._starting.items() if n > 0)

    @property
    def unbegun(self) -> int:
        """How many claims have no intent yet."""
        return self._starting.total()

    @property
    def starting_domains(self) -> frozenset[str]:
        """Recipient domains with a claim whose intent is not yet written."""
        return frozenset(map(domain_of, self._addresses))

    def take(self, campaign_id: int | None, address: str = "") -> Slot:
        self.taken += 1
        self.busy[campaign_id] += 1
        self._starting[campaign_id] += 1
        self._addresses[address] += 1
        return Slot(self, campaign_id, address)


class Slot:
    """One place, taken by a claim; `started` and `free` may be called more than once."""

    def __init__(self, slots: Slots, campaign_id: int | None, address: str) -> None:
        self._slots = slots
        self._campaign_id = campaign_id
        self._address = address
        self._taken = self._before_intent = True

    def started(self) -> None:
        """The intent is written: the next gap is measured from it."""
        if self._before_intent:
            self._before_intent = False
            self._slots._starting[self._campaign_id] -= 1
            self._slots._addresses[self._address] -= 1
            if not self._slots._addresses[self._address]:
                del self._slots._addresses[self._address]
            if not self._slots.unbegun:
                # From now on the store alone says when the next may begin.
                self._slots._changed()

    def free(self) -> None:
        self.started()
        if self._taken:
            self._taken = False
            self._slots.taken -= 1
            self._slots.busy[self._campaign_id] -= 1
            self._slots._changed()


class ClosedGate:
    """Until when the gate said that nothing can begin, and which part of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_at = self._until = 0
        self.by = ""

    def refused(self, intent: Intent) -> None:
        """The gate refused this one: the latest time it named counts."""
        self.by = intent.refused
        self._close(intent.retry_at)

    def seen(self, claim: Claim) -> None:
        """What held a claim: of a cap that is full it need not be asked again and again."""
        self.by = claim.blocked_by
        if claim.blocked_by in COUNTED:
            self._close(claim.next_at)

    def _close(self, until: int | None) -> None:
        if until is not None:
            self._said_at = self._clock.now()
            self._until = max(self._until, until)

    def forget(self) -> None:
        """Look again at once: something else decides now."""
        self._until = 0

    def wait(self, now: int) -> int:
        """How long it stays closed (us); 0 when it may be asked again."""
        if now < self._said_at:
            # The clock was set back: the gate names the new time.
            self._said_at = self._until = 0
        return max(0, self._until - now)
