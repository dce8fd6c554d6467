"""One queue's runner: claim what can start now, pass the gate, send, record. The only part that may begin work.

It keeps no state that the store does not have: what it holds in memory are open connections and the tasks in
flight. It can be told to run until a deadline and then hand back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from engine.accounts import Account
from engine.alarms import Alarms
from engine.attempts import Attempts
from engine.channels.channel import Channel, ChannelError
from engine.clock import Clock
from engine.composer import Letters
from engine.feedback import Feedback
from engine.head_start import Begun
from engine.health import QueueHealth
from engine.rules import LiveRules, Rules
from engine.sessions import IDLE_LIMIT, SessionPool
from engine.slots import ClosedGate, Slot, Slots
from storage.dispatch_nouns import Claim, ClaimRequest
from storage.errors import DamagedStoreError, PacelineError, StaleEpochError
from storage.model import MINUTE, SECOND
from storage.nouns import ClaimedJob, Queue
from storage.store import Store

log = logging.getLogger("paceline.runner")

LEASE = 20 * MINUTE
"""Longer than a send can take: the final reply alone may take ten minutes (RFC 5321 4.5.3.2.6)."""


class QueueRunner:
    """Runs one account's queue until drained. `on_change` tells the scheduler that books changed."""

    def __init__(
        self,
        queue: Queue,
        account: Account,
        rules: Rules,
        *,
        store: Store,
        channel: Channel,
        letters: Letters,
        on_change: Callable[[], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.queue = queue
        self.account = account
        self._live = LiveRules(rules, clock.now)
        self._store = store
        self._on_change = on_change
        self._clock = clock
        self._pool = SessionPool(channel, clock)
        self._wake = asyncio.Event()
        self._draining = self._cut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = Slots(self.wake)
        self._gate = ClosedGate(clock)
        self._held: set[int] = set()
        self._unrecorded: list[tuple[int, int]] = []
        """Claims that the store could not carry on, as (job id, lease): given back as soon as it writes again."""
        self._next_look: int | None = None
        self._warming: asyncio.Task[None] | None = None
        self.health = QueueHealth(queue, rules.cooling, store, clock, on_change)
        self.feedback = Feedback(queue, store)
        self._alarms = Alarms(queue, lambda: self.rules.alarms, store, clock)
        self._attempts = Attempts(
            store=store,
            pool=self._pool,
            letters=letters,
            rules=self._live,
            target=account.target,
            gate=self._gate,
            health=self.health,
            feedback=self.feedback,
            alarms=self._alarms,
            on_change=on_change,
            on_rate=self.ask_again,
            clock=clock,
            rng=rng,
        )
        self.trouble = ""
        """Why nothing could begin although the queue is healthy: the store, or a mistake of ours."""

    @property
    def rules(self) -> Rules:
        """The rules that hold now."""
        return self._live.rules

    def tune(self, rules: Rules) -> None:
        """Go on by other limits; what is in flight is left alone."""
        self._live.set(rules)
        self.ask_again()

    @property
    def in_flight(self) -> int:
        """Claims that have not ended."""
        return self._slots.taken

    @property
    def places(self) -> int:
        """How many may be under way at once now: the limit, less what trouble has taken."""
        return self.feedback.places(self._live.concurrency)

    @property
    def blocked_by(self) -> str:
        """What holds the next job although the queue is healthy; "" for nothing."""
        return self._gate.by

    @property
    def held(self) -> frozenset[int]:
        """Jobs in flight here, whatever the wall clock says of their leases."""
        return frozenset(self._held)

    def wake(self) -> None:
        """Look again now: something became due, a slot is free."""
        self._wake.set()

    def ask_again(self) -> None:
        """Look again now, whatever the gate said until when: a person or the queue's own rate changed something."""
        self._gate.forget()
        self.wake()

    async def run(self, deadline: int | None = None) -> None:
        """Send until drained, or until the deadline (us); then finish what is in flight and hand back."""
        while not self._draining and (deadline is None or self._clock.now() < deadline):
            self._wake.clear()
            try:
                wait = await self._step()
            except (StaleEpochError, DamagedStoreError):
                raise
            except PacelineError as error:
                # A full disk or a locked file: nothing begins, and it goes on by itself when that is over.
                self.trouble, wait = error.message, SECOND
            if wait == 0:
                continue
            if deadline is not None:
                left = max(1, deadline - self._clock.now())
                wait = left if wait is None else min(wait, left)
            if self._pool.open and not self._slots.taken:
                wait = IDLE_LIMIT if wait is None else min(wait, IDLE_LIMIT)
            if not await self._clock.wait(self._wake, wait):
                await self._pool.prune()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._pool.close()

    def drain(self) -> None:
        """Begin nothing more; `run` returns when what is inside the send window has its answer."""
        self._draining = True
        self._wake.set()
        if self._warming is not None:
            # Nothing was claimed for it: an engine that ends does not wait for a server that does not answer.
            self._warming.cancel()

    def cut(self) -> None:
        """End now, also inside the send window: what may have left becomes `uncertain` (see `Engine.cut`)."""
        self._cut = True
        self.drain()
        for task in self._tasks:
            task.cancel()

    async def _step(self) -> int | None:
        """Begin what can begin. Returns 0 to look again at once, a time to wait (us), or None: until woken."""
        if self._slots.taken >= self.places:
            self._gate.by = "concurrency"
            return None
        if closed := self._gate.wait(self._clock.now()):
            return closed
        if self._unrecorded:
            await self._store.hand_back(self._unrecorded)
            self._unrecorded.clear()
        await self._alarms.load()
        if not self._pool.open and not await self._ready_to_send():
            return self._idle_wait(self._next_look)
        claim = await self._claim()
        if self._cut:
            # What this claim took is settled as what was cut: pending again, or `uncertain` where its intent stands.
            return None
        self._gate.seen(claim)
        self.trouble = ""
        begun = self._attempts.head_start.begun(claim)
        for job in claim.jobs:
            self._start(job, begun.get(job.id))
        if claim.jobs:
            return None if self._slots.taken >= self.places else 0
        return self._idle_wait(claim.next_at)

    async def _claim(self, *, peek: bool = False) -> Claim:
        before = self.health.changes, self.feedback.changes
        claim = await self._store.claim(lambda: self._request(peek=peek))
        if before == (self.health.changes, self.feedback.changes):
            # Otherwise a refusal was answered while the claim was under way: it is newer than what the claim saw.
            self.health.seen(claim)
            self.feedback.seen(claim.throttle)
        if claim.moved:
            self._on_change()
        return claim

    def _start(self, job: ClaimedJob, begun: Begun | None) -> None:
        if begun is not None and begun.intent.attempt_id is None:
            # Claimed and refused in one transaction: the job waits again, as if it had never been claimed.
            self._gate.refused(begun.intent)
            self._on_change()
            return
        slot = self._slots.take(job.campaign_id, job.address)
        if begun is not None:
            slot.started()
        self._held.add(job.id)
        task = asyncio.create_task(self._send(job, slot, begun), name=f"send-{job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _request(self, *, peek: bool = False) -> ClaimRequest:
        # Told to drain between asking and the commit: take nothing any more.
        peek = peek or self._draining
        now = self._clock.now()
        return ClaimRequest(
            queue_id=self.queue.id,
            room=1 if peek else max(0, self.places - self._slots.taken),
            now=now,
            lease_until=now + LEASE,
            busy=dict(self._slots.busy),
            starting=self._slots.starting,
            unbegun=self._slots.unbegun,
            starting_domains=self._slots.starting_domains if self.rules.limits.domain_gap else frozenset(),
            limits=self._live.gate(now),
            closed_until=self._live.openings.of_queue(now),
            opens=self._live.openings.of_running,
            own_zones=self._live.openings.own_zones,
            peek=peek,
            begin=None if peek else self._attempts.head_start.offer(self._pool.ready),
        )

    async def _ready_to_send(self) -> bool:
        """Open the first connection, but only when there is something to send; trouble cools the queue."""
        peek = await self._claim(peek=True)
        self._gate.seen(peek)
        if not peek.available:
            self._next_look = peek.next_at
            return False
        self._warming = asyncio.create_task(self._pool.warm())
        try:
            await self._warming
        except ChannelError as error:
            await self._attempts.troubled(error.outcome)
            self._next_look = self.health.cooling_until
            return False
        except asyncio.CancelledError:
            if not self._draining:
                raise
            return False
        finally:
            self._warming = None
        return True

    def _idle_wait(self, next_at: int | None) -> int | None:
        if next_at is None:
            return None
        return max(1, next_at - self._clock.now())

    async def _send(self, job: ClaimedJob, slot: Slot, begun: Begun | None) -> None:
        """One claimed job from gate to durable outcome. Never cancelled inside the send window."""
        try:
            if begun is None:
                await self._attempts.from_claim(job, slot)
            else:
                await self._attempts.from_intent(job, slot, begun)
        except PacelineError as error:
            # The store could not record. Without an intent the claim can be given back; with one the row stays
            # `processing` under its lease, and recovery decides.
            self._unrecorded.append((job.id, job.lease))
            self.trouble = error.message
            log.error("job %s: %s", job.id, error.message)
        except Exception:
            # A bug of ours: the lease runs out and recovery decides by the intent; the queue goes on.
            self.trouble = f"internal error at job {job.id}: see the log"
            log.exception("job %s", job.id)
        finally:
            self._held.discard(job.id)
            slot.free()
