"""SMTP: aiosmtplib connects, encrypts and logs in; the mail transaction (`engine.channels.transaction`) is our own.

Once logged in, the connection is handed over by two public means, `client.transport` and asyncio's
`set_protocol`. The client's `mail()`, `rcpt()` and `data()` are not used, for three facts of aiosmtplib
5.1.3: what the server says between two commands is dropped unseen, what follows a reply in the same segment
answers the next command, and `data()` does not tell whether the content was written when it fails.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, cast

from aiosmtplib import SMTP, SMTPConnectError, SMTPException, SMTPHeloError, SMTPResponseException

from engine.channels.channel import ChannelError
from engine.channels.transaction import TEXT_LIMIT, SessionLimits, SmtpSession, Wire
from engine.channels.trouble import explain
from engine.classify import classify_smtp, route_failure
from engine.outcomes import Action, Outcome
from storage.errors import PacelineError
from storage.model import OutcomeClass

NAME_SECONDS: Final = 5.0
_SECURE_LOGINS: Final = ("plain", "login", "cram-md5")
_CLEAR_LOGINS: Final = ("cram-md5", "plain", "login")


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
        phase, timeout = "connect", settings.connect_timeout
        try:
            await client.connect(timeout=timeout)
            timeout = settings.command_timeout
            await _hello(client)
            secure = settings.tls == "implicit"
            if settings.tls in ("starttls", "opportunistic"):
                phase = "tls"
                if client.supports_extension("starttls"):
                    timeout = settings.connect_timeout
                    await client.starttls(timeout=timeout)
                    timeout = settings.command_timeout
                    await _hello(client)
                    secure = True
                elif settings.tls == "starttls":
                    raise self._error(OutcomeClass.ROUTE, "tls", "the server does not offer STARTTLS")
            if settings.username:
                phase = "auth"
                if not (secure or self._may_login_in_clear):
                    raise self._error(OutcomeClass.ROUTE, "auth", "a login over plain text is not allowed")
                await self._login(client, secure)
            limits = SessionLimits(settings.messages_per_connection, settings.command_timeout, settings.reply_timeout)
            return SmtpSession(_take_over(client), settings.host, dict(client.esmtp_extensions), limits)
        except (SMTPException, OSError, ValueError) as error:
            raise ChannelError(self._outcome(error, phase, timeout)) from error
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

    def _outcome(self, error: Exception, phase: str, timeout: float) -> Outcome:
        """What ended `open`: a reply by its words, all else as trouble on the way; never about a person."""
        server = self._settings.host
        cause = error.__cause__ if isinstance(error, SMTPConnectError) else None
        if isinstance(cause, OSError) and str(cause):
            error = cause
        if isinstance(error, ssl.SSLError):
            phase = "tls"
        if isinstance(error, SMTPResponseException):
            text = _bounded(error.message)
            if error.code > 0:
                return classify_smtp(error.code, text, phase=phase, server=server)
            return route_failure(text, phase=phase, server=server)
        return route_failure(explain(error, server, self._settings.port, timeout), phase=phase, server=server)

    def _error(self, cls: OutcomeClass, phase: str, reason: str) -> ChannelError:
        action = Action.COOL if cls is OutcomeClass.ROUTE else Action.NEEDS_ATTENTION
        return ChannelError(
            Outcome(cls, text=reason, phase=phase, error_key=reason, action=action, server=self._settings.host)
        )

    async def _hello_name(self) -> str:
        """The EHLO name, looked up once, in a thread. A resolver that is dead does not delay the first message: then
        the machine's own name serves (RFC 5321 4.1.4: a server must not refuse mail because of it)."""
        if not self._local_hostname:
            try:
                async with asyncio.timeout(NAME_SECONDS):
                    self._local_hostname = await asyncio.to_thread(socket.getfqdn)
            except TimeoutError:
                self._local_hostname = socket.gethostname()
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


def _bounded(text: str) -> str:
    """aiosmtplib's text of a reply as ours: TEXT_LIMIT characters, no lone surrogates."""
    return text[:TEXT_LIMIT].encode("utf-8", "replace").decode()
