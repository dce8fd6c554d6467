"""Which engine the console works with, and whether it is there: embedded, attached, lost, or none.

Changes go through the engine's control socket, one connection a call, in threads of their own: a long start never
keeps a pause waiting. A lost engine is looked for after 1, 2, 4, 8, 8... seconds.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from storage.errors import EngineUnavailableError, LockHeldError, PacelineError, RefusedError
from storage.lock import Holder, read_holder
from storage.model import SECOND, Actor
from tui.client import PATIENCE, Control, SocketControl
from tui.safe_rows import clean

if TYPE_CHECKING:
    from tui.embedded import EmbeddedEngine

T = TypeVar("T")

LOOKS = (1, 2, 4, 8)
"""Seconds between looks for a lost engine; the last one repeats."""

READS = frozenset({"engine.status", "campaign.preflight"})
"""What a read-only console may ask: it changes nothing."""

STATUS_PATIENCE = 5.0
"""Seconds without an answer to a question that a living engine answers at once: then the screen calls it silent."""
LEAVE_LIMIT = 1.0
"""Seconds that a console which leaves waits for the answers to what it asked."""
OWN_FOR = 3.0
"""Seconds for which an event with our own name may still be the echo of what this console did."""

EMBEDDED, ATTACHED, LOST, NONE = "EMBEDDED", "ATTACHED", "LOST", "NO ENGINE"
STARTING = "STARTING"
"""The console's own engine is on its way: the first picture does not wait for it."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the frame shows of the engine. Times in microseconds UTC."""

    word: str
    pid: int = 0
    host: str = ""
    since: int = 0
    tries: int = 0
    next_try: int = 0
    reason: str = ""
    silent: int = 0
    """Since when the engine holds its lock and answers nothing; 0 while it does."""
    status: dict[str, Any] = field(default_factory=dict, compare=False)
    """What the engine last told of itself (`engine.status`), made safe; {} before it did. Left out of comparisons,
    because its clocks move by themselves."""

    @property
    def usable(self) -> bool:
        return self.word in (EMBEDDED, ATTACHED)


class Link(Protocol):
    """What the screen needs of it; tests put a recording one in its place."""

    @property
    def state(self) -> LinkState: ...

    @property
    def actor(self) -> Actor: ...

    def acted_lately(self) -> bool: ...

    def look(self, now: int) -> LinkState: ...

    def look_now(self) -> None: ...

    def call(self, action: str, args: dict[str, Any]) -> Future[dict[str, Any]]: ...

    def run(self, work: Callable[[Control], T]) -> Future[T]: ...

    def start_here(self) -> None: ...

    def in_flight(self) -> int: ...

    def drain(self, why: str) -> None: ...

    def cut(self, why: str) -> None: ...

    def join(self, limit: float) -> bool: ...

    def close(self) -> None: ...


class EngineLink:
    """The link to the engine of one database. `look` is called about once a second, from one thread. With `starts` the
    console is to run an engine of its own, which `begin` starts."""

    def __init__(
        self,
        database: Path,
        actor: Actor,
        *,
        embedded: EmbeddedEngine | None = None,
        embed: Callable[[], EmbeddedEngine] | None = None,
        starts: bool = False,
        read_only: bool = False,
    ) -> None:
        self._database = database
        self._actor = actor
        self._embedded = embedded
        self._embed = embed
        self._starts = starts
        self._coming: EmbeddedEngine | None = None
        """The engine that is being started here, which does not listen yet."""
        self._ending = False
        self._bringing = threading.Lock()
        self._read_only = read_only
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="paceline-control")
        self._again = threading.Event()
        self._name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._status: dict[str, Any] = {}
        self._asked: Future[None] | None = None
        self._silent = 0
        self._own: set[Future[Any]] = set()
        self._connected: set[SocketControl] = set()
        self._acted = -OWN_FOR
        self._state = LinkState(NONE)
        self._state = self._seen(0)

    @property
    def state(self) -> LinkState:
        state = self._state
        return replace(state, status=self._status, silent=self._silent) if state.usable else state

    @property
    def actor(self) -> Actor:
        """Who acts through this link."""
        return self._actor

    def acted_lately(self) -> bool:
        """Whether this console itself changes something now, or did a moment ago."""
        return bool(self._own) or time.monotonic() - self._acted < OWN_FOR

    def look_now(self) -> None:
        self._again.set()

    def look(self, now: int) -> LinkState:
        """See who holds the lock, unless the engine is lost and its next look is not due."""
        if self._state.word == LOST and now < self._state.next_try and not self._again.is_set():
            return self._state
        self._again.clear()
        self._state = self._seen(now)
        if self._state.usable:
            self._ask_status(now)
        else:
            self._status, self._silent = {}, 0
        return self.state

    def _ask_status(self, now: int) -> None:
        """Ask again once the last answer is there: nobody here waits for the engine."""
        if self._asked is None or self._asked.done():
            self._asked = self._pool.submit(self._learn, now)

    def _learn(self, now: int) -> None:
        try:
            status = self._once("engine.status", {"console": self._name}, STATUS_PATIENCE)
        except PacelineError:
            self._silent = self._silent or now
        else:
            self._status, self._silent = clean(status), 0

    def _seen(self, now: int) -> LinkState:
        if self._starts:
            return LinkState(STARTING, reason="starting")
        if self._embedded is not None and self._embedded.alive:
            holder = read_holder(self._database)
            return LinkState(EMBEDDED, holder.pid if holder else 0)
        holder = read_holder(self._database)
        # A command holds the lock for one change only: it is no engine to attach to.
        if holder is not None and holder.role != "command":
            return LinkState(ATTACHED, holder.pid, holder.host)
        return self._gone(now, holder)

    def _gone(self, now: int, holder: Holder | None) -> LinkState:
        old = self._state
        if old.word in (NONE, STARTING):
            return LinkState(NONE, reason="no engine runs")
        since = old.since if old.word == LOST else now
        tries = old.tries + 1 if old.word == LOST else 0
        wait = LOOKS[min(tries, len(LOOKS) - 1)] * SECOND
        reason = f"pid {old.pid} on {old.host or 'this machine'} is gone: its lock is free"
        if self._embedded is not None:
            failure = self._embedded.failure
            reason = f"the engine of this console ended: {failure}" if failure else "the engine of this console ended"
        elif holder is not None:
            reason = "a command holds the lock"
        return LinkState(LOST, old.pid, old.host, since, tries, now + wait, reason)

    def call(self, action: str, args: dict[str, Any]) -> Future[dict[str, Any]]:
        """Ask for one action; the future raises the PacelineError to show."""
        future = self._pool.submit(self._call, action, args)
        return future if action in READS else self._noted(future)

    def run(self, work: Callable[[Control], T]) -> Future[T]:
        """Do a work of several calls over one connection, in a thread of its own: an import belongs to the connection
        that began it. The future raises the PacelineError to show."""
        return self._noted(self._pool.submit(self._work, work))

    def _noted(self, future: Future[T]) -> Future[T]:
        self._own.add(future)
        future.add_done_callback(self._acted_now)
        return future

    def _acted_now(self, future: Future[Any]) -> None:
        self._acted = time.monotonic()
        self._own.discard(future)

    def _call(self, action: str, args: dict[str, Any]) -> dict[str, Any]:
        if action not in READS:
            self._refuse_read_only()
        return self._once(action, args, PATIENCE)

    def _work(self, work: Callable[[Control], T]) -> T:
        self._refuse_read_only()
        with self._connect(PATIENCE) as control:
            return work(control)

    def _refuse_read_only(self) -> None:
        if self._read_only:
            raise RefusedError(
                "this console was started with --read-only: changes are refused", hint="start it without --read-only"
            )

    def _once(self, action: str, args: dict[str, Any], patience: float) -> dict[str, Any]:
        with self._connect(patience) as control:
            return control.call(action, args)

    @contextmanager
    def _connect(self, patience: float) -> Iterator[SocketControl]:
        holder = read_holder(self._database)
        if holder is None or not holder.socket:
            raise EngineUnavailableError("no engine runs on this database", hint="`paceline engine run` starts one")
        control = SocketControl(holder.socket, self._actor, patience=patience)
        self._connected.add(control)
        try:
            yield control
        finally:
            self._connected.discard(control)
            control.close()

    def begin(self) -> None:
        """Start the engine that this console is to run, if it is to run one; who was faster is attached to. Blocks
        until it listens; raises the PacelineError that kept it from starting."""
        if not self._starts or self._embed is None:
            return
        try:
            self._bring_up(self._embed)
        except LockHeldError:
            # A command holds the lock for one change only: it is no engine to attach to.
            if (now := read_holder(self._database)) is None or now.role == "command":
                raise
        finally:
            self._starts = False
            self.look_now()

    def start_here(self) -> None:
        """Start an engine in this process, because a person asked for it: an engine that died by a fault is never
        started again by itself. Blocks until it listens; raises the PacelineError that kept it from starting."""
        self._refuse_read_only()
        if self._starts:
            raise RefusedError("the engine of this console is starting")
        if self._embed is None:
            raise RefusedError("this console starts no engine", hint="elsewhere: paceline engine run")
        if self._embedded is not None and self._embedded.alive:
            raise RefusedError("the engine of this console has not ended yet")
        self._bring_up(self._embed)
        self.look_now()

    def _bring_up(self, embed: Callable[[], EmbeddedEngine]) -> None:
        engine = embed()
        with self._bringing:
            # Either an end that comes meanwhile finds this engine, or it was there first and none begins.
            if self._ending:
                return
            engine.launch()
            self._coming = engine
        try:
            engine.start()
            self._embedded = engine
        finally:
            self._coming = None

    def _own_engine(self) -> EmbeddedEngine | None:
        return self._coming or self._embedded

    def in_flight(self) -> int:
        return self._embedded.in_flight() if self._embedded is not None else 0

    def drain(self, why: str) -> None:
        """Drain the embedded engine, and start no other one; an attached one is not ours to end."""
        with self._bringing:
            self._ending = True
        if (engine := self._own_engine()) is not None:
            engine.drain(why)

    def cut(self, why: str) -> None:
        """End the embedded engine without waiting for what is in flight, which becomes `uncertain`."""
        if (engine := self._own_engine()) is not None:
            engine.cut(why)

    def join(self, limit: float) -> bool:
        """Wait at most `limit` seconds for the embedded engine's end."""
        return (engine := self._own_engine()) is None or engine.join(limit)

    def close(self) -> None:
        """Let what was asked for have its answer, for a moment: an engine that gives none keeps nobody here."""
        wait(list(self._own), LEAVE_LIMIT)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for control in list(self._connected):
            control.hang_up()
