"""A webhook as a way of sending: a connection to a judged address, and one signed request a message."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.channels.channel import ChannelError, Message
from engine.channels.trouble import explain
from engine.channels.webhook.endpoint import Endpoint
from engine.channels.webhook.guard import Forbidden, Lookup, resolve, system_lookup
from engine.channels.webhook.headers import SIGNATURE, request_headers, signature
from engine.channels.webhook.outcomes import Reading
from engine.channels.webhook.success import SuccessRule
from engine.channels.webhook.wire import NoAnswer, Wire, connect_any
from engine.clock import Clock
from engine.outcomes import Action, Outcome
from storage.errors import PacelineError
from storage.model import SECOND, OutcomeClass

KEEP: Final = 1.0
"""Seconds after which an unused connection is not used again: receivers close theirs after 2 s and more, and a request
that meets the close is uncertain."""
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How to reach one receiver. Timeouts in seconds: for the connection with name and TLS, and for the whole answer.

    `secret` signs the body and `token` is the credential for the header `token_header`; both are called in a thread
    for every connection, so that a changed one counts from the next. `ca_file` replaces the system's authorities.
    """

    endpoint: Endpoint
    method: str = "POST"
    secret: Callable[[], str] | None = None
    token: Callable[[], str] | None = None
    token_header: str = "Authorization"  # noqa: S105 - a header's name
    rule: SuccessRule = field(default_factory=SuccessRule)
    idempotent: bool = False
    allow_private: bool = False
    connect_timeout: float = 30.0
    reply_timeout: float = 30.0
    ca_file: str = ""


class WebhookChannel:
    """One account's receiver: see `engine.channels.channel.Channel`."""

    def __init__(self, settings: WebhookSettings, clock: Clock, *, lookup: Lookup = system_lookup) -> None:
        self._settings = settings
        self._clock = clock
        self._lookup = lookup
        self._tls: ssl.SSLContext | None = None
        self._proven = _Proven()

    async def open(self) -> WebhookSession:
        """Read the secrets, look the name up, judge its addresses, connect to one of them. Raises ChannelError."""
        settings, server = self._settings, self._settings.endpoint.host
        try:
            secret = await asyncio.to_thread(settings.secret) if settings.secret else ""
            token = await asyncio.to_thread(settings.token) if settings.token else ""
        except PacelineError as error:
            raise _refused(OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION, "auth", error.message, server) from None
        if not (token.isascii() and token.isprintable()):
            reason = "the token has characters that cannot stand in a header"
            raise _refused(OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION, "auth", reason, server)
        hidden = settings.endpoint.secrets | {part for part in (secret, token) if part}
        reading = Reading(settings.rule, settings.idempotent, server, _redactor(hidden))
        wire = await self._connected(reading)
        return WebhookSession(settings, self._clock, wire, reading, (secret, token), self._proven)

    async def _connected(self, reading: Reading) -> Wire:
        settings, endpoint = self._settings, self._settings.endpoint
        try:
            async with asyncio.timeout(settings.connect_timeout):
                addresses = await resolve(endpoint, allow_private=settings.allow_private, lookup=self._lookup)
                tls = await self._tls_context() if endpoint.scheme == "https" else None
                within = settings.connect_timeout
                return await connect_any(addresses, endpoint.port, name=endpoint.host, tls=tls, timeout=within)
        except Forbidden as error:
            action = Action.NEEDS_ATTENTION
            raise _refused(OutcomeClass.ACCOUNT, action, "connect", str(error), endpoint.host) from None
        except (OSError, UnicodeError) as error:
            phase = "tls" if isinstance(error, ssl.SSLError) else "connect"
            reason = explain(error, endpoint.host, endpoint.port, settings.connect_timeout)
            raise ChannelError(reading.unreached(reason, phase=phase)) from None

    async def _tls_context(self) -> ssl.SSLContext:
        """Made once: reading the authorities takes tens of milliseconds, in a thread."""
        if self._tls is None:
            try:
                self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca_file or None)
            except (OSError, ssl.SSLError) as error:
                reason = f"the certificate authorities cannot be read: {error.strerror or error}"
                raise _refused(
                    OutcomeClass.CONFIGURATION, Action.NEEDS_ATTENTION, "tls", reason, self._settings.endpoint.host
                ) from None
        return self._tls


@dataclass(slots=True)
class _Proven:
    """Whether this receiver has accepted a message since the channel was made."""

    yes: bool = False


class WebhookSession:
    """One connection: one request after the other."""

    def __init__(
        self,
        settings: WebhookSettings,
        clock: Clock,
        wire: Wire,
        reading: Reading,
        secrets: tuple[str, str],
        proven: _Proven,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wire = wire
        self._reading = reading
        self._secret, self._token = secrets
        self._proven = proven

    @property
    def usable(self) -> bool:
        return self._wire.open and self._wire.idle < KEEP

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        """Nothing travels before the request itself; a connection that was lost meanwhile is a fault of the route."""
        if self._wire.open:
            return None
        return self._reading.unreached("the connection was lost before the request", phase="connect")

    async def deliver(self, message: Message) -> Outcome:
        """Hand the request over and read the answer."""
        settings = self._settings
        headers = request_headers(
            host=settings.endpoint.place,
            body=message.content,
            message_id=message.message_id,
            extra=message.headers,
            secrets=self._credentials(message.content),
        )
        target = settings.endpoint.target
        try:
            answer = await self._wire.ask(settings.method, target, headers, message.content, settings.reply_timeout)
        except NoAnswer as error:
            if not error.handed_over:
                return self._reading.unreached(error.reason, phase="connect")
            return self._reading.unanswered(error.reason, size=len(message.content), message_id=message.message_id)
        outcome = self._reading.answered(
            answer, message_id=message.message_id, proven=self._proven.yes, now=self._clock.now()
        )
        if outcome.cls is OutcomeClass.ACCEPTED:
            self._proven.yes = True
        return outcome

    async def abandon(self) -> None:
        """Nothing was said yet."""

    async def close(self) -> None:
        self._wire.abort()

    def _credentials(self, body: bytes) -> list[tuple[str, str]]:
        found = []
        if self._token:
            bearer = self._settings.token_header.lower() == "authorization" and " " not in self._token
            found.append((self._settings.token_header, f"Bearer {self._token}" if bearer else self._token))
        if self._secret:
            found.append((SIGNATURE, signature(self._secret, body, self._clock.now() // SECOND)))
        return found


def _refused(cls: OutcomeClass, action: Action, phase: str, reason: str, server: str) -> ChannelError:
    return ChannelError(Outcome(cls, text=reason, phase=phase, error_key=reason[:100], action=action, server=server))


def _redactor(hidden: frozenset[str]) -> Callable[[str], str]:
    """Takes these parts out of a receiver's words, the longest first; very short ones stand in any text."""
    parts = sorted((part for part in hidden if len(part) > 3), key=len, reverse=True)

    def redact(text: str) -> str:
        for part in parts:
            text = text.replace(part, _HIDDEN)
        return text

    return redact
