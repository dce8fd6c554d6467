"""Textual's driver for a terminal that may stall, hang up, or speak another encoding than UTF-8.

Beyond what Textual's own one does (8.2.8): drawing never waits for the terminal; a terminal that has gone ends the
console in order, where Textual's input thread would spin on its end of file; bytes that are no text are read as `?`
characters instead of ending the program; of many sizes in a row the last one counts; and SIGTSTP, which would freeze an
engine inside the send window, is refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import selectors
import signal
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from textual._parser import ParseError
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message

from tui import terminal
from tui.terminal_output import TerminalOutput

if TYPE_CHECKING:
    from textual.app import App

log = logging.getLogger("paceline.terminal")

OUT = 1
POINTER = "\x1b]22;"
"""The mouse pointer's shape: of no use without a mouse, and shown as text by terminals that do not know it."""
READ_SIZE = 4096
END_FOLLOWS = 1.0
"""Seconds in which the end of reading comes after it was called for."""
RESIZE_EVERY = 0.1
"""Seconds between two sizes that are drawn while a window is being dragged: each costs a layout and a whole screen."""


class TerminalDriver(LinuxDriver):
    """`gone` is called, in any thread, when the terminal has hung up. May be called more than once."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = False,
        size: tuple[int, int] | None = None,
        gone: Callable[[], None],
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._gone = gone
        self._encoding = terminal.encoding()
        self._output: TerminalOutput | None = None
        self._called = self._call = -1
        """A pipe by which reading, which waits for a key without a limit, is ended."""
        self._size_told = 0.0
        self._size_later: asyncio.TimerHandle | None = None

    # out

    def write(self, data: str) -> None:
        """Take what is to be drawn; never waits."""
        if self._output is not None and (self._mouse or not data.startswith(POINTER)):
            self._output.write(data)

    def start_application_mode(self) -> None:
        self._output = TerminalOutput(
            self.fileno if self.input_tty else OUT,
            self._encoding,
            caught_up=self._draw_anew,
            gone=self._gone,
        )
        self._output.start()
        self._called, self._call = os.pipe()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGWINCH, self._window_changed)

    def stop_application_mode(self) -> None:
        if self._output is not None:
            self._output.last_words()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        if self._output is not None:
            self._output.stop()
        if self._call >= 0:
            os.close(self._called)
            os.close(self._call)
            self._called = self._call = -1

    def _draw_anew(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._refresh)
        except RuntimeError:  # the console has just ended
            return

    def _refresh(self) -> None:
        self._app.refresh(repaint=True, layout=True)

    def _get_terminal_size(self) -> tuple[int, int]:
        """The size that the terminal has: never that of COLUMNS and LINES, which stay as they were at login."""
        try:
            width, height = os.get_terminal_size(self.fileno)
        except OSError:
            width = height = 0
        return width or 80, height or 24

    def _window_changed(self, *_: object) -> None:
        """Ask for the size in the event loop, never here: a handler is itself interrupted by the next signal, and of a
        storm of sizes an old one would be told last."""
        self._loop.call_soon_threadsafe(self._tell_size)

    def _tell_size(self) -> None:
        """Tell the size at once, or when the last one has been drawn for a while: then it is the one that counts."""
        if self._in_band_window_resize or self._size_later is not None:
            return
        wait = self._size_told + RESIZE_EVERY - self._loop.time()
        if wait > 0:
            self._size_later = self._loop.call_later(wait, self._told_later)
            return
        self._size_told = self._loop.time()
        size = Size(*self._get_terminal_size())
        self._app.post_message(Resize(size, size))

    def _told_later(self) -> None:
        self._size_later = None
        self._tell_size()

    # in

    def run_input_thread(self) -> None:
        """Read keys until the end, or until the terminal has gone."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder(self._encoding)("replace").decode
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._called, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(_patience(parser))}
                data = self._read() if self.fileno in ready else None
                if data == b"":
                    self._gone()
                    return
                try:
                    # Nothing must not be fed: it is the parser's end of file.
                    if data and (text := decode(data)):
                        self._dispatch(parser.feed(text))
                    self._dispatch(parser.tick())
                except (ParseError, ValueError, LookupError):
                    log.exception("what was typed could not be read")
                    parser = XTermParser(self._debug)
                # Behind what was typed: an end takes the rest of it from the terminal.
                if self._called in ready:
                    os.read(self._called, READ_SIZE)
                    self.exit_event.wait(END_FOLLOWS)

    def disable_input(self) -> None:
        if self._key_thread is not None and self._key_thread.is_alive():
            os.write(self._call, b"!")
        super().disable_input()

    def _read(self) -> bytes | None:
        """What was typed; nothing at all when the terminal has gone, None when it was not there after all."""
        try:
            return os.read(self.fileno, READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _dispatch(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    # stopped and continued

    def _sigtstp_application(self, *_: object) -> None:
        """A stopped process could neither finish what it sends nor tell anybody: `q` leaves, and tmux keeps."""
        return

    def _sigcont_application(self, *_: object) -> None:
        """Take the terminal again after a SIGSTOP, or stay as it is: a hang-up sends SIGCONT to who never stopped."""
        if self._auto_restart and self._output is not None and not terminal.has_hung_up(self.fileno):
            self.suspend_application_mode()
            self.resume_application_mode()
            self._draw_anew()


def _patience(parser: XTermParser) -> float | None:
    """Seconds after which a lone escape was the key, and not the begin of a sequence; None when nothing is open. To
    look ten times a second cost a fifth of a console at rest."""
    until = parser._timeout_time
    return None if until is None else max(0.0, until - get_time())
