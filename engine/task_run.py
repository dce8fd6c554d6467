"""One run of one background job: its processor called under a timeout, and what became of it as the store keeps it."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from dataclasses import dataclass
from typing import Any

from engine.job_settings import Backoff
from engine.planning.durations import format_duration
from engine.processors.context import RunContext
from engine.processors.processor import (
    Again,
    CancelledByPerson,
    Done,
    Doubtful,
    Empty,
    Held,
    NotDone,
    Permanent,
    RunError,
)
from engine.processors.registry import MAX_WORDS, Registry, kept_json, kept_words, read_payload, words_of
from storage.errors import PacelineError, UsageError
from storage.model import Effect, HeldReason, JobState, OutcomeClass
from storage.tasks import ClaimedTask, TaskEnd

log = logging.getLogger("paceline.jobs")

FRAMES = 6
"""Places in the code that the log tells of a fault, the innermost ones."""
MAX_RESULT = 64 * 1024
"""Characters of a result that are kept: what is larger belongs into a file that the result names."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a run ended badly: `key` groups it with others, `permanent`: no further try helps, `doubtful`: it may have
    happened, `wait` (us): when to try again (None: by the back-off)."""

    words: str
    key: str
    permanent: bool = False
    doubtful: bool = False
    wait: int | None = None
    counts: bool = True
    held: bool = False
    cancelled: bool = False


async def run_task(registry: Registry, context: RunContext, backoff: Backoff, rng: random.Random) -> TaskEnd:
    """Call the processor and say how the run ended, whatever it raises. Raises CancelledError only when it is ended
    from outside; `ended_early` says what that means."""
    task = context.task
    try:
        try:
            processor = registry.get(task.kind)
            payload = read_payload(processor, task.payload, context.config.jobs.folder)
        except UsageError as error:
            raise Held(f"{error.message} - {error.hint}" if error.hint else error.message) from None
        outcome = await processor.run(context, payload)
        if context.untold:
            await context.tell()
    except BaseException as error:  # code of others, which may also leave by sys.exit()
        if isinstance(error, asyncio.CancelledError) and _cancelled_from_outside():
            raise
        trouble = _judged(task, error)
        if not isinstance(error, PacelineError | RunError):
            # Not exc_info: that writes all of the error's own words, however many there are and whatever is in them.
            where = kept_words("".join(traceback.format_tb(error.__traceback__, limit=-FRAMES)))
            log.warning("job %s (%s): %s\n%s", task.id, task.kind, trouble.words[:200], where)
        return _ended_badly(task, trouble, context.now(), backoff, rng)
    return _succeeded(task, outcome, context.now())


def _cancelled_from_outside() -> bool:
    """Whether this task was asked to end, and not only something that the processor waited for."""
    me = asyncio.current_task()
    return me is None or me.cancelling() > 0


def ended_early(context: RunContext, *, timed_out: bool, backoff: Backoff, rng: random.Random) -> TaskEnd:
    """What becomes of a run that was ended where it was: by its timeout, or since somebody asked it to end."""
    error: Exception = TimeoutError() if timed_out else CancelledByPerson(f"ended by {context.who_asked} where it was")
    return _ended_badly(context.task, _judged(context.task, error), context.now(), backoff, rng)


def _judged(task: ClaimedTask, error: BaseException) -> Trouble:
    words = words_of(error)
    once = task.effect == Effect.UNREPEATABLE
    match error:
        case CancelledByPerson():
            return Trouble(words, "cancelled", cancelled=True)
        case Permanent():
            return Trouble(words, words[:100], permanent=True)
        case Held():
            return Trouble(words, f"held: {words}"[:100], held=True)
        case UsageError() if not once:
            # What it was given is wrong: no further try would find it otherwise.
            words = f"{error.message} - {error.hint}" if error.hint else error.message
            return Trouble(words, f"held: {error.message}"[:100], held=True)
        case Doubtful():
            return Trouble(words, words[:100], doubtful=True)
        case Again():
            return Trouble(words, words[:100], wait=error.wait, counts=error.counts)
        case NotDone():
            return Trouble(words, words[:100])
        case TimeoutError() if words == "TimeoutError":
            words = f"timed out after {format_duration(task.timeout)}"
            return Trouble(words, words, doubtful=once)
        case PacelineError():
            return Trouble(error.message, error.message[:100], doubtful=once)
    words = f"{type(error).__name__}: {words}" if type(error).__name__ != words else words
    return Trouble(words, words[:100], doubtful=once)


def _ended_badly(task: ClaimedTask, trouble: Trouble, now: int, backoff: Backoff, rng: random.Random) -> TaskEnd:
    words = trouble.words[:MAX_WORDS]
    if trouble.cancelled:
        return TaskEnd(task, now, JobState.SKIPPED, OutcomeClass.NEEDLESS, reason="cancelled", error=words)
    if trouble.held:
        return TaskEnd(
            task, now, JobState.HELD, OutcomeClass.CONFIGURATION, reason=HeldReason.CONFIGURATION.value,
            error_key=trouble.key, error=words, counts_try=False,
        )  # fmt: skip
    if trouble.doubtful:
        words += " (done or not is not known)"
        return TaskEnd(task, now, JobState.UNCERTAIN, OutcomeClass.UNCERTAIN, error_key=trouble.key, error=words)
    if trouble.permanent or (trouble.counts and task.tries >= task.retries):
        return TaskEnd(task, now, JobState.FAILED, OutcomeClass.PERMANENT, error_key=trouble.key, error=words)
    wait = trouble.wait if trouble.wait is not None else delay(backoff, task.tries + 1, rng)
    return TaskEnd(
        task, now, JobState.PENDING, OutcomeClass.TRANSIENT, due_at=now + wait, error_key=trouble.key, error=words,
        counts_try=trouble.counts,
    )  # fmt: skip


def delay(backoff: Backoff, failed: int, rng: random.Random) -> int:
    """How long to wait (us) after the `failed`th failed try: exponential, up to its limit, lengthened by chance."""
    grown = min(float(backoff.most), backoff.first * backoff.factor ** min(failed - 1, 64))
    return int(grown * (1 + backoff.jitter * rng.random()))


def _succeeded(task: ClaimedTask, outcome: Any, now: int) -> TaskEnd:
    flag = ""
    match outcome:
        case Empty():
            result, flag = outcome.result, f"empty: {outcome.why}"
        case Done():
            result, flag = outcome.result, outcome.flag
        case dict():
            result = outcome
        case None:
            result, flag = {}, "empty: it told of nothing that it did"
        case _:
            result, flag = {}, f"its processor returned {type(outcome).__name__}, which is no outcome"
    text = ""
    if result:
        text, trouble = _kept_result(result)
        flag = trouble or flag
    return TaskEnd(task, now, JobState.COMPLETED, OutcomeClass.ACCEPTED, result=text, flag=kept_words(flag)[:500])


def _kept_result(result: dict[str, Any]) -> tuple[str, str]:
    """A result as JSON, or why it is not kept. One that plainly is too large is not even written out: that would hold
    up the engine for as long as it takes."""
    large = f"its result has more than {MAX_RESULT:,} characters and is not kept: name a file in it instead"
    if any(isinstance(value, str | list | dict) and len(value) > MAX_RESULT for value in result.values()):
        return "", large
    try:
        text = kept_json(result, "result")
    except UsageError as error:
        return "", f"its result cannot be kept: {error.message}"[:200]
    return (text, "") if len(text) <= MAX_RESULT else ("", large)
