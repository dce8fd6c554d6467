"""The engine inside the console's process: a thread and an event loop of its own.

Nothing that the screen does can delay a send, and no exception of the screen can reach the engine. The screen talks to
it through its control socket, as to any other engine.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.make import make_channel
from engine.clock import Clock
from engine.config import load_config
from engine.service import Engine
from storage.errors import EngineUnavailableError, PacelineError
from tui.sharing import shared_interpreter

log = logging.getLogger("paceline.embedded")

START_LIMIT = 60.0
"""Seconds that a start may take: it settles what a dead engine left before it listens."""


class EmbeddedEngine:
    """One engine in a thread of its own. `start` once (or `launch` and then `start`), then `drain` and `join`."""

    def __init__(
        self,
        database: Path,
        config_path: Path,
        *,
        clock: Clock | None = None,
        channels: Callable[[Account], Channel] = make_channel,
    ) -> None:
        self._engine = Engine(
            database, lambda: load_config(config_path), role="console", clock=clock, channels=channels
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_loop = threading.Event()
        self._settled = threading.Event()
        self.failure: BaseException | None = None
        """What ended the engine, when nobody asked it to end."""
        # A daemon: an end that is bounded must not wait for a server that never answers.
        self._thread = threading.Thread(target=self._live, name="paceline-engine", daemon=True)

    def launch(self) -> None:
        """Let the engine begin to start; from now on `drain`, `cut` and `join` reach it."""
        self._thread.start()
        self._has_loop.wait(START_LIMIT)

    def start(self) -> None:
        """Return once the engine listens. Raises the PacelineError that kept it from starting."""
        if self._thread.ident is None:
            self.launch()
        if not self._settled.wait(START_LIMIT):
            raise EngineUnavailableError(
                f"the engine did not start within {START_LIMIT:.0f} s", hint="run `paceline doctor`"
            )
        if self.failure is not None:
            raise self.failure

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def in_flight(self) -> int:
        """Messages that have begun and have no answer yet."""
        return self._engine.in_flight() if self.alive else 0

    def drain(self, why: str) -> None:
        """Begin nothing more; end when what is in flight has its answer. From any thread; at once."""
        self._ask(self._engine.drain, why)

    def cut(self, why: str) -> None:
        """End without waiting for what is in flight: it becomes `uncertain`. From any thread; at once."""
        self._ask(self._engine.cut, why)

    def _ask(self, what: Callable[[str], None], why: str) -> None:
        if self._loop is not None and self.alive:
            try:
                self._loop.call_soon_threadsafe(what, why)
            except RuntimeError:  # its loop has just closed
                return

    def join(self, limit: float) -> bool:
        """Wait at most `limit` seconds for the end; true when it has ended."""
        self._thread.join(limit)
        return not self._thread.is_alive()

    def _live(self) -> None:
        factory: Callable[[], asyncio.AbstractEventLoop]
        try:
            import uvloop

            factory = uvloop.new_event_loop
        except ImportError:
            factory = asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            self._loop = runner.get_loop()
            self._has_loop.set()
            try:
                runner.run(self._run())
            except PacelineError as error:
                self.failure = error
            except BaseException as error:
                log.exception("the embedded engine ended by a fault")
                self.failure = error
            finally:
                self._settled.set()

    async def _run(self) -> None:
        await self._engine.start()
        self._settled.set()
        with shared_interpreter():
            await self._engine.run()
