"""SendGrid: the event webhook, whose body is an array of events."""

from __future__ import annotations

from collections.abc import Iterator

from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.providers.fields import Payload, event, message_ids, text

_KINDS = {
    "bounce": Kind.BOUNCE,
    "blocked": Kind.BOUNCE,
    "dropped": Kind.BOUNCE,
    "deferred": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "spamreport": Kind.COMPLAINT,
    "unsubscribe": Kind.UNSUBSCRIBE,
    "group_unsubscribe": Kind.UNSUBSCRIBE,
}


def knows(payload: Payload) -> bool:
    return "event" in payload and "email" in payload and any(name.startswith("sg_") for name in payload)


def read(payload: Payload, raw: Raw) -> Iterator[Inbound]:
    """The one event of an element."""
    word = text(payload, "event")
    yield event(
        _KINDS.get(word, Kind.UNKNOWN), raw, at=text(payload, "timestamp"),
        ids=message_ids(text(payload, "smtp-id"), text(payload, "sg_message_id")), addresses=(text(payload, "email"),),
        words=text(payload, "reason") or text(payload, "response"), status=text(payload, "status"), action=word,
    )  # fmt: skip
