"""A terminal that a test looks at: the real program on the other side of a pty, and what stands on its screen."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
from wcwidth import wcwidth

LIMIT = 60.0
"""Seconds after which a test gives up; nothing is measured by it."""


class Terminal:
    """A program at `size` (columns, rows). `raw` is every byte that it wrote; nothing is read between two calls, so
    a test that does nothing is a terminal that does not read."""

    def __init__(
        self, *command: str, size: tuple[int, int] = (80, 24), cwd: Path | None = None, **environment: str
    ) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.gone = False
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.child = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(size[1], size[0]), timeout=LIMIT,
            cwd=str(cwd) if cwd is not None else None,
            env={**kept, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        self.child.delaybeforesend = None

    def pump(self) -> bytes:
        """Read what the program wrote meanwhile."""
        if self.gone:
            time.sleep(0.05)
            return b""
        try:
            new = self.child.read_nonblocking(65_536, timeout=0.1)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return b""
        self.raw += new
        self._stream.feed(new)
        return bytes(new)

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def rows(self) -> list[str]:
        """The lines of the screen, as long as it is wide. Not pyte's own `display`, which fails on the right half of a
        wide character whose left half was written over; a terminal shows a blank there."""
        return [self._line(y) for y in range(self.screen.lines)]

    def _line(self, y: int) -> str:
        text = ""
        for x in range(self.screen.columns):
            data = self.screen.buffer[y][x].data
            text += data or ("" if text and wcwidth(text[-1]) == 2 else " ")
        return text

    def until(self, holds: Callable[[], object]) -> None:
        """Read on until it holds; fails with what stands on the screen."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.pump()
            if holds():
                return
        raise AssertionError(f"it never came to hold; the screen shows:\n{self.text}")

    def shows(self, *words: str) -> None:
        self.until(lambda: all(word in self.text for word in words))

    def quiet(self) -> None:
        """Read on until nothing more comes."""
        while self.pump():
            continue

    def press(self, keys: str) -> None:
        self.child.send(keys)

    def resize(self, width: int, height: int) -> None:
        self.child.setwinsize(height, width)
        self.screen.resize(height, width)

    def hang_up(self) -> None:
        """The line drops: the kernel tells the leader of the terminal's session."""
        self.gone = True
        self.child.ptyproc.fileobj.close()

    def ended(self) -> int:
        """Wait for the program's end; returns its exit code, as a shell tells it."""
        self.until(lambda: not self.child.isalive())
        self.quiet()
        if not self.gone:
            self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else 128 + self.child.signalstatus

    def close(self) -> None:
        if not self.gone:
            self.child.close(force=True)
        elif self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()


def console(folder: Path, *options: str, size: tuple[int, int] = (80, 24), **environment: str) -> Terminal:
    """A console on the store in `folder`, with nothing kept from a former run."""
    state = folder / f"state-{os.urandom(4).hex()}"
    return Terminal(
        sys.executable, "-m", "tui", "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml"),
        *options, size=size, **{"XDG_STATE_HOME": str(state), **environment},
    )  # fmt: skip


def fill(descriptor: int) -> None:
    """Fill a pipe: the next write to it waits for a reader."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
