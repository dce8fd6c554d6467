"""A server that accepts every message and remembers when: the judge of how long the engine stood still."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time


class Relay:
    """SMTP on a loopback port, in a thread of its own; use as a context manager. `accepted` holds
    `time.perf_counter` of every message."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted: list[float] = []
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        self._listens.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time between two accepted messages in a stretch of time, its ends included; in seconds."""
        inside = [begin, *(at for at in self.accepted if begin < at < end), end]
        return max(later - earlier for earlier, later in itertools.pairwise(inside))

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Conversation(self), "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()


class _Conversation(asyncio.Protocol):
    """One connection: 250 to everything, with pipelining."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._waiting = b""
        self._content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 bench ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while True:
            line, found, rest = self._waiting.partition(b"\r\n.\r\n" if self._content else b"\r\n")
            if not found:
                return
            self._waiting = rest
            self._transport.write(self._answer(line))

    def _answer(self, line: bytes) -> bytes:
        if self._content:
            self._content = False
            self._relay.accepted.append(time.perf_counter())
            return b"250 2.0.0 Ok: queued\r\n"
        verb = line[:4].upper()
        if verb == b"DATA":
            self._content = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return b"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
        return b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n"
