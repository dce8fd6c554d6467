"""What a processor is: the code that runs one kind of background job.

A kind is added by a package of its own, through the Python entry point group `paceline.processors` (the name is the
kind, the value a class): `engine.processors.registry` finds it there, and so it finds ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from storage.model import Effect

if TYPE_CHECKING:
    from engine.processors.context import RunContext


class Payload(BaseModel):
    """Base of every payload: checked before a job is made, and again before it runs; an unknown name is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Done:
    """It succeeded. `result` is kept as JSON; `flag` says why a person should look at it all the same ("": no need)."""

    result: dict[str, Any] = field(default_factory=dict)
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Empty:
    """It succeeded and did nothing: `why` is shown, and the run is flagged."""

    why: str
    result: dict[str, Any] = field(default_factory=dict)


Outcome = Done | Empty | dict[str, Any] | None
"""What a run may return: a dict is `Done` with that result, None is flagged as a run that told nothing."""


class RunError(Exception):
    """Why a run ended badly, in a sentence for the operator. Any other exception is a fault that may pass: the job is
    tried again as often as it may be."""


class Permanent(RunError):
    """No further try would help: it failed."""


class Again(RunError):
    """Not now, and nothing was done: tried again after `wait` (us; None: by its back-off). `counts`: whether that used
    up a try."""

    def __init__(self, why: str, *, wait: int | None = None, counts: bool = True) -> None:
        super().__init__(why)
        self.wait = wait
        self.counts = counts


class Held(RunError):
    """It waits for a person: something is to be configured or put right first."""


class NotDone(RunError):
    """Of a job that must not run twice: it certainly did not happen, so it may be tried again."""


class Doubtful(RunError):
    """It may have happened or not; only a person can say. Nothing tries it again by itself."""


class CancelledByPerson(RunError):
    """Raised by `RunContext.check` when somebody asked the job to end."""


class Processor(ABC, Generic[P]):
    """The code of one kind. One object serves all runs of an engine: what belongs to a run stands in its context.

    `effect` says what a second run would do; `timeout` (us) and `retries` hold unless configuration or job say
    otherwise (None: the configured default).
    """

    kind: ClassVar[str]
    about: ClassVar[str]
    """One line for `paceline job types`."""
    payload: ClassVar[type[BaseModel]] = Payload
    effect: ClassVar[Effect] = Effect.REPEATABLE
    timeout: ClassVar[int | None] = None
    retries: ClassVar[int | None] = None
    priority: ClassVar[int | None] = None
    """Of a job that says nothing of its own (None: the base of `[jobs.priority]`)."""
    queue: ClassVar[str] = "default"
    stages: ClassVar[tuple[str, ...]] = ()
    """The names of its stages, when it is a pipeline."""

    @abstractmethod
    async def run(self, context: RunContext, payload: P) -> Outcome:
        """Do it. Raises a RunError, or anything else for a fault that may pass."""
