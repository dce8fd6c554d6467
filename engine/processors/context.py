"""What a run of a background job is given: its job, the configuration, the store to read, how to tell how far it is.

Everything that changes something passes `act`, the same door that people use.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from engine.processors.processor import CancelledByPerson
from storage.errors import UsageError
from storage.model import SECOND, Actor
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

TELL_EVERY = SECOND // 4
"""Progress and results of items are written at most so often (us): what is lost by a crash is done again."""
KEEP_AT_MOST = 500
"""Results of items that wait to be written."""


@dataclass(frozen=True, slots=True)
class Mapped(Generic[T]):
    """What became of a list of items: `values` by key, of this run and of those before it; `errors` by key; how many
    were `known` from before."""

    values: dict[str, T]
    errors: dict[str, str]
    known: int

    @property
    def failed(self) -> int:
        return len(self.errors)


@dataclass(slots=True)
class _Items:
    """Results of one list that are not written yet."""

    name: str
    waiting: list[tuple[str, bool, str]] = field(default_factory=list)
    written_at: int = 0


class RunContext:
    """One run of one job. `attempt` counts from 1; `key` stays the same over all tries of the job, for the other side's
    idempotency; `origin` says who made it ("manual", "schedule NAME", "job ID")."""

    def __init__(self, task: ClaimedTask, control: Context, *, store_id: str) -> None:
        self.task = task
        self.control = control
        self.key = f"paceline-{store_id}-{task.id}"
        self.log = logging.LoggerAdapter(log, {"job": task.id})
        self.asked_to_end = asyncio.Event()
        self.who_asked = ""
        self._done = self._total = 0
        self._note = ""
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
        return await asyncio.to_thread(run, *args, **kwargs)

    async def act(self, name: str, /, **args: Any) -> dict[str, Any]:
        """One action of control, audited in this job's name. Raises what the action raises."""
        from engine.control.actions import call

        return await call(self.control, name, args, Actor(user=self.actor, via="job"))

    async def enqueue(self, kind: str, payload: dict[str, Any], /, **more: Any) -> int:
        """Make another background job (`more`: as `job.add` takes it); returns its id."""
        made = await self.act("job.add", kind=kind, payload=payload, origin=f"job {self.job_id}", **more)
        return int(made["job_id"])

    async def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell how far it is; written at most a few times a second, and the last word always."""
        self._done, self._total, self._note = done, total, note
        now = self.clock.monotonic()
        if done >= total or now - self._told_at >= TELL_EVERY:
            self._told_at = now
            await self.store.note_progress(self.task, done, total, note)

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
        keys = [key(item) if key is not None else str(place) for place, item in enumerate(items)]
        if len(set(keys)) != len(keys):
            raise UsageError(f"{name}: two items have the same key")
        before = await self.store.items_done(self.job_id, name)
        values: dict[str, T] = {one: json.loads(before[one]) for one in keys if one in before}
        errors: dict[str, str] = {}
        known = len(values)
        book = _Items(name, written_at=self.clock.monotonic())
        room = asyncio.Semaphore(max(1, limit))

        async def one(place: str, item: I) -> None:
            try:
                values[place] = await run(item)
                book.waiting.append((place, True, json.dumps(values[place], ensure_ascii=False)))
            except Exception as error:  # an item's fault is its own
                errors[place] = f"{error}" or type(error).__name__
                book.waiting.append((place, False, errors[place][:500]))
            finally:
                room.release()

        running: set[asyncio.Task[None]] = set()
        try:
            for place, item in zip(keys, items, strict=True):
                if place in before:
                    continue
                await room.acquire()
                if self.asked_to_end.is_set():
                    room.release()
                    break
                task = asyncio.ensure_future(one(place, item))
                running.add(task)
                task.add_done_callback(running.discard)
                await self._keep(book, len(values) + len(errors), len(items))
            while running:
                await asyncio.wait(running, timeout=TELL_EVERY / SECOND)
                await self._keep(book, len(values) + len(errors), len(items))
        except BaseException:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            raise
        finally:
            await self._write(book)
        await self.progress(len(values) + len(errors), len(items), self._note)
        self.check()
        return Mapped(values, errors, known)

    async def _keep(self, book: _Items, done: int, total: int) -> None:
        now = self.clock.monotonic()
        if book.waiting and (len(book.waiting) >= KEEP_AT_MOST or now - book.written_at >= TELL_EVERY):
            book.written_at = now
            await self._write(book)
            await self.progress(done, total, self._note)

    async def _write(self, book: _Items) -> None:
        if book.waiting:
            items, book.waiting = book.waiting, []
            await self.store.keep_items(self.task, book.name, items)


Run = Callable[[RunContext], Awaitable[Any]]
