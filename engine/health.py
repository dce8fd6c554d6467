"""The health of one queue: ready, cooling, probing, or waiting for a person; kept in the store with its reason."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import Clock
from engine.outcomes import Action, Outcome
from engine.retry import CoolingLadder
from storage.alarms import Alarm
from storage.dispatch_nouns import Claim
from storage.errors import PacelineError
from storage.events import Event
from storage.model import AlarmKind, QueueState
from storage.nouns import Queue
from storage.store import Store


class QueueHealth:
    """Follows the queue's state as claims show it, and changes it when an outcome concerns the queue."""

    def __init__(
        self, queue: Queue, ladder: CoolingLadder, store: Store, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._ladder = ladder
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._step = queue.cooling_step
        self.cooling_until = 0
        self.state = queue.state
        self.trouble = ""
        self.changes = 0
        """How often this engine itself changed the state: what a claim saw before is older."""

    def seen(self, claim: Claim) -> None:
        """Take over what the claiming transaction saw: a person may have changed it."""
        if self.state is not claim.queue_state and claim.queue_state is QueueState.READY:
            self._step, self.cooling_until, self.trouble = 0, 0, ""
        self.state = claim.queue_state
        self._step = claim.cooling_step or self._step

    async def troubled(self, outcome: Outcome) -> bool:
        """Cool or stop the queue; nobody's budget is burnt. True when this is a new sign that it goes too fast: ten
        connections that meet one outage count once, and a probe that is refused only says that it was too early (as a
        segment that is lost again halves nothing more: RFC 5681 section 3.1)."""
        now, probed = self._clock.now(), self.state is QueueState.PROBING
        self.changes += 1
        self.trouble = outcome.text
        if outcome.action in (Action.NEEDS_ATTENTION, Action.RESTRICTED):
            await self._stop(outcome)
            return False
        resting = self.state is QueueState.COOLING and self.cooling_until > now
        rung = max(0, self._step - 1) if resting else self._step
        until = self._ladder.cooling_until(rung, now, outcome.wait, action=outcome.action)
        asks_for_more = outcome.wait or outcome.action == Action.COOL_DAY
        if resting and not (asks_for_more and until > self.cooling_until):
            return False
        self._step = rung + 1
        # Set before the write, so that ten connections in one outage write once; taken back when it cannot be written.
        before, self.cooling_until = self.cooling_until, until
        try:
            await self._cool(outcome, until, self._step)
        except PacelineError:
            self.cooling_until = before
            raise
        return not resting and not probed

    async def recovered(self) -> None:
        """One success while probing resets everything."""
        self.changes += 1
        self.state, self._step, self.cooling_until, self.trouble = QueueState.READY, 0, 0, ""
        await self._store.set_queue_state(
            self._queue.id,
            QueueState.READY,
            event=Event("queue.ready", f"queue {self._queue.name} is ready again", queue_id=self._queue.id),
        )

    async def _stop(self, outcome: Outcome) -> None:
        """Wait for a person: the login is refused, or the provider has locked the account."""
        restricted = outcome.action == Action.RESTRICTED
        self.state = QueueState.RESTRICTED if restricted else QueueState.NEEDS_ATTENTION
        kind = AlarmKind.RESTRICTED if restricted else AlarmKind.AUTHENTICATION
        await self._store.stop_queue(
            Alarm(kind, _words(outcome), queue_id=self._queue.id), self.state, campaigns_too=restricted
        )
        self._on_change()

    async def _cool(self, outcome: Outcome, until: int, step: int) -> None:
        self.state = QueueState.COOLING
        await self._store.set_queue_state(
            self._queue.id,
            QueueState.COOLING,
            reason=_words(outcome),
            until=until,
            cooling_step=step,
            event=Event(
                "queue.cooling",
                f"queue {self._queue.name} cools: {outcome.text or outcome.error_key}"[:300],
                level="warning",
                queue_id=self._queue.id,
            ),
        )
        self._on_change()


def _words(outcome: Outcome) -> str:
    return f"{outcome.phase}: {outcome.text or outcome.error_key}"[:300]
