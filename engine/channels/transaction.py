"""The mail transaction: one command, one reply, and in doubt the end of the connection (RFC 5321)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.channels.channel import Message
from engine.classify import classify_smtp, route_failure, uncertain
from engine.outcomes import Action, Outcome
from storage.model import OutcomeClass

TEXT_LIMIT: Final = 500
"""Characters kept of a server's words."""
REPLY_LIMIT: Final = 16 * 1024
"""Bytes of one reply, all its lines, before the connection is dropped (RFC 5321 4.5.3.1.5: 512 a line)."""
QUIT_SECONDS: Final = 2.0
DATA: Final = b"DATA\r\n"
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ADDRESS = re.compile(
    r"""(?:[^\s<>,;:"()\[\]\\@\x00-\x1f\x7f]+|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])+")"""
    r"""@(?:[^\s<>,;:"()\[\]\\@\x00-\x1f\x7f]+|\[[0-9A-Za-z.:]+\])"""
)


class Reply(NamedTuple):
    """One complete reply: its code and its words (lines joined by newlines, at most TEXT_LIMIT characters)."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The messages of one connection, and the seconds to wait for a reply: to a command, to the content."""

    messages: int
    command_timeout: float
    reply_timeout: float


class Wire(asyncio.Protocol):
    """One command, one reply, on a connection that is in step; the first doubt ends it for good.

    Bytes that nobody asked for, a line that is no reply, a reply over REPLY_LIMIT, a timeout, a cancelled
    wait: each sets `failure` and aborts the connection, so that no reply is ever taken for that of another
    message.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.failure: OSError | None = None
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 1
        self._replies: list[Reply] = []
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def lost(self) -> OSError | None:
        """Why nothing more may be written, or None. Checked before the first content byte is handed over."""
        if self.failure is None and self._transport.is_closing():
            self.failure = ConnectionResetError("the connection was closed")
        return self.failure

    @property
    def unsent(self) -> int:
        """Bytes that were handed over and have not yet left this process."""
        return self._transport.get_write_buffer_size()

    async def ask(self, data: bytes, timeout: float) -> Reply:
        """Write `data` and wait at most `timeout` seconds for its reply. Raises OSError (TimeoutError
        too)."""
        return (await self.ask_group(data, 1, timeout))[0]

    async def ask_group(self, data: bytes, wanted: int, timeout: float) -> list[Reply]:
        """Write a group of pipelined commands (RFC 2920) and wait for all their replies, in order.

        When the connection ends after some of them, these are returned; when it ends before the first, raises OSError.
        """
        if (lost := self.lost) is not None:
            raise lost
        waiter: asyncio.Future[None] = self._loop.create_future()
        replies: list[Reply] = []
        self._waiter, self._wanted, self._replies = waiter, wanted, replies
        self._transport.write(data)
        # A bare timer: four asyncio.timeout() a message cost more than the replies they watch.
        late = self._loop.call_later(timeout, self._too_late, waiter, timeout)
        try:
            await waiter
        except OSError:
            if not replies:
                raise
        except asyncio.CancelledError:
            self.fail(ConnectionAbortedError("the wait for a reply was cancelled"))
            raise
        finally:
            late.cancel()
            self._waiter = None
        return replies

    def _too_late(self, waiter: asyncio.Future[None], timeout: float) -> None:
        if not waiter.done():
            self.fail(TimeoutError(f"timed out: no reply within {timeout:g} s"))

    def fail(self, error: OSError) -> None:
        """End the connection at once because of `error`; the first reason stays."""
        if self.failure is None:
            self.failure = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self.failure)
        self._transport.abort()

    def close(self) -> None:
        """End the connection after what was written."""
        self.failure = self.failure or ConnectionResetError("the session was closed")
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.fail(ConnectionError(f"the server spoke unasked: {_words(data)}"))
            return
        self._size += len(data)
        if self._size > REPLY_LIMIT:
            self.fail(ConnectionError(f"a reply of more than {REPLY_LIMIT} bytes"))
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for position, line in enumerate(lines, 1):
            match = _LINE.fullmatch(line.removesuffix(b"\r"))
            if match is None:
                self.fail(ConnectionError(f"not an SMTP reply: {_words(line)}"))
                return
            code, mark, words = match.groups()
            self._lines.append(words or b"")
            if mark == b"-":
                continue
            self._replies.append(Reply(int(code), _words(b"\n".join(self._lines))))
            self._lines = []
            if len(self._replies) < self._wanted:
                continue
            self._waiter.set_result(None)
            extra = b"\n".join((*lines[position:], self._rest))
            self._rest, self._lines, self._size = b"", [], 0
            if extra:
                self.fail(ConnectionError(f"the server spoke unasked: {_words(extra)}"))
            return

    def eof_received(self) -> None:
        self.fail(ConnectionResetError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(ConnectionResetError(f"the connection was lost{f': {exc}' if exc else ''}"))


class SmtpSession:
    """One logged-in connection, used by one message at a time: see `engine.channels.channel.Session`."""

    def __init__(self, wire: Wire, server: str, extensions: dict[str, str], limits: SessionLimits) -> None:
        """`server` is the name for outcomes, `extensions` the EHLO keywords in lower case with their parameters
        (RFC 5321 4.1.1.1).
        """
        self._wire = wire
        self._server = server
        self._extensions = extensions
        self._limits = limits
        self._prepared: Message | None = None
        self._content = b""
        self._opened: Reply | None = None
        """The reply to DATA, when that was asked for together with the envelope."""
        self._transactions = 0

    @property
    def usable(self) -> bool:
        return self._transactions < self._limits.messages and self._wire.lost is None

    @property
    def size_limit(self) -> int:
        """The largest message in bytes that the server takes (RFC 1870); 0 where it names none."""
        limit = self._extensions.get("size", "")
        return int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 20 else 0

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        """MAIL and RCPT (RFC 5321 4.1.1.2-3) with the options the server offers, and DATA when the message has
        `begun`; RSET after a refusal.

        The addresses are written exactly as `message` has them, or refused before anything is written.
        """
        self._prepared = self._opened = None
        content, size = wire_content(message.content)
        envelope = self._envelope(message, size)
        if isinstance(envelope, Outcome):
            return envelope
        if (refusal := await self._offer(*envelope, data=begun)) is not None:
            return refusal
        if (lost := self._wire.lost) is not None:
            return route_failure(str(lost), phase="rcpt", server=self._server)
        self._prepared, self._content = message, content
        return None

    async def _offer(self, mail: bytes, rcpt: bytes, *, data: bool) -> Outcome | None:
        """Ask for both, and for `data`; in one packet where the server takes that (RFC 2920 3.1), a round trip or two
        less a message."""
        groups: list[tuple[bytes, tuple[str, ...]]] = [(mail, ("mail",)), (rcpt, ("rcpt",))]
        if "pipelining" in self._extensions:
            groups = [(mail + rcpt + DATA, ("mail", "rcpt", "data")) if data else (mail + rcpt, ("mail", "rcpt"))]
        for commands, phases in groups:
            replies: list[Reply] = []
            lost = "the connection was lost"
            try:
                replies = await self._wire.ask_group(commands, len(phases), self._limits.command_timeout)
            except OSError as error:
                lost = str(error)
            for place, phase in enumerate(phases):
                if place >= len(replies):
                    return route_failure(str(self._wire.lost or lost), phase=phase, server=self._server)
                reply = replies[place]
                if phase == "data":
                    self._opened = reply
                    return None
                if reply.code != 250 and not (reply.code == 251 and phase == "rcpt"):
                    self._transactions += 1
                    outcome = self._classified(reply, phase)
                    if "data" in phases and replies[-1].code < 400:
                        # Without a recipient it must refuse DATA as well (RFC 2920 3.1): no content goes there.
                        self._wire.fail(ConnectionError("DATA was not refused after its envelope was"))
                    await self._reset()
                    return outcome
        return None

    async def deliver(self, message: Message) -> Outcome:
        """DATA, the content, and the reply to it (RFC 5321 4.1.1.4). Must not be cancelled: a cancelled call
        has lost the reply to a message that may have left, which only its caller can record as uncertain.

        Raises RuntimeError when `message` is not the one that was prepared: a bug of the caller.
        """
        if self._prepared is not message:
            raise RuntimeError("deliver without prepare: this session holds another envelope")
        content, reply = self._content, self._opened
        self._prepared, self._content, self._opened = None, b"", None
        self._transactions += 1
        if reply is None:
            try:
                reply = await self._wire.ask(DATA, self._limits.command_timeout)
            except OSError as error:
                return route_failure(str(error), phase="data", server=self._server)
        if reply.code != 354:
            self._wire.fail(ConnectionError(f"DATA was answered by {reply.code} {reply.text}"))
            return classify_smtp(reply.code, reply.text, phase="data", server=self._server)
        if (lost := self._wire.lost) is not None:
            return route_failure(str(lost), phase="data", server=self._server)
        # Here the doubt begins: `ask` repeats the check above, then hands the bytes to the socket.
        try:
            reply = await self._wire.ask(content, self._limits.reply_timeout)
        except OSError as error:
            return uncertain(str(error), server=self._server)
        if self._wire.unsent:
            # Said before all was read: a no is definite, but the rest of the content is in the way.
            self._wire.fail(ConnectionError(f"a reply before the end of the content: {reply.code} {reply.text}"))
            if reply.code < 400:
                return uncertain(str(self._wire.failure), server=self._server)
        return self._classified(reply, "content")

    async def abandon(self) -> None:
        """RSET (RFC 5321 4.1.1.5); anything but its 250 makes the session unusable."""
        self._prepared, self._content = None, b""
        self._transactions += 1
        if self._opened is not None:
            self._wire.fail(ConnectionError("a message was given up after DATA"))
        await self._reset()

    async def close(self) -> None:
        """QUIT, and at most QUIT_SECONDS for its reply, when the connection is in step; else the end at
        once."""
        if self._wire.lost is None:
            try:
                await self._wire.ask(b"QUIT\r\n", min(QUIT_SECONDS, self._limits.command_timeout))
            except OSError:
                pass
        self._wire.close()

    async def _reset(self) -> None:
        if self._wire.lost is not None:
            return
        try:
            reply = await self._wire.ask(b"RSET\r\n", self._limits.command_timeout)
        except OSError:
            return
        if reply.code != 250:
            self._wire.fail(ConnectionError(f"RSET was answered by {reply.code} {reply.text}"))

    def _classified(self, reply: Reply, phase: str) -> Outcome:
        """What `reply` means; a connection that the server closes or that is out of step ends here."""
        if reply.code == 421 or (reply.code < 400 and (phase, reply.code) != ("content", 250)):
            self._wire.fail(ConnectionError(f"ended after the reply {reply.code} {reply.text}"))
        return classify_smtp(reply.code, reply.text, phase=phase, server=self._server)

    def _envelope(self, message: Message, size: int) -> tuple[bytes, bytes] | Outcome:
        """The two commands, or why this message cannot be offered here. `size` as RFC 1870 counts bytes."""
        if message.sender and not _plain(message.sender):
            return self._local(OutcomeClass.CONFIGURATION, "mail", "the sender is not one plain address")
        if not _plain(message.recipient):
            return self._local(OutcomeClass.PERMANENT, "rcpt", "the recipient is not one plain address")
        options = ""
        if "size" in self._extensions:
            if 0 < self.size_limit < size:
                return self._local(OutcomeClass.CONTENT, "mail", "larger than the server takes", size, self.size_limit)
            options = f" SIZE={size}"
        if not message.content.isascii():
            if "8bitmime" not in self._extensions:  # RFC 6152
                return self._local(OutcomeClass.CONTENT, "mail", "8-bit content, and the server takes 7-bit only")
            options += " BODY=8BITMIME"
        if message.smtputf8 or not (message.sender.isascii() and message.recipient.isascii()):
            if "smtputf8" not in self._extensions:  # RFC 6531
                return self._local(OutcomeClass.CONTENT, "mail", "the server takes no international addresses")
            options += " SMTPUTF8"
        return (
            f"MAIL FROM:<{message.sender}>{options}\r\n".encode(),
            f"RCPT TO:<{message.recipient}>\r\n".encode(),
        )

    def _local(self, cls: OutcomeClass, phase: str, reason: str, *figures: object) -> Outcome:
        text = f"{reason} ({', '.join(str(figure) for figure in figures)})" if figures else reason
        action = Action.HOLD_PAUSE if cls is OutcomeClass.CONFIGURATION else Action.NONE
        return Outcome(cls, text=text, phase=phase, error_key=reason, action=action, server=self._server)


def wire_content(content: bytes) -> tuple[bytes, int]:
    """`content` as DATA carries it, and its size in bytes as RFC 1870 counts (no stuffed dots, no final dot).

    Every line end becomes CRLF, the last line gets one, a dot that begins a line is doubled, and a lone dot
    ends it (RFC 5321 2.3.8, 4.1.1.4, 4.5.2).
    """
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    size = len(content)
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n", size


def _plain(address: str) -> bool:
    """One address that may stand in angle brackets as it is: no line end, second address or lone
    surrogate."""
    return (
        len(address) <= 320
        and _ADDRESS.fullmatch(address) is not None
        and (address.isascii() or not any("\ud800" <= character <= "\udfff" for character in address))
    )


def _words(data: bytes) -> str:
    return data[: TEXT_LIMIT * 4].decode("utf-8", "replace")[:TEXT_LIMIT]
