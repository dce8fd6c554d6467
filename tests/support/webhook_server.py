"""A receiver of webhooks on loopback that plays a script and keeps a ledger of what reached it.

    async with WebhookServer(answer(503, headers={"Retry-After": "120"}), answer(200)) as server:
        ...
    server.ledger[0].header("idempotency-key")

Each request takes the next play of the script, the last one for ever; without a script all are answered with 200.
The ledger is the judge of what left: it holds requests that were never answered, too.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import h11

Run = Callable[["Exchange"], Awaitable[None]]


@dataclass(frozen=True)
class Play:
    """What the receiver does with one request: `run` when the request has come whole, or (`early`) at its head."""

    run: Run
    early: bool = False


@dataclass
class Received:
    """One request as it came. `whole` is False while, or when, its body did not come to its end; `connection` counts
    from 1; `server_name` is what TLS asked for."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    server_name: str = ""
    body: bytes = b""
    whole: bool = False

    def header(self, name: str) -> str:
        """The one value of a header, "" without it. Raises AssertionError when it stands there twice."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) < 2, f"{name} stands there {len(values)} times"
        return values[0] if values else ""

    @property
    def key(self) -> str:
        return self.header("idempotency-key")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Exchange:
    """One request and the connection on which it came."""

    received: Received
    http: h11.Connection
    writer: asyncio.StreamWriter
    over: asyncio.Event

    async def say(self, *events: h11.Event) -> None:
        for event in events:
            self.writer.write(self.http.send(event) or b"")
        await self.writer.drain()

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


class Hangup(Exception):  # noqa: N818 - an order
    """The receiver ends the connection here."""


def answer(
    status: int = 200, body: object = b"", *, headers: Mapping[str, str] | None = None, early: bool = False
) -> Play:
    """Answer with `status`; a `body` that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Length": str(len(data)), **(headers or {})}

    async def run(exchange: Exchange) -> None:
        response = h11.Response(status_code=status, headers=list(given.items()), reason=b"as scripted")
        await exchange.say(response, h11.Data(data=data), h11.EndOfMessage())

    return Play(run, early)


def silent(*, early: bool = False) -> Play:
    """Take the request and never answer."""

    async def run(exchange: Exchange) -> None:
        await exchange.over.wait()

    return Play(run, early)


def hang_up(*, early: bool = False) -> Play:
    """Take the request and end the connection without an answer."""

    async def run(exchange: Exchange) -> None:
        raise Hangup

    return Play(run, early)


def garbage(data: bytes) -> Play:
    """Send these bytes in place of an answer, then end the connection."""

    async def run(exchange: Exchange) -> None:
        await exchange.raw(data)
        raise Hangup

    return Play(run)


def cut_short(status: int, body: bytes, promised: int) -> Play:
    """Promise a body of `promised` bytes, send `body`, end the connection."""

    async def run(exchange: Exchange) -> None:
        head = f"HTTP/1.1 {status} As Scripted\r\nContent-Length: {promised}\r\nContent-Type: application/json\r\n\r\n"
        await exchange.raw(head.encode() + body)
        raise Hangup

    return Play(run)


def endless(status: int = 200, piece: bytes = b"x" * 4096) -> Play:
    """A body that never ends, for as long as somebody reads it."""

    async def run(exchange: Exchange) -> None:
        await exchange.say(h11.Response(status_code=status, headers=[("Transfer-Encoding", "chunked")]))
        while not exchange.over.is_set():
            await exchange.say(h11.Data(data=piece))

    return Play(run)


def speak_again(words: bytes, *, after: asyncio.Event | None = None) -> Play:
    """Answer with 200, and go on (at once, or `after` something) with bytes that nobody asked for."""

    async def run(exchange: Exchange) -> None:
        done = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        await exchange.raw(done if after else done + words)
        if after is not None:
            await after.wait()
            await exchange.raw(words)
            await exchange.over.wait()

    return Play(run)


class WebhookServer:
    """The receiver, at `port` (0: a free one). `tls` is its context; the script stands in the order of the requests."""

    def __init__(self, *script: Play, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.port = port
        self.script = script or (answer(200, {"ok": True}),)
        self.tls = tls
        self.ledger: list[Received] = []
        self.connections = 0
        self._names: dict[object, str] = {}
        self._over = asyncio.Event()
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> WebhookServer:
        if self.tls is not None:
            self.tls.sni_callback = self._asked_for
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._over.set()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def keys(self) -> Counter[str]:
        """How often each Idempotency-Key came with a whole request: what the receiver may have acted on."""
        return Counter(received.key for received in self.ledger if received.whole)

    async def reached(self, count: int) -> None:
        """Wait until so many requests have come whole."""
        async with self._news:
            await self._news.wait_for(lambda: sum(received.whole for received in self.ledger) >= count)

    def _asked_for(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self._names[connection] = name or ""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        name = self._names.get(writer.get_extra_info("ssl_object"), "")
        http = h11.Connection(h11.SERVER)
        try:
            while await self._one(http, reader, writer, number, name):
                http.start_next_cycle()
        except (Hangup, OSError, h11.ProtocolError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _one(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, name: str
    ) -> bool:
        """One request; whether the connection goes on."""
        received: Received | None = None
        play: Play | None = None
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                headers = [(key.decode(), value.decode("latin-1")) for key, value in event.headers]
                received = Received(event.method.decode(), event.target.decode(), headers, number, name)
                play = self.script[min(len(self.ledger), len(self.script) - 1)]
                self.ledger.append(received)
                if play.early:
                    await play.run(Exchange(received, http, writer, self._over))
                    return False
            elif isinstance(event, h11.Data) and received is not None:
                received.body += event.data
            elif isinstance(event, h11.EndOfMessage) and received is not None and play is not None:
                received.whole = True
                async with self._news:
                    self._news.notify_all()
                await play.run(Exchange(received, http, writer, self._over))
                return http.our_state is h11.DONE
            else:
                return False


def by_address(plays: Mapping[str, Play], otherwise: Play) -> Play:
    """Choose by the `to` of the JSON body, so that the order in which people are written to does not matter."""

    async def run(exchange: Exchange) -> None:
        await plays.get(exchange.received.json["to"], otherwise).run(exchange)

    return Play(run)


@contextmanager
def in_a_thread(*script: Play) -> Iterator[WebhookServer]:
    """The receiver on a loop of its own, for tests that run the program in a process."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = WebhookServer(*script)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
