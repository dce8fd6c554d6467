"""What goes to the terminal, in a thread of its own: whoever draws never waits for a terminal that does not read.

Textual's own writer takes thirty writes and then makes its event loop wait (`textual.drivers._writer_thread`). Here
what is waiting is bounded by its size, what does not fit is dropped, and the screen is drawn anew when the terminal
reads again: every drawing after a dropped one would build on cells that are not there.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

from tui.terminal import encode

WAITING_LIMIT = 64 * 1024
"""Characters that may wait, which is two or three full screens of 200x50. The last one taken may go over it."""
CHUNK = 4096
"""Bytes a write, the size of the kernel's own buffer: an end that is in a hurry waits for no more than these."""
STOP_LIMIT = 1.0
"""Seconds that the last words to a terminal that does not read may take."""


class TerminalOutput:
    """Writes to one descriptor. `caught_up` is called in the output's thread when the terminal reads again after
    something was dropped, `gone` when it can no longer be written to."""

    def __init__(
        self, descriptor: int, encoding: str, *, caught_up: Callable[[], None], gone: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._caught_up = caught_up
        self._gone = gone
        self._waiting: list[str] = []
        self._size = 0
        self._behind = False
        self._closed = False
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="paceline-output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Characters that the terminal has not taken yet."""
        return self._size

    def write(self, text: str) -> None:
        """Take `text`, or drop it when the terminal is too far behind or gone. From any thread; at once."""
        with self._changed:
            if self._closed or self._behind:
                return
            if self._size >= WAITING_LIMIT:
                self._behind = True
                return
            self._take(text)

    def last_words(self) -> None:
        """Forget what waits and take what follows: what puts the terminal back must not stand behind old drawings."""
        with self._changed:
            self._waiting.clear()
            self._size, self._behind = 0, False

    def stop(self, limit: float = STOP_LIMIT) -> bool:
        """Write what waits, for at most `limit` seconds, and end; false when the terminal did not take it."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(limit)
        with self._changed:
            self._closed = True
        return not self._thread.is_alive()

    def _take(self, text: str) -> None:
        self._waiting.append(text)
        self._size += len(text)
        self._changed.notify()

    def _run(self) -> None:
        while (text := self._next()) is not None:
            data = memoryview(encode(text, self._encoding))
            try:
                while data and not self._closed:
                    data = data[self._put(data[:CHUNK]) :]
            except OSError:  # EIO after a hang-up, EPIPE, EBADF
                self._give_up()
                return
            self._written(len(text))

    def _put(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # a program that shared this terminal left it non-blocking
            select.select((), (self._descriptor,), ())
            return 0

    def _next(self) -> str | None:
        """What waits, waited for; None at the end. It counts as waiting until it is written."""
        with self._changed:
            while not self._waiting:
                if self._ending:
                    return None
                self._changed.wait()
            text = "".join(self._waiting)
            self._waiting.clear()
            return text

    def _written(self, size: int) -> None:
        with self._changed:
            self._size = max(0, self._size - size)
            caught_up = self._behind and not self._waiting and not self._ending
            if caught_up:
                self._behind = False
        if caught_up:
            self._caught_up()

    def _give_up(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._size = 0
        self._gone()
