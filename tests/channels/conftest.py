"""A relay with faults on a free port, and what a client needs to talk to it."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.channels.channel import Message
from engine.channels.smtp import SmtpChannel, SmtpSettings
from engine.channels.transaction import SmtpSession
from tests.support.relay_faults import Fault, Faults
from tui.demo.ledger import Ledger
from tui.demo.relay import Relay
from tui.demo.rules import Rules
from tui.demo.transaction import Transaction


@dataclass(frozen=True)
class Line:
    """A relay, what it saw, and a channel to it."""

    relay: Relay
    faults: Faults
    settings: SmtpSettings

    @property
    def sent(self) -> dict[str, int]:
        return self.relay.ledger.by_recipient()

    @property
    def channel(self) -> SmtpChannel:
        return SmtpChannel(self.settings)

    async def open(self) -> SmtpSession:
        return await self.channel.open()


Start = Callable[..., Awaitable[Line]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`await start(*faults, rules=Rules(), pipelining=False, **settings)`: a relay that plays the faults, and a way
    to it."""
    async with AsyncExitStack() as stack:

        async def begin(*faults: Fault, rules: Rules | None = None, pipelining: bool = False, **changes: Any) -> Line:
            # Without pipelining every fault meets the command that it was meant for.
            hook = Faults(*faults) if pipelining else OneByOne(*faults)
            relay = await stack.enter_async_context(Relay(rules or Rules(), ledger=Ledger(), hook=hook))
            given = {
                "host": "127.0.0.1",
                "port": relay.port,
                "tls": "none",
                "local_hostname": "client.example",
                "connect_timeout": 5.0,
                "command_timeout": 5.0,
                "reply_timeout": 5.0,
            }
            return Line(relay, hook, SmtpSettings(**(given | changes)))

        yield begin


class OneByOne(Faults):
    """Takes the offer of PIPELINING out of what the relay says."""

    async def __call__(self, phase: str, transaction: Transaction, reply: bytes) -> bytes:
        said = await super().__call__(phase, transaction, reply)
        return said.replace(b"250-PIPELINING\r\n", b"") if phase == "ehlo" else said


def message(
    recipient: str = "ada@example.org",
    *,
    content: bytes = b"Subject: hello\r\n\r\nbody\r\n",
    sender: str = "us@example.com",
) -> Message:
    message_id = f"<{recipient}-1@example.com>"
    return Message(sender, recipient, message_id, f"Message-ID: {message_id}\r\n".encode("utf-8", "replace") + content)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate, which is its own authority, and a server's context with it."""

    path: Path
    context: ssl.SSLContext


def certify(folder: Path, names: str) -> Certificate:
    """`names` as in OpenSSL's subjectAltName: "DNS:localhost,IP:127.0.0.1"."""
    path, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(key), "-out", str(path), "-days", "2", "-subj", "/CN=relay"),
            *("-addext", f"subjectAltName={names}"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return Certificate(path, context)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certify(tmp_path_factory.mktemp("tls"), "DNS:localhost,IP:127.0.0.1")
