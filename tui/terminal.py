"""What the program is connected to: whether a screen can be drawn there, in which encoding, and whether it has gone.

Knows nothing of Textual, so that the command line can ask too.
"""

from __future__ import annotations

import codecs
import locale
import os
import select
import sys
import termios
import unicodedata
from typing import Any, TextIO

from storage.errors import UsageError

ELSEWHERE = "`paceline engine status` works everywhere"
CANNOT_PLACE = ("", "dumb", "unknown")
"""Values of TERM whose terminals cannot place their cursor."""
STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))


def trouble() -> str:
    """Why no screen can be drawn here; "" when one can."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        return "the console needs a terminal, and this is none"
    term = os.environ.get("TERM", "")
    if term.lower() in CANNOT_PLACE:
        return f"the console needs a terminal that can place its cursor, and TERM is {term or 'not set'}"
    if in_background():
        return "the console needs the terminal's foreground, and this was started in its background"
    return ""


def can_show_console() -> bool:
    """Whether input and output are a terminal on which a screen can be drawn."""
    return not trouble()


def check_terminal() -> None:
    """Raises UsageError where no screen can be drawn."""
    if what := trouble():
        raise UsageError(what, hint=ELSEWHERE)


def _is_terminal(stream: TextIO | None) -> bool:
    """Also for a stream that was closed before the program began (None)."""
    return stream is not None and not stream.closed and stream.isatty()


def in_background() -> bool:
    """Whether another job has this terminal: the first byte of a screen would stop the process, engine and all."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp()
    except OSError:  # not our controlling terminal: nobody's background
        return False


def has_hung_up(descriptor: int) -> bool:
    """Whether the other side of this terminal has gone: its line dropped, or its window was closed."""
    poller = select.poll()
    try:
        poller.register(descriptor, 0)
        return any(flags & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, flags in poller.poll(0))
    except (OSError, ValueError):
        return True


def saved_modes() -> Any:
    """The terminal's modes as they are now, for `restore_modes`; None where there are none."""
    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (termios.error, OSError, ValueError, AttributeError):
        return None


def restore_modes(modes: Any) -> None:
    """Put `saved_modes` back; a terminal that has gone needs none."""
    try:
        if modes is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
    except (termios.error, OSError, ValueError):
        return


# encodings


def encoding() -> str:
    """What the locale says that the terminal reads and writes.

    Asked of the locale itself: Python's UTF-8 mode says nothing about the terminal, and to one that reads ISO-8859-1
    some bytes of UTF-8 are C1 controls.
    """
    try:
        return codecs.lookup(locale.getencoding()).name
    except LookupError:
        return "ascii"


def encode(text: str, into: str) -> bytes:
    """`text` for a terminal of this encoding; what it lacks becomes as many `?` as it has cells, so columns stand."""
    return text.encode(into, "paceline.cells")


def _cells(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join("?" * cells(character) for character in lacking), error.end


def cells(character: str) -> int:
    """How many cells a character takes: 0, 1 or 2 (Unicode Annex 11, without the ambiguous ones)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


codecs.register_error("paceline.cells", _cells)


def prepare_streams() -> None:
    """Make the standard streams safe to write to, before anything else is opened.

    A descriptor that was closed (`>&-`) is opened on the null device: the next file to be opened, the database for
    one, would take its number, and a line that was meant for a person would go into it. What a terminal's encoding
    lacks is written as `?` instead of ending the command.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            text = os.fdopen(number, "r" if mode == os.O_RDONLY else "w", closefd=False)
            setattr(sys, name, text)
            setattr(sys, f"__{name}__", text)
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is None:
            continue
        if stream.isatty():
            reconfigure(encoding=encoding(), errors="paceline.cells")
        else:
            reconfigure(errors="paceline.cells" if stream.encoding.lower() != "utf-8" else "backslashreplace")
