"""The one Writer: everything that changes the store passes here, in natural group commits.

It takes what waits, runs each request under a SAVEPOINT inside one BEGIN IMMEDIATE, commits, then resolves the
futures: the next commit starts when the previous one returns. Measured: this beats any fixed tick three times.
A refusal (an exception raised by a request) rolls back only that request.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiosqlite

from storage.cap_room import CapRoom
from storage.errors import DamagedStoreError, StaleEpochError, StoreError
from storage.tx import Tx

T = TypeVar("T")

GROUP = 512
"""Requests per transaction at most: bounds what a crash leaves in doubt to about one millisecond of work."""

GATHER = 2
"""Turns of the loop before a commit begins: what is ready to ask joins it. Measured: 0.30 commits a message against
0.45, a tenth more messages; more turns gain nothing."""

HOLD = 0.002
"""Seconds that a commit waits at most for outcomes that are a moment away (`Writer.expect`). Ten connections to a near
server otherwise fall into two halves that take turns, and each half pays for a commit: measured, a tenth more messages
a second."""

TROUBLE_PAUSE = 1.0
"""Seconds before outcomes are tried again while the disk is full or the file is locked."""


@dataclass(slots=True)
class _Request:
    future: asyncio.Future[Any]
    run: Callable[[Tx], Any] | None = None
    hot: bool = False
    many: Callable[[Tx, list[Any]], list[Any]] | None = None
    item: Any = None
    keep: bool = False
    late: Callable[[], Callable[[Tx], Any]] | None = None


class WriterConnection(aiosqlite.Connection):
    """aiosqlite with one more door: a whole group in one hop to its thread (a hop per statement costs 60 us)."""

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await self._execute(function, self._conn)  # type: ignore[no-any-return, no-untyped-call]


class Writer:
    """Owns the writing connection. `run()` is its task; `submit` is how everyone else asks."""

    def __init__(
        self, connection: WriterConnection, epoch: int, *, on_full: Callable[[], bool] = lambda: False
    ) -> None:
        self._connection = connection
        self._epoch = epoch
        self._on_full = on_full
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._expected = 0
        self._complete = asyncio.Event()
        self._begun: set[int] = set()
        """Batches whose first start this engine has noted: spares a statement per commit."""
        self._room = CapRoom()
        self.commits = 0
        self.failure: StoreError | None = None
        self.commit_delay = 0.0
        """Seconds added to each commit: the benchmarks' stand-in for a slower disk."""

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Finish what waits, then end."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def idle(self) -> bool:
        """True when nothing waits and no commit is under way (the simulated clock moves only then)."""
        return not self._waiting and not self._wake.is_set()

    def submit(self, run: Callable[[Tx], T], *, hot: bool = False) -> asyncio.Future[T]:
        """Run `run(tx)` in the next transaction; the future is done after its commit. Requests keep their order.

        `hot` requests promise not to read counters and to answer by value, never by an exception after a write:
        they need neither the pending deltas written before them nor a savepoint of their own (a third of the
        statements of a message).
        Raises what `run` raised, or StoreError when the transaction as a whole could not be written.
        """
        return self._wait(_Request(self._loop.create_future(), run, hot))

    def submit_many(
        self, many: Callable[[Tx, list[Any]], list[T]], item: Any, *, keep: bool = False
    ) -> asyncio.Future[T]:
        """Run `many(tx, items)` once for all its items that wait, before the hot requests of the same commit.

        For what every message needs: five intents in two statements instead of ten. Answers by value only.
        `keep`: an outcome of something that left; it waits out a full disk or a locked file instead of failing.
        """
        return self._wait(_Request(self._loop.create_future(), many=many, item=item, keep=keep))

    def submit_late(self, make: Callable[[], Callable[[Tx], T]]) -> asyncio.Future[T]:
        """A hot request whose `run` is made on the loop when its commit begins, knowing what happened till then."""
        return self._wait(_Request(self._loop.create_future(), hot=True, late=make))

    def expect(self, n: int) -> None:
        """`n` more outcomes (fewer, when negative) are a moment away; a commit waits for them, at most HOLD."""
        self._expected += n
        if self._expected <= 0:
            self._complete.set()

    def _wait(self, request: _Request) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreError("the store is closing", hint="start the engine again")
        self._waiting.append(request)
        self._wake.set()
        return request.future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if not self._waiting:
                if self._closed:
                    return
                self._wake.clear()
                continue
            await self._gather()
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            group = [request for request in group if _made(request)]
            if not group:
                continue
            try:
                results = await self._connection.run(lambda c, g=group: self._commit(c, g))  # type: ignore[misc]
            except Exception as error:
                if not self._make_room(group, error) and self._fail(group, error):
                    await asyncio.sleep(TROUBLE_PAUSE)
                continue
            self.failure = None
            self.commits += 1
            if self.commit_delay:
                await asyncio.sleep(self.commit_delay)
            for request, (value, raised) in zip(group, results, strict=True):
                if request.future.done():
                    continue
                if raised is not None:
                    request.future.set_exception(raised)
                else:
                    request.future.set_result(value)

    async def _gather(self) -> None:
        """Let what is ready to ask, or a moment away, join the next commit."""
        # First the messages that the last commit began say that they are on their way, then those are waited for.
        for _ in range(GATHER + 1):
            await asyncio.sleep(0)
        if self._expected > 0 and HOLD:
            self._complete.clear()
            enough = self._loop.call_later(HOLD, self._complete.set)
            await self._complete.wait()
            enough.cancel()
        for _ in range(GATHER):
            await asyncio.sleep(0)

    def _make_room(self, group: list[_Request], error: Exception) -> bool:
        """On a full disk give the ballast up and try the same group again."""
        if not _is_full(error) or not self._on_full():
            return False
        self._waiting.extendleft(reversed(group))
        return True

    def _fail(self, group: list[_Request], error: Exception) -> bool:
        """Answer a group that could not be written. What must not be lost (outcomes of messages that left) waits and
        is tried again; true when something does."""
        failure = error if isinstance(error, StoreError | StaleEpochError) else describe(error)
        waits = isinstance(error, sqlite3.OperationalError) and not self._closed
        if isinstance(failure, StoreError):
            self.failure = failure
        kept = [request for request in group if waits and request.keep]
        for request in group:
            if request not in kept and not request.future.done():
                request.future.set_exception(failure)
        self._waiting.extendleft(reversed(kept))
        return bool(kept)

    def _commit(self, connection: sqlite3.Connection, group: list[_Request]) -> list[tuple[Any, Exception | None]]:
        """One transaction for the group. When something of what runs without a savepoint fails, the same group runs
        again with a savepoint for each, so that only the culprit fails: a claim never takes an outcome with it."""
        try:
            return self._transaction(connection, group, together=True)
        except Exception as error:
            # A full disk, a locked or damaged file and another engine concern everybody: the group fails as a whole.
            if isinstance(error, sqlite3.OperationalError | StaleEpochError) or type(error) is sqlite3.DatabaseError:
                raise
            return self._transaction(connection, group, together=False)

    def _transaction(
        self, connection: sqlite3.Connection, group: list[_Request], *, together: bool
    ) -> list[tuple[Any, Exception | None]]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("SELECT max(id) FROM engines").fetchone()[0] != self._epoch:
                raise StaleEpochError(
                    "another engine has taken over this store; this one stops without writing",
                    hint="see `paceline engine status`",
                )
            merged = Tx(connection, self._begun, self._room)
            results: list[tuple[Any, Exception | None]] = [(None, None)] * len(group)
            many: dict[Callable[[Tx, list[Any]], list[Any]], list[int]] = {}
            hot: list[int] = []
            for place, request in enumerate(group):
                if request.many is not None:
                    many.setdefault(request.many, []).append(place)
                elif request.hot:
                    hot.append(place)
                elif request.run is not None:
                    merged.flush()
                    results[place] = self._alone(connection, merged, request.run)
            for run, places in many.items():
                if together:
                    for place, answer in zip(places, run(merged, [group[place].item for place in places]), strict=True):
                        results[place] = (answer, None)
                else:
                    for place in places:
                        results[place] = self._alone(connection, merged, _of_one(run, group[place].item))
            for place in hot:
                if (ask := group[place].run) is not None:
                    results[place] = (ask(merged), None) if together else self._alone(connection, merged, ask)
            merged.flush()
            connection.execute("COMMIT")
        except BaseException:
            self._forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _forget(self) -> None:
        """A transaction was taken back: what was learnt from it does not hold."""
        self._begun.clear()
        self._room.forget()

    def _alone(
        self, connection: sqlite3.Connection, merged: Tx, run: Callable[[Tx], Any]
    ) -> tuple[Any, Exception | None]:
        """Run one request under a savepoint of its own: its refusal rolls back only itself."""
        tx = Tx(connection, self._begun, self._room)
        connection.execute("SAVEPOINT request")
        try:
            value = run(tx)
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            self._forget()
            connection.execute("ROLLBACK TO request")
            connection.execute("RELEASE request")
            return None, describe(error) if isinstance(error, sqlite3.Error) else error
        merged.merge(tx)
        connection.execute("RELEASE request")
        return value, None


def _made(request: _Request) -> bool:
    """Make a late request; false when that failed, which then is its answer, or when its asker has left."""
    if request.late is not None:
        if request.future.done():
            return False
        try:
            request.run = request.late()
        except Exception as error:
            if not request.future.done():
                request.future.set_exception(error)
            return False
    return True


def _of_one(many: Callable[[Tx, list[Any]], list[Any]], item: Any) -> Callable[[Tx], Any]:
    return lambda tx: many(tx, [item])[0]


def _is_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def describe(error: Exception) -> StoreError:
    """Turn a driver's error into the sentence an operator needs."""
    text = str(error)
    if "full" in text:
        return StoreError(
            "the disk is full: nothing more can be recorded", hint="free space; sending goes on by itself"
        )
    if "locked" in text or "busy" in text:
        return StoreError("the store is locked by another program", hint="close what holds the database file open")
    if "readonly" in text:
        return StoreError("the store cannot be written: it is read-only", hint="check the owner and mode of the file")
    if "malformed" in text or "not a database" in text or "disk image" in text:
        return DamagedStoreError(f"the store is damaged ({text})", hint="restore a backup: paceline db restore BACKUP")
    return StoreError(f"the store could not be written: {text}", hint="run `paceline doctor`")
