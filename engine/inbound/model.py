"""What came back: one event about one message that was sent, as plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_BYTES = 25 * 1024 * 1024
"""Octets of one mail that are read; what stands behind them is not looked at."""
MAX_EXCERPT = 2_000
"""Characters of a mail's own text that are kept."""
MAX_DIAGNOSTIC = 1_000
"""Characters of a server's words that are kept, as many as `engine.reasons.bounded` keeps of a live reply."""
MAX_SUBJECT = 200
MAX_MESSAGE_IDS = 50
MAX_ADDRESSES = 50


class Kind(StrEnum):
    """What an inbound mail or event says."""

    BOUNCE = "bounce"
    """The message was not delivered and will not be tried again (RFC 3464 action `failed`)."""
    DELAYED = "delayed"
    """Not delivered yet, the other side goes on trying: never a bounce."""
    DELIVERED = "delivered"
    """A success notification, or a provider's word that it handed the message over."""
    COMPLAINT = "complaint"
    """The reader called it spam (RFC 5965)."""
    REPLY = "reply"
    """A person wrote."""
    AUTO_REPLY = "auto_reply"
    """A program answered (RFC 3834): a ticket system, a read receipt, a challenge."""
    OUT_OF_OFFICE = "out_of_office"
    UNSUBSCRIBE = "unsubscribe"
    ACCEPTED = "accepted"
    """An invitation was accepted."""
    UNKNOWN = "unknown"
    """Well formed, and none of the above."""
    UNPARSABLE = "unparsable"
    """Not readable as a mail or an event; `diagnostic` says why."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One event. Every text is data from outside: bounded, never interpreted, and cleaned where it is shown.

    `message_ids` are those of what it answers, without angle brackets, the likeliest first: the returned original's
    Message-ID, In-Reply-To, References from the last to the first. `token` is what stands behind the `+` of the
    address it was sent to, when it has the shape of a token (`engine.inbound.tokens`); unverified. `addresses` are
    the recipients that a report speaks of, or the sender of a reply; for a profile its slug and provider id.
    `code` is the SMTP reply code (0: none given), `enhanced` the RFC 3463 code, `diagnostic` the server's own words.
    `text` begins with the mail's own words; quotations are left out. `at` is in microseconds since 1970, UTC: when
    it was written, or when it arrived if it does not say so credibly. `action` is the report's own word: `failed`,
    `delayed`, `relayed`, `expanded`, `delivered`; of a complaint its feedback type; of an automatic reply what gave
    it away. `reported` are facts of the original as the report tells them. `digest` is the SHA-256 of the raw bytes;
    from a mail's second event on, of the bytes and its number, so that each event is kept once.
    """

    kind: Kind
    digest: str
    at: int
    message_ids: tuple[str, ...] = ()
    token: str = ""
    addresses: tuple[str, ...] = ()
    code: int = 0
    enhanced: str = ""
    diagnostic: str = ""
    subject: str = ""
    text: str = ""
    action: str = ""
    reported: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raw:
    """One mail or payload as it was found. `name` tells people where; `arrived` is in microseconds, UTC."""

    data: bytes
    arrived: int
    name: str = ""


def digest_of(data: bytes, number: int = 0) -> str:
    """The identity of the event `number` of a mail or payload."""
    found = hashlib.sha256(data)
    if number:
        found.update(f"\0{number}".encode())
    return found.hexdigest()
