"""The one Protocol behind which every way of sending stands.

A runner opens a session before it claims work, so connection trouble never touches a job. Then, per message:
`prepare` (everything that is safe to repeat: MAIL, RCPT) runs while the durable intent is written; `deliver`
(DATA to final dot) begins only after the intent was granted. `deliver` must not be cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Message:
    """What leaves: the envelope and the finished bytes.

    E-mail: CRLF line ends, dot-stuffing is the channel's. An invitation: `recipient` is the profile, `content` its note
    as UTF-8, `name` the person's as the operator knows it. A webhook: `recipient` is the person's key, `content` the
    JSON body, `message_id` what makes a repeat known, `headers` what its step adds.
    """

    sender: str
    recipient: str
    message_id: str
    content: bytes
    smtputf8: bool = False
    name: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    digest: str = ""
    """What the gate compares with what was approved (`storage.dispatch_nouns.IntentRequest`); "" where nothing is."""


class ChannelError(Exception):
    """A session could not be opened. `outcome` is of class ROUTE, ACCOUNT or CONFIGURATION, phase `connect`,
    `tls` or `auth`; it concerns the queue, never a person."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class Session(Protocol):
    """One conversation with the other side, used by one message at a time."""

    @property
    def usable(self) -> bool:
        """False once it must be replaced: closed, an unexpected reply, or its message limit was reached."""
        ...

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        """Offer the envelope. None: ready for `deliver`. An outcome: refused, nothing left this machine.

        `begun`: the intent stands already and nobody will `abandon` this message, so what opens the content may be
        asked for in the same packet.
        """
        ...

    async def deliver(self, message: Message) -> Outcome:
        """Hand over the content and wait for the final reply. Never raises for the other side's behaviour."""
        ...

    async def abandon(self) -> None:
        """Give up a prepared message (the gate refused it): RSET, nothing was sent."""
        ...

    async def close(self) -> None:
        """Say QUIT where that is cheap; never raises."""
        ...


class Channel(Protocol):
    """A way of sending for one account."""

    async def open(self) -> Session:
        """Connect and authenticate. Raises ChannelError."""
        ...
