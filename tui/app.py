"""`run_console`: from a database and a configuration to a console, and to an orderly end whatever ends it."""

from __future__ import annotations

import logging
import logging.handlers
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from storage.lock import read_holder
from storage.reader import Reader
from tui.client import this_actor
from tui.console import PacelineApp
from tui.ending import Ending
from tui.glance import glance, thorough
from tui.leaving import DRAIN_LIMIT
from tui.link import EngineLink
from tui.preferences import gather
from tui.safe_text import safe_text
from tui.terminal import check_terminal
from tui.terminal_driver import TerminalDriver

if TYPE_CHECKING:
    from engine.config import Config
    from tui.embedded import EmbeddedEngine

LOG_SIZE = 1 << 20
LOG_LINE = 2_000
"""Characters of a line in the log."""


def run_console(database: Path, config_path: Path, *, read_only: bool = False, mouse: bool = False) -> int:
    """Open the console and return its exit code (128 + n after signal n).

    With the engine lock free it starts an engine in this process (not when read-only: that would send); with it held
    it attaches. The first picture comes before that start and before the configuration's whole check. `mouse` takes
    the terminal's mouse, as the configuration may ask for too. Raises the PacelineError of a start that is not
    possible: no terminal, a store or a configuration that cannot be used.
    """
    check_terminal()
    seen = glance(config_path) or thorough(config_path)
    with Reader(database):
        pass  # a store that cannot be read is told before the screen opens
    log = _log_to_file(database)
    link = EngineLink(
        database,
        this_actor("console"),
        embed=lambda: _engine(database, config_path),
        starts=not read_only and _is_free(database),
        read_only=read_only,
    )
    try:
        host = socket.gethostname().partition(".")[0]
        app = PacelineApp(
            database,
            link,
            environment=seen.environment,
            host=host,
            read_only=read_only,
            zone=seen.zone,
            config=lambda: _config(config_path),
            rest=lambda: _rest(config_path, link),
            preferences=gather(seen, config_path),
            state=platformdirs.user_state_path("paceline", False),
        )
        return _run(app, link, mouse=mouse or seen.mouse)
    finally:
        link.drain("the console ended")
        link.join(DRAIN_LIMIT)
        logging.getLogger().removeHandler(log)
        log.close()


def _is_free(database: Path) -> bool:
    """Whether no engine works on this database. A command holds the lock for one change only."""
    holder = read_holder(database)
    return holder is None or holder.role == "command"


def _rest(config_path: Path, link: EngineLink) -> tuple[str, ...]:
    """What the first picture does not wait for: the whole check of the configuration, and the engine. Returns what is
    to be told; raises the PacelineError by which no console can go on."""
    warnings = _config(config_path).warnings
    link.begin()
    return warnings


# Imported late: an attached console needs no engine, and the first picture neither that nor what checks a
# configuration, which are two thirds of what there is to import.


def _config(config_path: Path) -> Config:
    from engine.config import load_config

    return load_config(config_path)


def _engine(database: Path, config_path: Path) -> EmbeddedEngine:
    from tui.embedded import EmbeddedEngine

    return EmbeddedEngine(database, config_path)


class _SafeLines(logging.Formatter):
    """Words of servers and providers reach the log: nothing of them acts on the terminal that shows it, none of them
    begins a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # where another handler's formatter keeps what it made of the exception
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        record.message = safe_text(record.message, LOG_LINE)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base's name
        # Set in, so that a line of the exception's own words is never taken for a record.
        return "\n".join(f"  {safe_text(line, LOG_LINE)}" for line in super().formatException(ei).split("\n"))


def _log_to_file(database: Path) -> logging.Handler:
    """Warnings go to a file beside the database: on the terminal they would tear the screen."""
    path = database.with_name(database.name + ".console.log")
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_SIZE, backupCount=1, delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_SafeLines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    return handler


def _run(app: PacelineApp, link: EngineLink, *, mouse: bool) -> int:
    with Ending(app, link) as end:
        app.driver_class = partial(TerminalDriver, gone=end.hang_up)  # type: ignore[assignment]
        try:
            result = app.run(mouse=mouse)
        finally:
            link.close()
    if end.number:
        return 128 + end.number
    if app.unable is not None:
        raise app.unable
    return result if result is not None else app.return_code or 0
