"""`run_console`: from a database and a configuration to a console, and to an orderly end whatever ends it."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import socket
import sys
import termios
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import platformdirs

from engine.config import load_config
from storage.errors import LockHeldError, UsageError
from storage.lock import read_holder
from storage.reader import Reader
from tui.client import this_actor
from tui.console import PacelineApp
from tui.embedded import EmbeddedEngine
from tui.leaving import DRAIN_LIMIT
from tui.link import EngineLink

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SCREEN_LIMIT = 3.0
"""Seconds that the screen gets to end by itself; a terminal that no longer reads would keep it for ever."""
LOG_SIZE = 1 << 20


def run_console(database: Path, config_path: Path, *, read_only: bool = False) -> int:
    """Open the console and return its exit code (128 + n after signal n).

    With the engine lock free it starts an engine in this process (not when read-only: that would send); with it held
    it attaches. Raises the PacelineError of a start that is not possible: no terminal, a store or a configuration
    that cannot be used.
    """
    check_terminal()
    config = load_config(config_path)
    with Reader(database):
        pass  # a store that cannot be read is told before the screen opens
    log = _log_to_file(database)
    engine = None if read_only else _embed(database, config_path)
    link = EngineLink(
        database,
        this_actor("console"),
        embedded=engine,
        embed=lambda: EmbeddedEngine(database, config_path),
        read_only=read_only,
    )
    try:
        host = socket.gethostname().partition(".")[0]
        app = PacelineApp(
            database,
            link,
            environment=config.environment,
            host=host,
            read_only=read_only,
            zone=config.tz,
            config=lambda: load_config(config_path),
            state=platformdirs.user_state_path("paceline", False),
        )
        return _run(app, link)
    finally:
        link.drain("the console ended")
        link.join(DRAIN_LIMIT)
        logging.getLogger().removeHandler(log)
        log.close()


def check_terminal() -> None:
    """Raises UsageError where a screen cannot be drawn."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the console needs a terminal", hint="`paceline engine status` works everywhere")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("the console needs a terminal that can move its cursor, not TERM=dumb",
                         hint="`paceline engine status` works everywhere")  # fmt: skip


def _embed(database: Path, config_path: Path) -> EmbeddedEngine | None:
    holder = read_holder(database)
    if holder is not None and holder.role != "command":
        return None
    engine = EmbeddedEngine(database, config_path)
    try:
        engine.start()
    except LockHeldError:
        # Somebody was faster: attach to that engine, unless it is only a command that ends soon.
        if (now := read_holder(database)) is None or now.role == "command":
            raise
        return None
    return engine


def _log_to_file(database: Path) -> logging.Handler:
    """Warnings go to a file beside the database: on the terminal they would tear the screen."""
    path = database.with_name(database.name + ".console.log")
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_SIZE, backupCount=1, delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    return handler


def _run(app: PacelineApp, link: EngineLink) -> int:
    end = Ending(app, link)
    before = {number: signal.signal(number, end.on_signal) for number in SIGNALS}
    try:
        result = app.run(mouse=False)
    finally:
        end.screen_ended.set()
        link.close()
    if end.number:
        end.drained.wait(DRAIN_LIMIT)
        return 128 + end.number
    for number, handler in before.items():
        signal.signal(number, handler)
    return result if result is not None else app.return_code or 0


class Ending:
    """The end by a signal: drain the engine, bounded, then end the screen. A second signal cuts."""

    def __init__(self, app: PacelineApp, link: EngineLink) -> None:
        self._app = app
        self._link = link
        self._terminal = _terminal_state()
        self.number = 0
        self.drained = threading.Event()
        self.screen_ended = threading.Event()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            self._cut()
        self.number = number
        # In a thread: the screen may hang in a write to a terminal that has gone.
        threading.Thread(target=self._end, name="paceline-end", daemon=True).start()

    def _end(self) -> None:
        name = signal.Signals(self.number).name
        self._app.begin_drain(name)
        self._link.drain(name)
        self._link.join(DRAIN_LIMIT)
        self.drained.set()
        self._app.end_from_outside(128 + self.number)
        if not self.screen_ended.wait(SCREEN_LIMIT):
            self._cut()

    def _cut(self) -> None:
        if self._terminal is not None:
            try:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._terminal)
            except (termios.error, OSError, ValueError):
                pass
        os._exit(128 + self.number)


def _terminal_state() -> Any:
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError):
        return None
