"""When a job runs again and when it is given up: policy, cooling ladder and the job's next state.

Pure functions; the lengths of all waits are drawn from tenacity's wait strategies. Durations are integer
microseconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying
from tenacity.wait import wait_base, wait_chain, wait_fixed, wait_random_exponential

from engine.outcomes import MAX_WAIT, Action, Outcome
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND, HeldReason, JobState, OutcomeClass, PauseReason


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a message is tried again (RFC 5321 section 4.5.4.1: all of it can be set).

    `delays` follow the first, second, ... failed try, the last one repeats. Each is lengthened by up to `jitter`
    (0.1: at most 10 %), never shortened. Nothing is planned later than `give_up` after the budget began, nor
    after `max_tries` tries (None: no such limit). Raises UsageError for values out of range.
    """

    delays: tuple[int, ...] = (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
    give_up: int = 3 * DAY
    jitter: float = 0.1
    max_tries: int | None = None

    def __post_init__(self) -> None:
        if not self.delays or min(self.delays) < 0:
            raise UsageError("retry.delays: at least one delay, none below zero")
        if self.give_up < 0:
            raise UsageError("retry.give_up: must not be below zero")
        if not 0 <= self.jitter <= 1:
            raise UsageError("retry.jitter: must lie between 0 and 1")
        if self.max_tries is not None and self.max_tries < 1:
            raise UsageError("retry.max_tries: must be 1 or more")


@dataclass(frozen=True, slots=True)
class CoolingLadder:
    """How long a queue rests after account and route trouble; a step is climbed each time a probe fails."""

    steps: tuple[int, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE)

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 0:
            raise UsageError("cooling.steps: at least one duration, none below zero")

    def cooling_until(self, step: int, now: int, wait: int = 0, *, action: str = Action.COOL) -> int:
        """The time (us) until which the queue cools.

        `step` counts from 0 for the first rest and stays on the last step beyond it. The server's `wait` (us, at
        most 24 h) is a minimum; `Action.COOL_DAY` rests 24 h at least.
        """
        rest = self.steps[min(max(step, 0), len(self.steps) - 1)]
        if action == Action.COOL_DAY:
            rest = max(rest, DAY)
        return now + max(rest, min(wait, MAX_WAIT))


@dataclass(frozen=True, slots=True)
class Disposition:
    """A job's next state after an attempt.

    `due_at` is set for `pending` only. `reason` is the error key, or the `HeldReason` of a held job.
    `counts_try`: whether the attempt uses up the person's budget. `queue_action` is what the queue must do (NONE, COOL,
    COOL_DAY, NEEDS_ATTENTION, RESTRICTED); what concerns the person (SUPPRESS, SOFT, ...) stays in the outcome.
    `pause_campaign` is a `PauseReason` value or "". `gave_up`: a transient failure whose budget ended.
    """

    state: JobState
    due_at: int | None = None
    reason: str = ""
    counts_try: bool = True
    queue_action: Action = Action.NONE
    pause_campaign: str = ""
    gave_up: bool = False


class _Lengthened(wait_base):
    """A strategy's wait lengthened by up to `jitter`, drawn from the caller's generator so that plans repeat."""

    def __init__(self, inner: wait_base, jitter: float, rng: random.Random) -> None:
        self.inner = inner
        self.jitter = jitter
        self.rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        return self.inner(retry_state) * (1 + self.jitter * self.rng.random())


def next_due(
    policy: RetryPolicy, *, tries: int, budget_at: int, now: int, wait: int = 0, rng: random.Random
) -> int | None:
    """The time (us) of the next try, or None: give up.

    `tries` counts the attempts of the present budget, the one that just failed included; `budget_at` is when its
    first one began. The server's `wait` is a minimum.
    """
    if policy.max_tries is not None and tries >= policy.max_tries:
        return None
    chain = wait_chain(*(wait_fixed(delay / SECOND) for delay in policy.delays))
    delay = round(_Lengthened(chain, policy.jitter, rng)(_failed(tries)) * SECOND)
    due = now + max(delay, wait)
    return due if due <= budget_at + policy.give_up else None


def connect_wait() -> wait_base:
    """Waits between attempts to reconnect: random in a range that doubles up to 1..60 s."""
    return wait_random_exponential(multiplier=2, min=1, max=60)


def decide(
    outcome: Outcome, *, tries: int, budget_at: int | None, now: int, policy: RetryPolicy, rng: random.Random
) -> Disposition:
    """Map a classified outcome to the job's next state, by the table of `docs/outcomes.md`.

    `tries` as in `next_due`; `budget_at` None means that the budget began now. Account and route outcomes are due
    again at once: their queue rests, which is what holds the job.
    """
    match outcome.cls:
        case OutcomeClass.ACCEPTED:
            rests = outcome.action == Action.COOL_DAY
            return Disposition(JobState.COMPLETED, queue_action=Action.COOL_DAY if rests else Action.NONE)
        case OutcomeClass.NEEDLESS if outcome.action == Action.HOLD:
            return Disposition(JobState.HELD, reason=HeldReason.CONTENT.value, counts_try=False)
        case OutcomeClass.NEEDLESS:
            return Disposition(JobState.SKIPPED, reason=outcome.error_key, counts_try=False)
        case OutcomeClass.UNCERTAIN:
            return Disposition(JobState.UNCERTAIN, reason=outcome.error_key)
        case OutcomeClass.CONTENT if outcome.action == Action.HOLD_PAUSE:
            return Disposition(
                JobState.HELD,
                reason=HeldReason.CONTENT.value,
                counts_try=False,
                pause_campaign=PauseReason.ERRORS.value,
            )
        case OutcomeClass.PERMANENT | OutcomeClass.CONTENT:
            return Disposition(JobState.FAILED, reason=outcome.error_key)
        case OutcomeClass.CONFIGURATION:
            return Disposition(
                JobState.HELD,
                reason=HeldReason.CONFIGURATION.value,
                counts_try=False,
                pause_campaign=PauseReason.ERRORS.value,
            )
        case OutcomeClass.ACCOUNT | OutcomeClass.ROUTE:
            action = _queue_action(outcome.action)
            return Disposition(JobState.PENDING, now, outcome.error_key, False, action)
        case OutcomeClass.TRANSIENT if outcome.action == Action.POSTPONE:
            return Disposition(JobState.PENDING, now + outcome.wait, outcome.error_key, counts_try=False)
        case OutcomeClass.TRANSIENT:
            began = now if budget_at is None else budget_at
            due = next_due(policy, tries=tries, budget_at=began, now=now, wait=outcome.wait, rng=rng)
            if due is None:
                return Disposition(JobState.FAILED, reason=outcome.error_key, gave_up=True)
            return Disposition(JobState.PENDING, due, outcome.error_key)


def _queue_action(action: str) -> Action:
    """An action that a queue knows; anything else cools it, for a queue in trouble must never go on at once."""
    if action in (Action.COOL_DAY, Action.NEEDS_ATTENTION, Action.RESTRICTED):
        return Action(action)
    return Action.COOL


def _failed(tries: int) -> RetryCallState:
    """The smallest state that a wait strategy reads: the number of the attempt."""
    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(tries, 1)
    return state
