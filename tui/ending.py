"""The end by a signal or a dropped line: drain the engine, bounded, then end the screen; a second signal cuts."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Protocol

from tui import terminal
from tui.leaving import DRAIN_LIMIT
from tui.signals import ENDS, Asked

SCREEN_LIMIT = 3.0
"""Seconds that the screen gets to end by itself."""
CUT_LIMIT = 5.0
"""Seconds that a cut engine gets to write down what became uncertain."""


class Screen(Protocol):
    """What an end asks of the console; from any thread."""

    def begin_drain(self, why: str) -> None: ...

    def end_from_outside(self, code: int) -> None: ...


class Engine(Protocol):
    """What an end asks of the link to the engine; from any thread."""

    def drain(self, why: str) -> None: ...

    def cut(self, why: str) -> None: ...

    def join(self, limit: float) -> bool: ...


class Ending:
    """Catches what ends a process from outside, while it is entered as a context."""

    def __init__(self, screen: Screen, engine: Engine) -> None:
        self._screen = screen
        self._engine = engine
        self._modes = terminal.saved_modes()
        self._asked = Asked()
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._screen_ended = threading.Event()

    @property
    def number(self) -> int:
        """The signal that ended the console; 0 when none did."""
        return self._asked.first or 0

    def __enter__(self) -> Ending:
        self._before = {number: signal.signal(number, self._on_signal) for number in ENDS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._screen_ended.set()
        if self.number:
            # The signals stay caught: nobody is to be interrupted while the engine finishes.
            self._settled.wait(DRAIN_LIMIT + CUT_LIMIT)
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hang_up(self) -> None:
        """The terminal has gone: the end is the same with or without the kernel's SIGHUP. From any thread."""
        self._on_signal(signal.SIGHUP, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # In a thread: the engine is waited for, and the screen goes on meanwhile.
        threading.Thread(target=self._begin, args=(number,), name="paceline-end", daemon=True).start()

    def _begin(self, number: int) -> None:
        with self._lock:
            first = not self.number
            cuts = self._asked.again(number)
        if first:
            self._end()
        elif cuts:
            self._hurry(number)

    def _end(self) -> None:
        why = signal.Signals(self.number).name
        self._screen.begin_drain(why)
        self._engine.drain(why)
        self._engine.join(DRAIN_LIMIT)
        self._settled.set()
        self._screen.end_from_outside(128 + self.number)
        if not self._screen_ended.wait(SCREEN_LIMIT):
            self._leave()

    def _hurry(self, number: int) -> None:
        self._engine.cut(signal.Signals(number).name)
        if not self._engine.join(CUT_LIMIT):
            # What is in flight is settled by the next start: a lease of a dead engine becomes uncertain.
            self._leave()

    def _leave(self) -> None:
        terminal.restore_modes(self._modes)
        os._exit(128 + self.number)
