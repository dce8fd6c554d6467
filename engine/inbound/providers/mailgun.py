"""Mailgun: event webhooks (`event-data`), the flat ones before them, and stored messages as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.providers.fields import Payload, event, message_ids, one_address, table, text

_KINDS = {
    "delivered": Kind.DELIVERED,
    "complained": Kind.COMPLAINT,
    "unsubscribed": Kind.UNSUBSCRIBE,
    "rejected": Kind.BOUNCE,
    "bounced": Kind.BOUNCE,
    "dropped": Kind.BOUNCE,
}


def knows(payload: Payload) -> bool:
    return "event-data" in payload or "Message-Id" in payload or "body-plain" in payload


def read(payload: Payload, raw: Raw) -> Iterator[Inbound]:
    """The one event of a payload."""
    data = table(payload, "event-data") or payload
    if "body-plain" in data:
        yield event(
            Kind.REPLY, raw, at=text(data, "timestamp"), ids=message_ids(text(data, "In-Reply-To")),
            addresses=(one_address(text(data, "sender") or text(data, "from")),), subject=text(data, "subject"),
            body=text(data, "body-plain", limit=100_000),
        )  # fmt: skip
        return
    word = text(data, "event")
    status = table(data, "delivery-status")
    kind = _KINDS.get(word, Kind.UNKNOWN)
    if word == "failed":
        # A temporary failure is tried again; the last one comes as permanent.
        kind = Kind.DELAYED if text(data, "severity") == "temporary" else Kind.BOUNCE
    headers = table(data, "message", "headers")
    words = text(status, "message") or text(status, "description") or text(data, "error") or text(data, "reason")
    yield event(
        kind, raw, at=text(data, "timestamp"), ids=message_ids(text(headers, "message-id"), text(data, "Message-Id")),
        addresses=(text(data, "recipient"),), words="" if kind is Kind.COMPLAINT else words,
        status=text(status, "enhanced-code"), code=text(status, "code") or text(data, "code"),
        subject=text(headers, "subject"), action=text(data, "severity") or word,
    )  # fmt: skip
