"""One HTTP/1.1 connection: one request, one bounded answer. h11 speaks the protocol; the bytes are ours.

An HTTP client of a library would follow redirects, keep cookies, read proxies from the environment and send a request
again by itself. Here none of that exists, and it is known to the byte whether a request was handed over.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import h11

ANSWER_LIMIT: Final = 64 * 1024
"""Bytes kept of an answer's body unless a connection is made for more, and the most that its head may have."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said. `whole` is False when the body was cut: by the connection's limit, by the time, by a lost
    connection. Header names are lower-case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        """The first value of a header, "" without one."""
        return next((value for key, value in self.headers if key == name), "")


class NoAnswer(Exception):  # noqa: N818 - what happened, not what went wrong in here
    """No status came back. `handed_over`: whether any byte of the request was given to the connection."""

    def __init__(self, reason: str, *, handed_over: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.handed_over = handed_over


class Wire(asyncio.Protocol):
    """A connection that is in step; the first doubt ends it for good. `most` bytes are kept of an answer's body."""

    def __init__(self, most: int = ANSWER_LIMIT) -> None:
        self._most = most
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_LIMIT)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._news = asyncio.Event()
        self._asked = False
        self._used_at = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            # Nobody asked: what follows could be taken for the answer to the next message.
            self.abort()
            return
        self._http.receive_data(data)
        self._news.set()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.eof_received()

    @property
    def open(self) -> bool:
        """Whether a request can be handed over now."""
        return self._transport is not None and not self._transport.is_closing() and self._http.our_state is h11.IDLE

    @property
    def idle(self) -> float:
        """Seconds since it was last used."""
        return self._loop.time() - self._used_at

    async def ask(self, method: str, target: str, headers: Headers, body: bytes, timeout: float) -> Answer:
        """Hand one request over and wait at most `timeout` seconds for the whole answer. Raises NoAnswer.

        An answer that comes before the request was read to its end counts (RFC 9112 section 9.5).
        """
        if not self.open or self._transport is None:
            raise NoAnswer("the connection was closed before the request", handed_over=False)
        request = h11.Request(method=method, target=target, headers=list(headers))
        pieces = (self._http.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage()))
        data = b"".join(piece for piece in pieces if piece)
        self._asked = True
        self._transport.write(data)
        reading = _Reading()
        why = ""
        try:
            async with asyncio.timeout(timeout):
                await self._read(reading)
        except TimeoutError:
            why = f"no answer within {timeout:g} s"
        except h11.RemoteProtocolError as error:
            # h11 has one exception for both, and names the close in its text.
            lost = "closed" in str(error).lower()
            why = "the connection was lost before an answer" if lost else f"the answer was not HTTP: {error}"
        finally:
            self._asked = False
            self._used_at = self._loop.time()
        self._tidy()
        if reading.status == 0:
            raise NoAnswer(why, handed_over=True)
        return Answer(reading.status, reading.headers, bytes(reading.body), reading.whole)

    async def _read(self, reading: _Reading) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._news.clear()
                await self._news.wait()
            elif isinstance(event, h11.Response):
                reading.status = event.status_code
                reading.headers = tuple(
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers
                )
            elif isinstance(event, h11.Data):
                reading.body += event.data
                if len(reading.body) > self._most:
                    del reading.body[self._most :]
                    return
            elif isinstance(event, h11.EndOfMessage):
                reading.whole = True
                return

    def _tidy(self) -> None:
        """Make it ready for the next request where both sides have said all that they will, else end it."""
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        unsent = self._transport is None or self._transport.get_write_buffer_size() > 0
        if done and not unsent and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()


@dataclass(slots=True)
class _Reading:
    """As much of an answer as has come."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False


async def connect(
    address: str, port: int, *, name: str, tls: ssl.SSLContext | None, timeout: float, most: int = ANSWER_LIMIT
) -> Wire:
    """A connection to `address` (never a name), within `timeout` seconds; the certificate must be that of `name`.
    Of an answer's body `most` bytes are kept.

    Raises OSError, TimeoutError and ssl.SSLError among them.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        _, wire = await loop.create_connection(
            lambda: Wire(most), address, port, ssl=tls, server_hostname=name if tls is not None else None
        )
    return wire


async def connect_any(
    addresses: Sequence[str],
    port: int,
    *,
    name: str,
    tls: ssl.SSLContext | None,
    timeout: float,
    most: int = ANSWER_LIMIT,
) -> Wire:
    """As `connect`, to the first of `addresses` that answers; the last one's error is raised. No address may use up the
    time of the next."""
    share = timeout / len(addresses)
    for address in addresses[:-1]:
        try:
            return await connect(address, port, name=name, tls=tls, timeout=share, most=most)
        except OSError:
            continue
    return await connect(addresses[-1], port, name=name, tls=tls, timeout=share, most=most)
