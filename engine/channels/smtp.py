"""SMTP: aiosmtplib connects, encrypts and logs in; the mail transaction (`Wire`, `SmtpSession`) is our own.

Once logged in, the connection is handed over by two public means, `client.transport` and asyncio's
`set_protocol`. The client's `mail()`, `rcpt()` and `data()` are not used, for three facts of aiosmtplib
5.1.3: what the server says between two commands is dropped unseen, what follows a reply in the same segment
answers the next command, and `data()` does not tell whether the content was written when it fails.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, cast

from aiosmtplib import SMTP, SMTPConnectError, SMTPException, SMTPHeloError, SMTPResponseException

from engine.channels.channel import ChannelError, Message
from engine.outcomes import Action, Outcome, classify_smtp, route_failure, uncertain
from storage.errors import PacelineError
from storage.model import OutcomeClass

TEXT_LIMIT: Final = 500
"""Characters kept of a server's words."""

REPLY_LIMIT: Final = 16 * 1024
"""Bytes of one reply, all its lines, before the connection is dropped (RFC 5321 4.5.3.1.5: 512 a line)."""

QUIT_SECONDS: Final = 2.0

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_SECURE_LOGINS: Final = ("plain", "login", "cram-md5")
_CLEAR_LOGINS: Final = ("cram-md5", "plain", "login")
_ADDRESS = re.compile(
    r"""(?:[^\s<>,;:"()\[\]\\@\x00-\x1f\x7f]+|"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])+")"""
    r"""@(?:[^\s<>,;:"()\[\]\\@\x00-\x1f\x7f]+|\[[0-9A-Za-z.:]+\])"""
)


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How to reach one account's server. Timeouts in seconds, each the total of its step, drip by drip or
    not.

    `tls`: `implicit` from the first byte, `starttls` required, `opportunistic` when offered (who strips the
    offer gets no password all the same), `none`. `password` is called in a thread at every login.
    `local_hostname` is the EHLO name ("": this machine's). `connect_timeout` counts for the connection, for
    its greeting and for a TLS upgrade; `reply_timeout` for the reply to the content (RFC 5321 4.5.3.2.6).
    `ca_file` replaces the system's authorities. A login in clear text needs `allow_plain_auth`, or
    `tls="none"` with a loopback host.
    """

    host: str
    port: int = 587
    tls: Literal["none", "starttls", "opportunistic", "implicit"] = "starttls"
    username: str = ""
    password: Callable[[], str] | None = None
    local_hostname: str = ""
    connect_timeout: float = 30.0
    command_timeout: float = 60.0
    reply_timeout: float = 600.0
    messages_per_connection: int = 100
    ca_file: str = ""
    verify: bool = True
    allow_plain_auth: bool = False


class Reply(NamedTuple):
    """One complete reply: its code and its words (lines joined by newlines, at most TEXT_LIMIT characters)."""

    code: int
    text: str


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
        self._waiter: asyncio.Future[Reply] | None = None
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
        if (lost := self.lost) is not None:
            raise lost
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self._waiter = waiter
        self._transport.write(data)
        # A bare timer: four asyncio.timeout() a message cost more than the replies they watch.
        late = self._loop.call_later(timeout, self._too_late, waiter, timeout)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.fail(ConnectionAbortedError("the wait for a reply was cancelled"))
            raise
        finally:
            late.cancel()
            self._waiter = None

    def _too_late(self, waiter: asyncio.Future[Reply], timeout: float) -> None:
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
            self._waiter.set_result(Reply(int(code), _words(b"\n".join(self._lines))))
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

    def __init__(self, wire: Wire, settings: SmtpSettings, extensions: dict[str, str]) -> None:
        """`extensions` are the EHLO keywords in lower case with their parameters (RFC 5321 4.1.1.1)."""
        self._wire = wire
        self._settings = settings
        self._server = settings.host
        self._extensions = extensions
        self._prepared: Message | None = None
        self._content = b""
        self._transactions = 0

    @property
    def usable(self) -> bool:
        return self._transactions < self._settings.messages_per_connection and self._wire.lost is None

    async def prepare(self, message: Message) -> Outcome | None:
        """MAIL and RCPT (RFC 5321 4.1.1.2-3) with the options the server offers; RSET after a refusal.

        The addresses are written exactly as `message` has them, or refused before anything is written.
        """
        self._prepared = None
        content, size = wire_content(message.content)
        envelope = self._envelope(message, size)
        if isinstance(envelope, Outcome):
            return envelope
        for phase, command in zip(("mail", "rcpt"), envelope, strict=True):
            try:
                reply = await self._wire.ask(command, self._settings.command_timeout)
            except OSError as error:
                return route_failure(str(error), phase=phase, server=self._server)
            if reply.code == 250 or (reply.code == 251 and phase == "rcpt"):
                continue
            self._transactions += 1
            outcome = self._classified(reply, phase)
            await self._reset()
            return outcome
        if (lost := self._wire.lost) is not None:
            return route_failure(str(lost), phase="rcpt", server=self._server)
        self._prepared, self._content = message, content
        return None

    async def deliver(self, message: Message) -> Outcome:
        """DATA, the content, and the reply to it (RFC 5321 4.1.1.4). Must not be cancelled: a cancelled call
        has lost the reply to a message that may have left, which only its caller can record as uncertain.

        Raises RuntimeError when `message` is not the one that was prepared: a bug of the caller.
        """
        if self._prepared is not message:
            raise RuntimeError("deliver without prepare: this session holds another envelope")
        content, self._prepared, self._content = self._content, None, b""
        self._transactions += 1
        try:
            reply = await self._wire.ask(b"DATA\r\n", self._settings.command_timeout)
        except OSError as error:
            return route_failure(str(error), phase="data", server=self._server)
        if reply.code != 354:
            self._wire.fail(ConnectionError(f"DATA was answered by {reply.code} {reply.text}"))
            return classify_smtp(reply.code, reply.text, phase="data", server=self._server)
        if (lost := self._wire.lost) is not None:
            return route_failure(str(lost), phase="data", server=self._server)
        # Here the doubt begins: `ask` repeats the check above, then hands the bytes to the socket.
        try:
            reply = await self._wire.ask(content, self._settings.reply_timeout)
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
        await self._reset()

    async def close(self) -> None:
        """QUIT, and at most QUIT_SECONDS for its reply, when the connection is in step; else the end at
        once."""
        if self._wire.lost is None:
            try:
                await self._wire.ask(b"QUIT\r\n", min(QUIT_SECONDS, self._settings.command_timeout))
            except OSError:
                pass
        self._wire.close()

    async def _reset(self) -> None:
        if self._wire.lost is not None:
            return
        try:
            reply = await self._wire.ask(b"RSET\r\n", self._settings.command_timeout)
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
            limit = self._extensions["size"]
            if limit.isascii() and limit.isdigit() and len(limit) < 20 and 0 < int(limit) < size:
                return self._local(OutcomeClass.CONTENT, "mail", "larger than the server takes", size, limit)
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


class SmtpChannel:
    """One account's SMTP server: see `engine.channels.channel.Channel`."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None
        self._local_hostname = settings.local_hostname

    async def open(self) -> SmtpSession:
        """Connect, upgrade to TLS as the settings demand, log in. Raises ChannelError.

        Every step is bounded in time by the settings and in memory by aiosmtplib (32 KB a reply).
        """
        settings = self._settings
        if settings.username and settings.tls == "none" and not self._may_login_in_clear:
            raise self._error(OutcomeClass.CONFIGURATION, "auth", "a login over plain text is not allowed")
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=await self._hello_name(),
            timeout=settings.command_timeout,
            use_tls=settings.tls == "implicit",
            start_tls=False,
            tls_context=None if settings.tls == "none" else await self._tls_context(),
        )
        phase = "connect"
        try:
            await client.connect(timeout=settings.connect_timeout)
            await _hello(client)
            secure = settings.tls == "implicit"
            if settings.tls in ("starttls", "opportunistic"):
                phase = "tls"
                if client.supports_extension("starttls"):
                    await client.starttls(timeout=settings.connect_timeout)
                    await _hello(client)
                    secure = True
                elif settings.tls == "starttls":
                    raise self._error(OutcomeClass.ROUTE, "tls", "the server does not offer STARTTLS")
            if settings.username:
                phase = "auth"
                if not (secure or self._may_login_in_clear):
                    raise self._error(OutcomeClass.ROUTE, "auth", "a login over plain text is not allowed")
                await self._login(client, secure)
            return SmtpSession(_take_over(client), settings, dict(client.esmtp_extensions))
        except (SMTPException, OSError, ValueError) as error:
            raise ChannelError(self._outcome(error, phase)) from error
        finally:
            # After a hand-over the client has no transport any more, and this only tidies it up.
            _drop(client)

    @property
    def _may_login_in_clear(self) -> bool:
        return self._settings.allow_plain_auth or (self._settings.tls == "none" and _loopback(self._settings.host))

    async def _login(self, client: SMTP, secure: bool) -> None:
        """One attempt by the best mechanism of both sides; the next one only when the server disowns the
        first.

        aiosmtplib's `login` would offer a wrong password once a mechanism, which locks accounts.
        """
        try:
            password = await asyncio.to_thread(self._settings.password) if self._settings.password else ""
        except PacelineError as error:
            raise self._error(OutcomeClass.ACCOUNT, "auth", error.message) from error
        offered = [name for name in (_SECURE_LOGINS if secure else _CLEAR_LOGINS) if name in client.server_auth_methods]
        if not offered:
            raise self._error(OutcomeClass.ACCOUNT, "auth", "the server offers no login that this program knows")
        for name in offered:
            login = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}[name]
            try:
                await login(self._settings.username, password)
                return
            except SMTPResponseException as error:
                if error.code != 504 or name == offered[-1]:  # RFC 4954 4: mechanism not supported
                    raise

    def _outcome(self, error: Exception, phase: str) -> Outcome:
        """What ended `open`: a reply by its words, all else as trouble on the way; never about a person."""
        server = self._settings.host
        cause = error.__cause__ if isinstance(error, SMTPConnectError) else None
        if isinstance(cause, OSError) and str(cause):
            error = cause
        if isinstance(error, ssl.SSLError):
            phase = "tls"
        text = str(error) or type(error).__name__
        if isinstance(error, SMTPResponseException):
            text = _bounded(error.message)
            if error.code > 0:
                return classify_smtp(error.code, text, phase=phase, server=server)
        return route_failure(text, phase=phase, server=server)

    def _error(self, cls: OutcomeClass, phase: str, reason: str) -> ChannelError:
        action = Action.COOL if cls is OutcomeClass.ROUTE else Action.NEEDS_ATTENTION
        return ChannelError(
            Outcome(cls, text=reason, phase=phase, error_key=reason, action=action, server=self._settings.host)
        )

    async def _hello_name(self) -> str:
        """The EHLO name, looked up once: a resolver may take seconds, in a thread."""
        if not self._local_hostname:
            self._local_hostname = await asyncio.to_thread(socket.getfqdn)
        return self._local_hostname

    async def _tls_context(self) -> ssl.SSLContext:
        """The TLS context, made once: reading the authorities takes tens of milliseconds, in a thread."""
        if self._tls is None:
            try:
                self._tls = await asyncio.to_thread(_make_tls_context, self._settings)
            except OSError as error:
                reason = f"the certificate authorities cannot be read: {error.strerror or error}"
                raise self._error(OutcomeClass.CONFIGURATION, "tls", reason) from error
        return self._tls


async def _hello(client: SMTP) -> None:
    """EHLO, or HELO for a server that does not know it (RFC 5321 3.2)."""
    try:
        await client.ehlo()
    except SMTPHeloError as error:
        if error.code not in (500, 501, 502, 504, 550):
            raise
        await client.helo()


def _take_over(client: SMTP) -> Wire:
    """Give a logged-in client's connection to a Wire. Raises ConnectionError when it is no longer in step."""
    transport = cast("asyncio.Transport | None", client.transport)
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the connection was closed")
    # Private, and absent at worst: what came behind the last reply means that the two are out of step.
    if getattr(client.protocol, "_buffer", b""):
        raise ConnectionError("the server spoke unasked")
    wire = Wire(transport)
    transport.set_protocol(wire)
    client.protocol = client.transport = None
    return wire


def _drop(client: SMTP) -> None:
    if client.transport is not None:
        cast(asyncio.Transport, client.transport).abort()
    client.close()


def _make_tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _plain(address: str) -> bool:
    """One address that may stand in angle brackets as it is: no line end, second address or lone
    surrogate."""
    return (
        len(address) <= 320
        and _ADDRESS.fullmatch(address) is not None
        and (address.isascii() or not any("\ud800" <= character <= "\udfff" for character in address))
    )


def _bounded(text: str) -> str:
    """aiosmtplib's text of a reply as ours: TEXT_LIMIT characters, no lone surrogates."""
    return text[:TEXT_LIMIT].encode("utf-8", "replace").decode()


def _words(data: bytes) -> str:
    return data[: TEXT_LIMIT * 4].decode("utf-8", "replace")[:TEXT_LIMIT]


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
