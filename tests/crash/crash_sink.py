"""Postfix's own `smtp-sink` as the receiver: a server that we did not write, with its own record of what it took."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path("/usr/sbin/smtp-sink")
_RECIPIENT = re.compile(rb"^X-Rcpt-Args: ?<([^<>\r\n]+)>", re.MULTILINE)


@dataclass(frozen=True)
class Sink:
    port: int
    record: Path

    def accepted(self, domain: str) -> Counter[str]:
        found = _RECIPIENT.findall(self.record.read_bytes()) if self.record.exists() else []
        return Counter(who for who in map(bytes.decode, found) if who.endswith(f"@{domain}"))

    def size(self) -> int:
        return self.record.stat().st_size if self.record.exists() else 0


@contextmanager
def running_sink() -> Iterator[Sink]:
    """`smtp-sink` on a free loopback port; every message it accepted is appended to one file of its own."""
    with tempfile.TemporaryDirectory(prefix="paceline-sink-") as name:
        folder = Path(name)
        port = free_port()
        as_root = os.getuid() == 0
        if as_root:
            folder.chmod(0o777)  # smtp-sink gives its rights up before it writes
        record = folder / "accepted"
        child = subprocess.Popen(
            [PROGRAM, *(["-u", "nobody"] if as_root else []), "-D", record, f"127.0.0.1:{port}", "128"], cwd=folder
        )
        try:
            wait_until_it_listens(port)
            yield Sink(port, record)
        finally:
            child.terminate()
            child.wait(10)


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until_it_listens(port: int) -> None:
    """Until a connection to this loopback port succeeds; raises the last OSError after ten seconds."""
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
