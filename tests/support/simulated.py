"""A clock that tests move: it goes on only when every loop waits for it and no store call is open.

Time stands unless a test drives it (`run`, `until`, `drive`). While it is driven, the event loop's selector tells when
nothing is ready any more; then the clock jumps to the next moment that somebody waits for. A month takes as long as
its work, and the same run gives the same order every time.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from storage import sqlite, writer
from storage.files import file_uri
from storage.model import DAY, SECOND
from storage.reader import Reader
from storage.sqlite import SqliteStore
from storage.writer import WriterConnection

T = TypeVar("T")

NOON = 1_767_268_800 * SECOND
"""2026-01-01 12:00 UTC: where simulated time begins."""
LIMIT = 400 * DAY
"""How far one drive may go before it counts as endless."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Asks `on_quiet` before the loop would block: no callback is ready and no socket has news."""

    on_quiet: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return list(super().select(0))
        if events := super().select(0):
            return list(events)
        if self.on_quiet is not None and self.on_quiet():
            return []
        return list(super().select(timeout))


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop that a SimulatedClock can listen to."""

    def __init__(self) -> None:
        self.quiet = _Selector()
        super().__init__(self.quiet)


@dataclass(slots=True)
class _Driver:
    """Somebody who lets time flow until `done()`, at most to the monotonic time `limit`."""

    done: Callable[[], bool]
    limit: int
    future: asyncio.Future[None]


class SimulatedClock:
    """`engine.clock.Clock` under a test's control. Make it inside a running SimulatedLoop."""

    def __init__(self, start: int = NOON) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop), "the test needs a SimulatedLoop: see tests/runs/conftest.py"
        loop.quiet.on_quiet = self._on_quiet
        self._loop = loop
        self._monotonic = 0
        self._wall = start
        self._timers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._drivers: list[_Driver] = []
        self._busy: list[Callable[[], bool]] = []

    # engine.clock.Clock

    def now(self) -> int:
        return self._wall + self._monotonic

    def monotonic(self) -> int:
        return self._monotonic

    async def sleep(self, duration: int) -> None:
        if duration <= 0:
            await asyncio.sleep(0)
            return
        await self._timer(duration)

    async def wait(self, event: asyncio.Event, timeout: int | None) -> bool:
        if event.is_set():
            return True
        if timeout is None:
            return await event.wait()
        if timeout <= 0:
            return False
        timer = self._timer(timeout)
        signal = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((timer, signal), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            signal.cancel()
        return event.is_set()

    # what a test does

    def stand_while(self, busy: Callable[[], bool]) -> None:
        """Never move while `busy()`: an open store call, work in a thread."""
        self._busy.append(busy)

    def step_wall(self, by: int) -> None:
        """Set the wall clock forward or back (us), as NTP or a laptop that slept does; monotonic time stays."""
        self._wall += by

    async def run(self, duration: int) -> None:
        """Let `duration` microseconds pass, and all that they bring come to rest."""
        end = self._monotonic + duration
        if duration > 0:
            await self.drive(self.sleep(duration), limit=duration)
        await self.until(lambda: self._monotonic >= end, limit=0)

    async def settle(self) -> None:
        """Let everything that can happen at this moment happen; time stands."""
        await self.until(lambda: True, limit=0)

    async def until(self, condition: Callable[[], bool], *, limit: int = LIMIT) -> None:
        """Let time flow until `condition()` holds at a quiet moment."""
        driver = _Driver(condition, self._monotonic + limit, self._loop.create_future())
        self._drivers.append(driver)
        try:
            await driver.future
        finally:
            self._drivers.remove(driver)

    async def drive(self, work: Awaitable[T], *, limit: int = LIMIT) -> T:
        """Let time flow until `work` is done; returns its result."""
        task = asyncio.ensure_future(work)
        flow = asyncio.ensure_future(self.until(task.done, limit=limit))
        try:
            await asyncio.wait((task, flow), return_when=asyncio.FIRST_COMPLETED)
            if flow.done() and not task.done():
                await flow
            return await task
        finally:
            flow.cancel()
            task.cancel()

    # how it moves

    def _timer(self, duration: int) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._count += 1
        heapq.heappush(self._timers, (self._monotonic + duration, self._count, future))
        return future

    def _on_quiet(self) -> bool:
        """Nothing is ready: end a drive, or move to the next moment. True when that made something ready."""
        drivers = [driver for driver in self._drivers if not driver.future.done()]
        if not drivers or any(busy() for busy in self._busy):
            return False
        ended = [driver for driver in drivers if driver.done()]
        for driver in ended:
            driver.future.set_result(None)
        if ended:
            return True
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)
        limit = min(driver.limit for driver in drivers)
        if not self._timers or self._timers[0][0] > limit:
            words = "nothing waits for the clock" if not self._timers else "not within the limit of this drive"
            for driver in drivers:
                driver.future.set_exception(AssertionError(f"what the test waits for does not come: {words}"))
            return True
        self._monotonic = self._timers[0][0]
        while self._timers and self._timers[0][0] == self._monotonic:
            future = heapq.heappop(self._timers)[2]
            if not future.done():
                future.set_result(None)
        return True


class _InlineConnection(WriterConnection):
    """Commits on the loop's own thread, one turn after it was asked: which requests share a commit then never depends
    on how fast a thread is. The real thread is tested by the store's and the program's tests."""

    async def run(self, function: Callable[[Any], T]) -> T:
        await asyncio.sleep(0)
        return function(self._conn)


def inline_store(patch: Any) -> None:
    """Let `SqliteStore.open` commit and read in line, without waiting for the disk (`patch`: pytest's monkeypatch)."""

    def connect(path: Any) -> Any:
        connection = sqlite.sqlite3.connect(
            file_uri(path, "rw"), uri=True, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite.sqlite3.Row
        return connection

    original = sqlite._prepare

    def prepare(raw: Any, *args: Any, **more: Any) -> int:
        epoch = original(raw, *args, **more)
        raw.execute("PRAGMA synchronous = OFF")
        return epoch

    patch.setattr(sqlite, "WriterConnection", _InlineConnection)
    patch.setattr(writer, "HOLD", 0)
    patch.setattr(sqlite, "_raw_connection", connect)
    patch.setattr(sqlite, "_prepare", prepare)

    async def read(store: Any, look: Any) -> Any:
        return look(kept_reader(store))

    close = sqlite.SqliteStore.close

    async def close_both(store: Any, **more: Any) -> None:
        if reader := _readers.pop(store, None):
            reader.close()
        await close(store, **more)

    patch.setattr(sqlite.SqliteStore, "read", read)
    patch.setattr(sqlite.SqliteStore, "close", close_both)


_readers: WeakKeyDictionary[SqliteStore, Reader] = WeakKeyDictionary()


def kept_reader(store: SqliteStore) -> Reader:
    """One Reader for all looks into a store of `inline_store` while it is open: the first statement of a new one reads
    the schema, which takes longer than most looks."""
    if store not in _readers:
        _readers[store] = Reader(store.path)
    return _readers[store]


class UnderWay:
    """Lets time stand while a call is on its way that takes real time: a question to a server, a thread that reads."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._calls = 0
        clock.stand_while(lambda: self._calls > 0)

    def counted(self, call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """`call`, during which time stands."""

        async def counted(*args: Any, **more: Any) -> T:
            self._calls += 1
            try:
                return await call(*args, **more)
            finally:
                self._calls -= 1

        return counted
