"""One queue's runner: claim what can start now, pass the gate, send, record. The only part that may begin work.

It keeps no state that the store does not have: what it holds in memory are open connections and the tasks in
flight. It can be told to run until a deadline and then hand back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.accounts import Account
from engine.alarms import CampaignAlarms
from engine.channels.channel import Channel, ChannelError, Message, Session
from engine.clock import Clock
from engine.compose.errors import ComposeError, MissingField
from engine.composer import Composer
from engine.head_start import Begun, HeadStart
from engine.health import QueueHealth
from engine.outcomes import Action, Outcome
from engine.retry import CoolingLadder, Disposition, RetryPolicy, decide
from engine.sessions import IDLE_LIMIT, SessionPool
from storage.dispatch import ClaimRequest, Finish, Intent, IntentRequest
from storage.errors import DamagedStoreError, PacelineError, StaleEpochError
from storage.model import (
    MINUTE,
    SECOND,
    ClaimedJob,
    HeldReason,
    JobState,
    OutcomeClass,
    Queue,
    QueueState,
)
from storage.store import Store

log = logging.getLogger("paceline.runner")

LEASE = 20 * MINUTE
"""Longer than a send can take: the final reply alone may take ten minutes (RFC 5321 4.5.3.2.6)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """An account's limits and rules as the runner needs them. `min_gap` in microseconds; caps as (n, period)."""

    concurrency: int
    min_gap: int
    caps: tuple[tuple[int, int], ...]
    retry: RetryPolicy
    cooling: CoolingLadder


class _Slot:
    """One place of a queue's concurrency, taken by a claim; `free` may be called more than once."""

    def __init__(self, runner: QueueRunner, campaign_id: int | None) -> None:
        self._runner = runner
        self._campaign_id = campaign_id
        self._taken = self._before_intent = True
        runner._in_flight += 1
        runner._busy[campaign_id] += 1
        runner._starting[campaign_id] += 1

    def started(self) -> None:
        """The intent is written: the next gap is measured from it."""
        if self._before_intent:
            self._before_intent = False
            self._runner._starting[self._campaign_id] -= 1

    def free(self) -> None:
        self.started()
        if self._taken:
            self._taken = False
            self._runner._in_flight -= 1
            self._runner._busy[self._campaign_id] -= 1
            self._runner.wake()


class QueueRunner:
    """Runs one account's queue until drained. `prepare` readies a campaign's factories (see `Composer.add`);
    `may_reach` is the allow-list for campaigns that are not live; `on_change` tells the scheduler that books
    changed."""

    def __init__(
        self,
        queue: Queue,
        account: Account,
        rules: Rules,
        *,
        store: Store,
        channel: Channel,
        composer: Composer,
        prepare: Callable[[int], Awaitable[None]],
        may_reach: Callable[[str], bool],
        on_change: Callable[[], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.queue = queue
        self.account = account
        self.rules = rules
        self._store = store
        self._composer = composer
        self._prepare = prepare
        self._may_reach = may_reach
        self._on_change = on_change
        self._clock = clock
        self._rng = rng
        self._pool = SessionPool(channel, clock)
        self._head_start = HeadStart(self._built, self._asking)
        self._wake = asyncio.Event()
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._held: set[int] = set()
        self._busy: Counter[int | None] = Counter()
        self._starting: Counter[int | None] = Counter()
        self._blocked_at = self._blocked_until = 0
        self._next_look: int | None = None
        self._warming: asyncio.Task[None] | None = None
        self._alarms = CampaignAlarms(store)
        self.health = QueueHealth(queue, rules.cooling, store, clock, on_change)
        self.blocked_by = ""
        self.trouble = ""
        """Why nothing could begin although the queue is healthy: the store, or a mistake of ours."""

    @property
    def in_flight(self) -> int:
        """Claims that have not ended. Counted here, not by tasks: a task is done only after it woke the loop."""
        return self._in_flight

    @property
    def held(self) -> frozenset[int]:
        """Jobs in flight here, whatever the wall clock says of their leases."""
        return frozenset(self._held)

    def wake(self) -> None:
        """Look again now: something became due, a slot is free, a person changed something."""
        self._wake.set()

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
            if self._pool.open and not self._in_flight:
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
        self.drain()
        for task in self._tasks:
            task.cancel()

    async def _step(self) -> int | None:
        """Begin what can begin. Returns 0 to look again at once, a time to wait (us), or None: until woken."""
        now = self._clock.now()
        if self._in_flight >= self.rules.concurrency:
            self.blocked_by = "concurrency"
            return None
        if now < self._blocked_at:
            # The clock was set back: the gate names the new time.
            self._blocked_at = self._blocked_until = 0
        if self._blocked_until > now:
            return self._blocked_until - now
        if not self._pool.open and not await self._ready_to_send():
            return self._idle_wait(self._next_look)
        claim = await self._store.claim(self._request)
        self.health.seen(claim)
        self.blocked_by, self.trouble = claim.blocked_by, ""
        begun = self._head_start.begun(claim)
        for job in claim.jobs:
            self._start(job, begun.get(job.id))
        if claim.jobs:
            return None if self._in_flight >= self.rules.concurrency else 0
        return self._idle_wait(claim.next_at)

    def _start(self, job: ClaimedJob, begun: Begun | None) -> None:
        if begun is not None and begun.intent.attempt_id is None:
            # Claimed and refused in one transaction: the job waits again, as if it had never been claimed.
            self._refused(begun.intent)
            return
        slot = _Slot(self, job.campaign_id)
        if begun is not None:
            slot.started()
        task = asyncio.create_task(self._send(job, slot, begun), name=f"send-{job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _request(self, *, peek: bool = False) -> ClaimRequest:
        now = self._clock.now()
        return ClaimRequest(
            queue_id=self.queue.id,
            room=1 if peek else self.rules.concurrency - self._in_flight,
            now=now,
            lease_until=now + LEASE,
            busy=dict(self._busy),
            starting=frozenset(c for c, n in self._starting.items() if n > 0),
            min_gap=self.rules.min_gap,
            peek=peek,
            begin=None if peek else self._head_start.offer(self._pool.ready),
        )

    def _asking(self, job: ClaimedJob) -> IntentRequest:
        return IntentRequest(
            job.id,
            job.lease,
            self._store.epoch,
            self._clock.now(),
            min_gap=self.rules.min_gap,
            caps=self.rules.caps,
            server=self.account.target,
        )

    async def _ready_to_send(self) -> bool:
        """Open the first connection, but only when there is something to send; trouble cools the queue."""
        peek = await self._store.claim(lambda: self._request(peek=True))
        self.health.seen(peek)
        self.blocked_by = peek.blocked_by
        if not peek.available:
            self._next_look = peek.next_at
            return False
        self._warming = asyncio.create_task(self._pool.warm())
        try:
            await self._warming
        except ChannelError as error:
            await self._troubled(error.outcome)
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

    async def _send(self, job: ClaimedJob, slot: _Slot, begun: Begun | None) -> None:
        """One claimed job from gate to durable outcome. Never cancelled inside the send window."""
        self._held.add(job.id)
        try:
            await (self._attempt(job, slot) if begun is None else self._attempt_begun(job, slot, begun))
        except PacelineError as error:
            # The store could not record: the row stays `processing` under its lease, and recovery decides.
            self.trouble = error.message
            log.error("job %s: %s", job.id, error.message)
        except Exception:
            # A bug of ours: the lease runs out and recovery decides by the intent; the queue goes on.
            self.trouble = f"internal error at job {job.id}: see the log"
            log.exception("job %s", job.id)
        finally:
            self._held.discard(job.id)
            slot.free()

    async def _attempt(self, job: ClaimedJob, slot: _Slot) -> None:
        try:
            message = await self._compose(job)
        except ComposeError as error:
            await self._hold(job, error)
            return
        try:
            session = await self._pool.take()
        except ChannelError as error:
            await self._store.hand_back([(job.id, job.lease)])
            await self._troubled(error.outcome)
            return
        began = self._clock.monotonic()
        request = self._asking(job)
        # The intent is written while MAIL and RCPT are on their way: both are safe to repeat.
        asking = self._store.begin_attempt(request)
        refusal = await self._offer(session, message)
        try:
            intent = await asking
        except PacelineError:
            await self._pool.drop(session)
            raise
        slot.started()
        if intent.attempt_id is None:
            await self._gate_closed(session, refusal, intent)
            return
        outcome = refusal or await session.deliver(message)
        await self._put_back(session)
        await self._record(job, intent, request.now, outcome, self._clock.monotonic() - began, slot)

    async def _attempt_begun(self, job: ClaimedJob, slot: _Slot, begun: Begun) -> None:
        """The same when the intent stands already."""
        began = self._clock.monotonic()
        try:
            session = await self._pool.take()
        except ChannelError as error:
            outcome = error.outcome
        else:
            self._store.expect(1)
            try:
                outcome = await self._offer(session, begun.message, begun=True) or await session.deliver(begun.message)
            finally:
                self._store.expect(-1)
            await self._put_back(session)
        await self._record(job, begun.intent, begun.intent_at, outcome, self._clock.monotonic() - began, slot)

    async def _offer(self, session: Session, message: Message, *, begun: bool = False) -> Outcome | None:
        began = self._clock.monotonic()
        refusal = await session.prepare(message, begun=begun)
        self._head_start.answered(self._clock.monotonic() - began)
        return refusal

    async def _put_back(self, session: Session) -> None:
        if session.usable:
            self._pool.give_back(session)
        else:
            await self._pool.drop(session)

    async def _compose(self, job: ClaimedJob) -> Message:
        if not job.live and not self._may_reach(job.address):
            raise ComposeError(
                "not on the allow-list of a campaign that is not live",
                hint="add the address to [safety] allow, or set the campaign live",
            )
        if job.campaign_id is None or job.step_id is None:
            raise ComposeError("this job belongs to no campaign")
        if not self._composer.has(job.campaign_id):
            await self._prepare(job.campaign_id)
        return self._build(job, job.campaign_id, job.step_id)

    def _built(self, job: ClaimedJob) -> Message | None:
        """The message, when it can be made without waiting. Raises ComposeError."""
        if not job.live and not self._may_reach(job.address):
            return None
        if job.campaign_id is None or job.step_id is None or not self._composer.has(job.campaign_id):
            return None
        return self._build(job, job.campaign_id, job.step_id)

    def _build(self, job: ClaimedJob, campaign_id: int, step_id: int) -> Message:
        return self._composer.build(
            campaign_id,
            step_id,
            address=job.address,
            fields=job.fields,
            message_id=job.message_id,
            date=self._clock.now(),
        )

    async def _gate_closed(self, session: Session, refusal: Outcome | None, intent: Intent) -> None:
        if refusal is None:
            await session.abandon()
        await self._put_back(session)
        self._refused(intent)

    def _refused(self, intent: Intent) -> None:
        self.blocked_by = intent.refused
        if intent.retry_at is not None:
            self._blocked_at = self._clock.now()
            self._blocked_until = max(self._blocked_until, intent.retry_at)
        self._on_change()

    async def _hold(self, job: ClaimedJob, error: ComposeError) -> None:
        reason = HeldReason.FIELD if isinstance(error, MissingField) else HeldReason.CONTENT
        if not job.live and "allow-list" in error.message:
            reason = HeldReason.CONFIGURATION
        await self._store.finish_attempt(
            Finish(
                job_id=job.id,
                lease=job.lease,
                attempt_id=None,
                now=self._clock.now(),
                state=JobState.HELD,
                reason=reason.value,
                reply=error.message,
                error_key=f"held: {error.message}"[:100],
            )
        )
        self._on_change()

    async def _record(
        self, job: ClaimedJob, intent: Intent, intent_at: int, outcome: Outcome, duration: int, slot: _Slot
    ) -> None:
        now = self._clock.now()
        fate = decide(
            outcome,
            tries=job.tries + 1,
            budget_at=job.budget_at if job.budget_at is not None else intent_at,
            now=now,
            policy=self.rules.retry,
            rng=self._rng,
        )
        accepted = outcome.cls is OutcomeClass.ACCEPTED
        # The Writer keeps order: a claim asked for from here on is committed with this outcome or after it, so the
        # slot is free for the next job exactly when this outcome is durable, and one commit serves both.
        recording = self._store.finish_attempt(
            Finish(
                job_id=job.id,
                lease=job.lease,
                attempt_id=intent.attempt_id,
                intent_at=intent_at,
                now=now,
                state=fate.state,
                due_at=fate.due_at,
                reason=fate.reason if fate.state is JobState.HELD else "",
                counts_try=fate.counts_try,
                outcome=outcome.cls,
                phase=outcome.phase,
                code=outcome.code,
                enhanced=outcome.enhanced,
                reply=outcome.text,
                error_key="" if accepted else outcome.error_key or outcome.cls.value,
                server=outcome.server,
                duration=duration,
                content_sent=outcome.phase == "content" or accepted,
            )
        )
        if accepted and self.health.state is QueueState.READY:
            slot.free()
        recorded = await recording
        if not recorded:
            log.warning("job %s: its lease was lost before the outcome (%s)", job.id, outcome.cls.value)
        await self._consequences(job, outcome, fate)
        self._on_change()

    async def _consequences(self, job: ClaimedJob, outcome: Outcome, fate: Disposition) -> None:
        if fate.queue_action is not Action.NONE:
            await self._troubled(outcome)
        elif self.health.state is QueueState.PROBING and outcome.cls is not OutcomeClass.UNCERTAIN:
            await self.health.recovered()
        if job.campaign_id is not None:
            await self._alarms.note(job.campaign_id, outcome, fate)

    async def _troubled(self, outcome: Outcome) -> None:
        self._blocked_until = 0
        await self.health.troubled(outcome)
