"""One claimed job: composed, offered, through the gate, delivered, recorded. Never cancelled inside the send window.

What it needs of its runner comes in at the door; nothing here decides what begins next.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from engine.alarms import Alarms
from engine.channels.channel import ChannelError, Message, Session
from engine.clock import Clock
from engine.compose.errors import ComposeError, MissingField
from engine.composer import Letters
from engine.feedback import Feedback
from engine.head_start import Begun, HeadStart
from engine.health import QueueHealth
from engine.outcomes import Action, Outcome
from engine.retry import Disposition, decide
from engine.rules import LiveRules
from engine.sessions import SessionPool
from engine.slots import ClosedGate, Slot
from engine.suppressing import suppressed_by
from storage.dispatch_nouns import Finish, Intent, IntentRequest
from storage.errors import PacelineError
from storage.model import HeldReason, JobState, OutcomeClass, QueueState
from storage.nouns import ClaimedJob
from storage.store import Store

log = logging.getLogger("paceline.attempts")


class Attempts:
    """Takes the jobs of one queue from their claim to their durable outcome. `target` is where they go, as an outcome
    names it; `on_change` tells the scheduler that books changed, `on_rate` the runner that the queue's rate did."""

    def __init__(
        self,
        *,
        store: Store,
        pool: SessionPool,
        letters: Letters,
        rules: LiveRules,
        target: str,
        gate: ClosedGate,
        health: QueueHealth,
        feedback: Feedback,
        alarms: Alarms,
        on_change: Callable[[], None],
        on_rate: Callable[[], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._pool = pool
        self._letters = letters
        self._rules = rules
        self._target = target
        self._gate = gate
        self._health = health
        self._feedback = feedback
        self._alarms = alarms
        self._on_change = on_change
        self._on_rate = on_rate
        self._clock = clock
        self._rng = rng
        self.head_start = HeadStart(letters.make_now, self._asking)

    async def from_claim(self, job: ClaimedJob, slot: Slot) -> None:
        """From a claim: the gate is passed while the envelope is offered. Raises StoreError when nothing could be
        recorded: the row then stays under its lease."""
        try:
            message = await self._letters.make(job)
        except ComposeError as error:
            await self._hold(job, error)
            return
        try:
            session = await self._pool.take()
        except ChannelError as error:
            await self._store.hand_back([(job.id, job.lease)])
            await self.troubled(error.outcome)
            return
        began = self._clock.monotonic()
        request = self._asking(job, message)
        # The intent is written while MAIL and RCPT are on their way: both are safe to repeat.
        asking = asyncio.ensure_future(self._store.begin_attempt(request))
        # Not only when the envelope is answered, which may take minutes: until then it would hold others up.
        asking.add_done_callback(lambda asked: slot.started() if _granted(asked) else None)
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

    async def from_intent(self, job: ClaimedJob, slot: Slot, begun: Begun) -> None:
        """From a claim that brought its intent with it; raises as `from_claim`."""
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
        if refusal is None:
            self.head_start.answered(self._clock.monotonic() - began)
        return refusal

    async def _put_back(self, session: Session) -> None:
        if session.usable:
            self._pool.give_back(session)
        else:
            await self._pool.drop(session)

    async def _gate_closed(self, session: Session, refusal: Outcome | None, intent: Intent) -> None:
        if refusal is None:
            await session.abandon()
        await self._put_back(session)
        self._gate.refused(intent)
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
        self, job: ClaimedJob, intent: Intent, intent_at: int, outcome: Outcome, duration: int, slot: Slot
    ) -> None:
        now = self._clock.now()
        fate = decide(
            outcome,
            tries=job.tries + 1,
            budget_at=job.budget_at if job.budget_at is not None else intent_at,
            now=now,
            policy=self._rules.rules.retry,
            rng=self._rng,
        )
        accepted = outcome.cls is OutcomeClass.ACCEPTED
        suppress, suppress_for = suppressed_by(outcome, fate.state)
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
                reason=fate.reason if fate.state in (JobState.HELD, JobState.SKIPPED) else "",
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
                suppress=suppress,
                suppress_for=suppress_for,
                scope=None if job.batch_id is None else (job.queue_id, job.campaign_id, job.batch_id),
            )
        )
        if accepted and fate.queue_action is Action.NONE and self._health.state is QueueState.READY:
            slot.free()
        recorded = await recording
        if not recorded:
            log.warning("job %s: its lease was lost before the outcome (%s)", job.id, outcome.cls.value)
        if not accepted and outcome.phase != "content":
            # Its start no longer counts: a cap that it had filled has room again.
            self._gate.forget()
        await self._consequences(job, outcome, fate)
        self._on_change()

    async def _consequences(self, job: ClaimedJob, outcome: Outcome, fate: Disposition) -> None:
        rates = self._feedback.changes
        await self._feedback.note(outcome, self._rules.concurrency)
        if rates != self._feedback.changes:
            # Caps that were full by the slower rate have room.
            self._on_rate()
        if fate.queue_action is not Action.NONE:
            await self.troubled(outcome)
        elif self._health.state is QueueState.PROBING and outcome.cls is not OutcomeClass.UNCERTAIN:
            await self._health.recovered()
        if outcome.action == Action.CONNECTED and job.profile:
            await self._store.note_accepted(job.queue_id, [job.profile], self._clock.now())
        if outcome.action == Action.SLOW:
            await self._feedback.halve(outcome.text, self._rules.concurrency)
        if slow_down := await self._alarms.note(job.campaign_id, outcome, fate):
            await self._feedback.halve(slow_down, self._rules.concurrency)
            await self._alarms.slowed(slow_down)

    def _asking(self, job: ClaimedJob, message: Message) -> IntentRequest:
        now = self._clock.now()
        opens = self._rules.openings.of_running(job.hours, job.fields, now)
        return IntentRequest(
            job.id, job.lease, self._store.epoch, now, self._rules.gate(now), opens, self._target,
            message.digest,
        )  # fmt: skip

    async def troubled(self, outcome: Outcome) -> None:
        """Something concerns the whole queue: its health decides, no longer the gate."""
        self._gate.forget()
        # Ten connections that meet one refusal slow the queue down once.
        if await self._health.troubled(outcome) and outcome.cls is OutcomeClass.ACCOUNT:
            await self._feedback.halve(outcome.text or outcome.error_key, self._rules.concurrency)


def _granted(asked: asyncio.Future[Intent]) -> bool:
    return not asked.cancelled() and asked.exception() is None and asked.result().attempt_id is not None
