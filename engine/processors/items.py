"""Many items of one run, some at once: the value of each is kept, and a run that begins again goes on with the rest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from engine.processors.registry import kept_json, words_of
from storage.errors import PacelineError, UsageError
from storage.model import SECOND

if TYPE_CHECKING:
    from engine.processors.context import RunContext

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item, as T is a value

TELL_EVERY = SECOND // 4
"""Progress and results of items are written at most so often (us): what is lost by a crash is done again."""
KEEP_AT_MOST = 500
"""Results of items that wait to be written."""
MAX_ERROR = 500
"""Characters of an item's error that are kept."""


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


class ItemRun(Generic[I, T]):
    """The items of one list in one run."""

    def __init__(
        self, context: RunContext, items: Sequence[I], run: Callable[[I], Coroutine[Any, Any, T]], limit: int, name: str
    ) -> None:
        self._context = context
        self._items = items
        self._run = run
        self._name = name
        self._room = asyncio.Semaphore(max(1, limit))
        self._values: dict[str, T] = {}
        self._errors: dict[str, str] = {}
        self._waiting: list[tuple[str, bool, str]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._trouble: PacelineError | None = None

    async def go(self, key: Callable[[I], str] | None) -> Mapped[T]:
        """Run all that were not done before. Raises UsageError for two items of one key, what the store raises,
        CancelledByPerson."""
        keys = [key(item) for item in self._items] if key is not None else None
        if keys is not None and len(set(keys)) != len(keys):
            raise UsageError(f"{self._name}: two items have the same key")
        before = await self._context.store.items_done(self._context.job_id, self._name)
        known = 0
        try:
            for place, item in enumerate(self._items):
                named = keys[place] if keys is not None else str(place)
                if named in before:
                    self._values[named] = json.loads(before.pop(named))
                    known += 1
                    continue
                await self._room.acquire()
                if self._trouble is not None or self._context.asked_to_end.is_set():
                    self._room.release()
                    break
                task = asyncio.ensure_future(self._one(named, item))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if self._running:
                await asyncio.wait(self._running)
        finally:
            await self._end()
        done = len(self._values) + len(self._errors)
        await self._context.progress(done, len(self._items), self._context.note)
        self._context.check()
        return Mapped(self._values, self._errors, known)

    async def _one(self, named: str, item: I) -> None:
        try:
            value = await self._run(item)
            self._waiting.append((named, True, kept_json(value, "its value")))
            self._values[named] = value
        except BaseException as error:  # an item's fault is its own, also when it leaves by sys.exit()
            me = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and me is not None and me.cancelling():
                raise
            words = error.message if isinstance(error, PacelineError) else words_of(error)
            self._errors[named] = words
            self._waiting.append((named, False, words[:MAX_ERROR]))
        finally:
            self._room.release()
        if self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        """Write what was done, soon: however long the items take that are under way."""
        try:
            if len(self._waiting) < KEEP_AT_MOST:
                await self._context.clock.sleep(TELL_EVERY)
            await self._write()
            done = len(self._values) + len(self._errors)
            await self._context.progress(done, len(self._items), self._context.note)
        except PacelineError as error:
            self._trouble = error
        finally:
            self._keeping = None

    async def _write(self) -> None:
        while self._waiting:
            items, self._waiting = self._waiting[:KEEP_AT_MOST], self._waiting[KEEP_AT_MOST:]
            await self._context.store.keep_items(self._context.task, self._name, items)

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
        keeping = [self._keeping] if self._keeping is not None else []
        for task in keeping:
            task.cancel()
        await asyncio.gather(*self._running, *keeping, return_exceptions=True)
        if self._trouble is not None:
            raise self._trouble
        await self._write()
