"""A proxy between an engine and a relay that follows the SMTP conversation and cuts it at one phase.

The cut is abrupt on both sides, and the proxy remembers whose message it was: that list, not the engine's word, says
which messages a test may find uncertain.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

BEFORE_CONTENT = ("banner", "EHLO", "MAIL", "MAIL reply", "RCPT reply", "DATA", "354")
"""A cut at these is repeated: no content was handed over."""
IN_DOUBT = ("inside the content", "before the dot", "250")
"""A cut at these leaves exactly its message uncertain."""
PHASES = BEFORE_CONTENT + IN_DOUBT

_RCPT = re.compile(rb"RCPT TO: ?<([^<>\r\n]*)>", re.IGNORECASE)


@dataclass(slots=True)
class _Conversation:
    number: int
    server: asyncio.StreamWriter
    client: asyncio.StreamWriter
    asked: deque[str] = field(default_factory=lambda: deque(["banner"]))
    recipient: str = ""
    in_content: bool = False


class _CutError(Exception):
    pass


class FaultProxy:
    """`cut` names a phase, `at` at which of its passages (1: the first) it happens. `hold`: connection number ->
    seconds before its banner is passed on; `hold_reply`: seconds before each reply to a content. `cuts` are the
    recipients of the messages that were cut ("": none yet)."""

    def __init__(
        self,
        target: int,
        *,
        cut: str = "",
        at: tuple[int, ...] = (),
        hold: Mapping[int, float] | None = None,
        hold_reply: float = 0.0,
    ) -> None:
        if cut and cut not in PHASES:
            raise ValueError(f"no such phase: {cut}")
        self.port = 0
        self.cuts: list[str] = []
        self.connections = 0
        self._target = target
        self._cut = cut
        self._at = at
        self._hold = dict(hold or {})
        self._hold_reply = hold_reply
        self._passages = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        upstream, server = await asyncio.open_connection("127.0.0.1", self._target)
        conversation = _Conversation(number, server, writer)
        pumps = [
            asyncio.ensure_future(self._commands(reader, conversation)),
            asyncio.ensure_future(self._replies(upstream, conversation)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            ended = await asyncio.gather(*pumps, return_exceptions=True)
            cut = any(isinstance(error, _CutError) for error in ended)
            for side in (server, writer):
                _abort(side) if cut else side.close()
            self._tasks.discard(task)

    async def _pass(self, phase: str, conversation: _Conversation) -> None:
        if phase != self._cut:
            return
        self._passages += 1
        if self._passages in self._at:
            self.cuts.append(conversation.recipient)
            raise _CutError

    async def _commands(self, reader: asyncio.StreamReader, conversation: _Conversation) -> None:
        while True:
            if conversation.in_content:
                await self._content(reader, conversation)
                continue
            line = await reader.readline()
            if not line:
                return
            verb = line.split(b" ")[0].strip().decode("ascii", "replace").upper()
            if verb == "MAIL":
                conversation.recipient = ""
            if recipient := _RCPT.match(line):
                conversation.recipient = recipient[1].decode()
            await self._pass(verb, conversation)
            conversation.asked.append(verb)
            # After DATA nothing may be sent before its reply is known (RFC 2920 3.1).
            conversation.in_content = verb == "DATA"
            conversation.server.write(line)
            await conversation.server.drain()

    async def _content(self, reader: asyncio.StreamReader, conversation: _Conversation) -> None:
        content = await reader.readuntil(b"\r\n.\r\n")
        conversation.in_content = False
        half = len(content) // 2
        for phase, part in (("inside the content", content[:half]), ("before the dot", content[half:-3])):
            conversation.server.write(part)
            await conversation.server.drain()
            await self._pass(phase, conversation)
        conversation.asked.append("content")
        conversation.server.write(content[-3:])
        await conversation.server.drain()

    async def _replies(self, reader: asyncio.StreamReader, conversation: _Conversation) -> None:
        if hold := self._hold.get(conversation.number):
            await asyncio.sleep(hold)
        reply = b""
        while line := await reader.readline():
            reply += line
            if line[3:4] == b"-":
                continue
            phase = _name_of(conversation, reply)
            if phase == "250" and self._hold_reply:
                await asyncio.sleep(self._hold_reply)
            await self._pass(phase, conversation)
            conversation.client.write(reply)
            await conversation.client.drain()
            reply = b""


def _name_of(conversation: _Conversation, reply: bytes) -> str:
    """The phase that this reply belongs to."""
    asked = conversation.asked.popleft() if conversation.asked else ""
    match asked:
        case "DATA":
            return "354" if reply.startswith(b"354") else ""
        case "content":
            return "250" if reply.startswith(b"250") else ""
        case "MAIL" | "RCPT":
            return f"{asked} reply"
        case "banner":
            return asked
    return ""


def _abort(writer: asyncio.StreamWriter) -> None:
    """End at once with a reset: what is not yet read on the other side is gone."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running_proxy(
    target: int,
    *,
    cut: str = "",
    at: tuple[int, ...] = (),
    hold: Mapping[int, float] | None = None,
    hold_reply: float = 0.0,
) -> Iterator[FaultProxy]:
    """A proxy in a thread of its own, in front of the relay on port `target`; see `FaultProxy`."""
    proxy = FaultProxy(target, cut=cut, at=at, hold=hold, hold_reply=hold_reply)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
