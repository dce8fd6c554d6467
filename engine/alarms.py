"""Alarms: what is wrong for everybody must not be tried on everybody.

What one queue's answers say about its campaigns, its account and its rate, asked after each of them. Counts come from
the store, so that a restart forgets none; the last answers of the queue are read from it once.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.alarm_rules import AlarmRules, LastAnswers
from engine.clock import Clock
from engine.outcomes import Action, Outcome
from engine.retry import Disposition
from storage.alarms import Alarm
from storage.model import AlarmKind, OutcomeClass, PauseReason, QueueState
from storage.nouns import Queue
from storage.reputation import is_dead
from storage.store import Store

MOST = 300
"""Characters of a reason."""


class Alarms:
    """Of one queue. `rules` gives the thresholds that hold now."""

    def __init__(self, queue: Queue, rules: Callable[[], AlarmRules], store: Store, clock: Clock) -> None:
        self._queue = queue
        self._rules = rules
        self._store = store
        self._clock = clock
        self._answers: LastAnswers | None = None

    async def load(self) -> None:
        """Read the queue's last answers, once. Raises StoreError."""
        if self._answers is None:
            rules = self._rules()
            most = max(rules.transient_of, rules.unknown_in_a_row)
            found, unknown_since, transient_since = await self._store.last_answers(self._queue.id, most)
            answers = LastAnswers(rules.transient_of)
            answers.load(found, unknown_since=unknown_since, transient_since=transient_since)
            self._answers = answers

    async def note(self, campaign_id: int | None, outcome: Outcome, fate: Disposition) -> str:
        """Stop what this answer says is wrong. Returns why the queue should slow down, "" when it should not."""
        rules = self._rules()
        if campaign_id is not None:
            await self._note_campaign(campaign_id, outcome, fate, rules)
        if is_dead(outcome.cls, outcome.error_key):
            await judge(self._store, "queue", self._queue.id, rules, self._clock.now())
        return await self._note_answer(outcome, rules)

    async def slowed(self, why: str) -> None:
        """The rate was halved for what `note` said."""
        await self._store.raise_alarm(Alarm(AlarmKind.TRANSIENT, why, queue_id=self._queue.id), None)

    async def _note_campaign(self, campaign_id: int, outcome: Outcome, fate: Disposition, rules: AlarmRules) -> None:
        if fate.pause_campaign:
            text = f"{outcome.error_key}: {outcome.text}"[:MOST]
            await self._store.pause_for(Alarm(AlarmKind.CONFIGURATION, text, campaign_id), PauseReason.ERRORS)
        elif outcome.cls is OutcomeClass.CONTENT:
            n = await self._store.content_errors(campaign_id, outcome.error_key, rules.content_errors)
            if n >= rules.content_errors:
                text = f"{n} times {outcome.error_key}"[:MOST]
                await self._store.pause_for(Alarm(AlarmKind.CONTENT, text, campaign_id), PauseReason.ERRORS)
        elif is_dead(outcome.cls, outcome.error_key):
            await judge(self._store, "campaign", campaign_id, rules, self._clock.now())

    async def _note_answer(self, outcome: Outcome, rules: AlarmRules) -> str:
        if self._answers is None:
            return ""
        unknown = outcome.cls is OutcomeClass.PERMANENT and outcome.action == Action.UNKNOWN
        self._answers.note(outcome.cls, unknown=unknown)
        if self._answers.in_a_row >= rules.unknown_in_a_row:
            n, self._answers.in_a_row = self._answers.in_a_row, 0
            text = f"{n} unknown refusals in a row, the last: {outcome.error_key}"[:MOST]
            alarm = Alarm(AlarmKind.UNKNOWN, text, queue_id=self._queue.id)
            await self._store.stop_queue(alarm, QueueState.PAUSED)
        return self._answers.too_many_transient(rules)


async def judge(store: Store, scope: str, scope_id: int, rules: AlarmRules, now: int) -> None:
    """Pause a `campaign`, or a `queue`, of which too much came back or too many complained; `now` in us."""
    reputation = await store.reputation_of(scope, scope_id, now - rules.period)
    for kind, text in (
        (AlarmKind.COMPLAINTS, rules.complained(reputation)),
        (AlarmKind.BOUNCES, rules.bounces(reputation)),
    ):
        if text and scope == "campaign":
            await store.pause_for(Alarm(kind, text, campaign_id=scope_id), PauseReason.BOUNCES)
        elif text:
            await store.stop_queue(Alarm(kind, text, queue_id=scope_id), QueueState.PAUSED)
