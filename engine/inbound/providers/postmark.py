"""Postmark: bounce, complaint, delivery and subscription webhooks, and its inbound webhook."""

from __future__ import annotations

from collections.abc import Iterator

from engine.inbound.mail import Headers
from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.providers.fields import Payload, event, items, message_ids, one_address, text

_BOUNCES = {
    "Transient": Kind.DELAYED,
    "AutoResponder": Kind.AUTO_REPLY,
    "ChallengeVerification": Kind.AUTO_REPLY,
    "SpamComplaint": Kind.COMPLAINT,
    "Unsubscribe": Kind.UNSUBSCRIBE,
    "Subscribe": Kind.UNKNOWN,
    "AddressChange": Kind.AUTO_REPLY,
    "OpenRelayTest": Kind.UNKNOWN,
}
"""Bounce types that are none; every other is a bounce."""


def knows(payload: Payload) -> bool:
    return "RecordType" in payload or ("MessageID" in payload and "FromFull" in payload)


def read(payload: Payload, raw: Raw) -> Iterator[Inbound]:
    """The one event of a payload."""
    record = text(payload, "RecordType")
    metadata = payload.get("Metadata")
    ours = text(metadata, "message_id") if isinstance(metadata, dict) else ""
    ids = message_ids(ours, text(payload, "MessageID"))
    match record:
        case "Bounce" | "SpamComplaint":
            word = text(payload, "Type")
            kind = Kind.COMPLAINT if record == "SpamComplaint" else _BOUNCES.get(word, Kind.BOUNCE)
            words = text(payload, "Details") or text(payload, "Description")
            yield event(
                kind, raw, at=text(payload, "BouncedAt"), ids=ids, addresses=(text(payload, "Email"),),
                words="" if kind is Kind.COMPLAINT else words, subject=text(payload, "Subject"), action=word or record,
            )  # fmt: skip
        case "Delivery":
            yield event(
                Kind.DELIVERED, raw, at=text(payload, "DeliveredAt"), ids=ids, addresses=(text(payload, "Recipient"),),
                words=text(payload, "Details"), action="delivered",
            )  # fmt: skip
        case "SubscriptionChange":
            left = payload.get("SuppressSending") is True
            yield event(
                Kind.UNSUBSCRIBE if left else Kind.UNKNOWN, raw, at=text(payload, "ChangedAt"), ids=ids,
                addresses=(text(payload, "Recipient"),), action=text(payload, "SuppressionReason") or record,
            )  # fmt: skip
        case "":
            headers = Headers([(text(one, "Name"), text(one, "Value")) for one in items(payload, "Headers")])
            found = message_ids(*headers.message_ids("in-reply-to"), *reversed(headers.message_ids("references")))
            body = text(payload, "TextBody", limit=100_000)
            yield event(
                Kind.REPLY, raw, ids=found, addresses=(one_address(text(payload, "From")),),
                subject=text(payload, "Subject"), body=body,
            )  # fmt: skip
        case _:
            yield event(Kind.UNKNOWN, raw, ids=ids, addresses=(text(payload, "Recipient"),), action=record)
