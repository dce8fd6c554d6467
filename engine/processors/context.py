"""What a run of a background job is given: its job, the configuration, the store to read, how to tell how far it is.

Everything that changes something passes `act`, the same door that people use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from engine.processors.items import TELL_EVERY, ItemRun, Mapped
from engine.processors.processor import CancelledByPerson
from engine.processors.registry import kept_words
from storage.model import Actor
from storage.reader import Reader
from storage.schedule_facts import of_job
from storage.tasks import ClaimedTask

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.config import Config
    from engine.control.actions import Context
    from storage.store import Store

log = logging.getLogger("paceline.jobs")

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item, as T is a value
A = ParamSpec("A")

THREADS = 16
"""Threads for `RunContext.in_thread`, its own: a few long ones would otherwise keep the engine from reading."""


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="job")


class RunContext:
    """One run of one job. `attempt` counts from 1; `key` stays the same over all tries of the job, for the other side's
    idempotency; `origin` says who made it ("manual", "schedule NAME", "job ID")."""

    def __init__(self, task: ClaimedTask, control: Context, *, store_id: str) -> None:
        self.task = task
        self.control = control
        # With the time at which it was made: after a restore an id may be given a second time, to another job.
        self.key = f"paceline-{store_id}-{task.id}-{task.created_at}"
        self.log = logging.LoggerAdapter(log, {"job": task.id})
        self.asked_to_end = asyncio.Event()
        self.who_asked = ""
        self.untold = False
        """Whether the last word on how far it is was not written."""
        self._word = (0, 0, "")
        self._told_at = 0

    @property
    def job_id(self) -> int:
        return self.task.id

    @property
    def kind(self) -> str:
        return self.task.kind

    @property
    def attempt(self) -> int:
        return self.task.attempts + 1

    @property
    def origin(self) -> str:
        return self.task.origin

    @property
    def store(self) -> Store:
        return self.control.store

    @property
    def clock(self) -> Clock:
        return self.control.clock

    @property
    def config(self) -> Config:
        return self.control.config

    @property
    def actor(self) -> str:
        """In whose name it acts."""
        return f"job {self.job_id}"

    @property
    def options(self) -> dict[str, Any]:
        """`[jobs.kinds.KIND] options` of the configuration."""
        return self.config.jobs.kind(self.kind).options

    def path(self, path: str | Path) -> Path:
        """A path of a payload: relative ones count from `[jobs] folder`."""
        return self.config.jobs.folder / Path(path).expanduser()

    def now(self) -> int:
        return self.clock.now()

    def check(self) -> None:
        """A good place to end. Raises CancelledByPerson when somebody asked the job to."""
        if self.asked_to_end.is_set():
            raise CancelledByPerson(f"ended by {self.who_asked}" if self.who_asked else "ended by a person")

    async def read(self, look: Callable[[Reader], T]) -> T:
        """What `look` finds in the store, read-only, in a thread of its own."""
        return await self.store.read(look)

    async def scheduled_at(self) -> int | None:
        """For which time of a schedule this run is (us); None when no schedule made it. One that is made up for is
        later than that."""
        firing = await self.read(lambda reader: of_job(reader, self.job_id))
        return int(firing["at"]) if firing is not None else None

    async def in_thread(self, run: Callable[A, T], *args: A.args, **kwargs: A.kwargs) -> T:
        """Run what would block (a large file, a computation) beside the engine's loop, which also sends messages."""
        work = partial(copy_context().run, run, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(_threads(), work)

    async def act(self, name: str, /, **args: Any) -> dict[str, Any]:
        """One action of control, audited in this job's name. Raises what the action raises."""
        from engine.control.actions import call

        return await call(self.control, name, args, Actor(user=self.actor, via="job"))

    async def enqueue(self, kind: str, payload: dict[str, Any], /, **more: Any) -> int:
        """Make another background job (`more`: as `job.add` takes it); returns its id."""
        made = await self.act("job.add", kind=kind, payload=payload, origin=f"job {self.job_id}", **more)
        return int(made["job_id"])

    async def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell how far it is; written a few times a second at most, and the last word always."""
        word = (done, total, kept_words(note))
        if word == self._word:
            return
        complete, was_complete = done >= total, self._word[0] >= self._word[1] > 0
        self._word, self.untold = word, True
        if (complete and not was_complete) or self.clock.monotonic() - self._told_at >= TELL_EVERY:
            await self.tell()

    async def tell(self) -> None:
        """Write the last word on how far it is."""
        self._told_at, self.untold = self.clock.monotonic(), False
        await self.store.note_progress(self.task, *self._word)

    @property
    def note(self) -> str:
        """What was said last of how far it is."""
        return self._word[2]

    async def map(
        self,
        items: Sequence[I],
        run: Callable[[I], Coroutine[Any, Any, T]],
        limit: int = 50,
        *,
        name: str = "items",
        key: Callable[[I], str] | None = None,
    ) -> Mapped[T]:
        """Run `run` for each item, at most `limit` at once; one that raises is noted and the others go on.

        Each item's value is kept (it must be JSON), so that a run that begins again after a crash goes on with the
        items that were not done; `key` names an item (by default its place in the list). What was done in the last
        quarter of a second before a crash is done again. Raises UsageError for two items of one key,
        CancelledByPerson when somebody asked the job to end: what is under way ends first.
        """
        return await ItemRun(self, items, run, limit, name).go(key)


Run = Callable[[RunContext], Awaitable[Any]]
