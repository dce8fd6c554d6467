"""Narration of a running engine: lines to stderr that the engine never waits for.

A terminal stopped by ^S, or a pipe that nobody reads, makes a write wait for ever; in the engine's loop that would stop
every send.
"""

from __future__ import annotations

import logging
import queue
import threading
from types import TracebackType

from tui.cli.output import say
from tui.safe_text import safe_text

WAITING = 1_000
"""Lines that may wait for stderr; further ones are dropped, and counted."""
LAST_WORDS = 2.0
"""Seconds that the end waits for lines not written yet."""


class Narrator:
    """Says lines in a thread of its own; use it as a context. What could not be said is told as a number."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="paceline-narrator", daemon=True)

    def __enter__(self) -> Narrator:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._lines.put(None, timeout=LAST_WORDS)
        except queue.Full:
            return
        self._thread.join(LAST_WORDS)

    def say(self, text: str) -> None:
        """From any thread; at once."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                say(text)
                if dropped := self._dropped:
                    self._dropped -= dropped
                    say(f"{dropped:,} lines were not told: this output was not read")
            except (OSError, ValueError):  # a terminal that has gone, a pipe without a reader: the engine goes on
                continue


class LogLines(logging.Handler):
    """Log records as one narrated line each."""

    def __init__(self, narrator: Narrator) -> None:
        super().__init__()
        self._narrator = narrator

    def emit(self, record: logging.LogRecord) -> None:
        error = f" ({safe_text(record.exc_info[1], 500)})" if record.exc_info else ""
        self._narrator.say(f"{record.levelname.lower()}: {safe_text(record.getMessage(), 2_000)}{error}")
