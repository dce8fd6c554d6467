"""A program in a pseudo-terminal: what it writes and when, what it costs, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyte

from benchmarks.console.stores import Place

PROGRAM = str(Path(sys.executable).with_name("paceline"))
TICK = os.sysconf("SC_CLK_TCK")
LIMIT = 60.0
"""Seconds after which what was waited for is taken as not coming."""


class Memory(NamedTuple):
    """MiB: resident, resident with shared pages divided among their users, and this process's own."""

    rss: float
    pss: float
    own: float


class Terminal:
    """One program in a pseudo-terminal of a given size. A thread reads what it writes, unless stalled."""

    def __init__(self, argv: Sequence[str], *, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        self.size = size
        self.written = bytearray()
        self.last = 0.0
        """When the last bytes came (`time.perf_counter`)."""
        self.began = time.perf_counter()
        self._more = threading.Condition()
        self._reads = threading.Event()
        self._reads.set()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(argv[0], list(argv), {**kept, "TERM": "xterm-256color", **environment})
            finally:
                os._exit(127)
        self.resize(*size)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self._reads.wait()
            try:
                data = os.read(self._fd, 65_536)
            except OSError:
                data = b""
            now = time.perf_counter()
            with self._more:
                self.written += data
                self.last = now
                self._more.notify_all()
            if not data:
                return

    # what is done to it

    def send(self, keys: str | bytes) -> float:
        """Type; returns when that was."""
        data = keys.encode() if isinstance(keys, str) else keys
        now = time.perf_counter()
        os.write(self._fd, data)
        return now

    def resize(self, width: int, height: int) -> None:
        self.size = (width, height)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def stall(self) -> None:
        """Read nothing any more: the terminal's buffer fills, and the program's writes block."""
        self._reads.clear()

    def go_on(self) -> None:
        self._reads.set()

    def close(self) -> None:
        """End it as a dropped line does, and wait; SIGKILL after a while."""
        self.go_on()
        try:
            for number in (signal.SIGHUP, signal.SIGKILL):
                os.kill(self.pid, number)
                end = time.monotonic() + 10
                while time.monotonic() < end:
                    if os.waitpid(self.pid, os.WNOHANG)[0]:
                        return
                    time.sleep(0.02)
        except (ProcessLookupError, ChildProcessError):
            return
        finally:
            os.close(self._fd)

    # what it does

    def wait_for(self, needle: str, since: int = 0) -> float:
        """Wait until these bytes were written after the first `since`; returns when they came."""
        wanted, end = needle.encode(), time.monotonic() + LIMIT
        with self._more:
            while self.written.find(wanted, since) < 0:
                if not self._more.wait(end - time.monotonic()):
                    raise TimeoutError(f"{needle!r} did not come:\n{self.text()}")
            return self.last

    def wait_to_show(self, text: str) -> None:
        """Wait until this stands on the screen: of what was there before only the difference may have been written."""
        end = time.monotonic() + LIMIT
        while text not in self.text():
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} did not come:\n{self.text()}")
            time.sleep(0.1)

    def settle(self, quiet: float = 0.3) -> float:
        """Wait until nothing was written for `quiet` seconds; returns when the last bytes came."""
        end = time.monotonic() + LIMIT
        with self._more:
            while (left := self.last + quiet - time.perf_counter()) > 0:
                self._more.wait(left)
                if time.monotonic() > end:
                    raise TimeoutError("the screen does not come to rest")
            return self.last

    def text(self) -> str:
        """What stands on the screen, as a terminal shows everything written so far."""
        screen = pyte.Screen(*self.size)
        pyte.ByteStream(screen).feed(bytes(self.written))
        return "\n".join(screen.display)

    def cpu(self) -> float:
        """Seconds of processor time so far, all threads, to 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self) -> Memory:
        found = dict.fromkeys(("Rss", "Pss", "Private_Clean", "Private_Dirty"), 0)
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0])
        own = found["Private_Clean"] + found["Private_Dirty"]
        return Memory(found["Rss"] / 1024, found["Pss"] / 1024, own / 1024)


def console(place: Place, *options: str, size: tuple[int, int] = (80, 24)) -> Terminal:
    """The program's console over one store, as on its first run: it would open on the view that was left last."""
    shutil.rmtree(place.folder / "state", ignore_errors=True)
    argv = [PROGRAM, "--db", str(place.database), "--config", str(place.config), *options]
    return Terminal(argv, size=size, XDG_STATE_HOME=str(place.folder / "state"))
