"""Amazon SES: notifications and event publishing, by themselves or inside an SNS envelope."""

from __future__ import annotations

import json
from collections.abc import Iterator

from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.providers.fields import Payload, addresses, event, items, message_ids, one_address, table, text


def knows(payload: Payload) -> bool:
    inside = payload.get("Message")
    return any(name in payload for name in ("notificationType", "eventType")) or (
        payload.get("Type") == "Notification" and isinstance(inside, str)
    )


def read(payload: Payload, raw: Raw) -> Iterator[Inbound]:
    """One event for each recipient that is told apart by its reply."""
    if payload.get("Type") == "Notification":
        payload = json.loads(str(payload["Message"]), strict=False)
    kind = text(payload, "notificationType") or text(payload, "eventType")
    mail = table(payload, "mail")
    headers = {text(one, "name").lower(): text(one, "value") for one in items(mail, "headers")}
    common = table(mail, "commonHeaders")
    # The provider's own identifier comes last: ours stands in the headers when they are included.
    ids = message_ids(headers.get("message-id", ""), text(common, "messageId"), text(mail, "messageId"))
    subject = text(common, "subject") or headers.get("subject", "")
    match kind:
        case "Bounce":
            yield from _bounces(table(payload, "bounce"), ids, subject, raw)
        case "Complaint":
            told = table(payload, "complaint")
            for one in items(told, "complainedRecipients"):
                word = text(told, "complaintFeedbackType") or "abuse"
                of_one = Kind.UNKNOWN if word == "not-spam" else Kind.COMPLAINT
                yield event(
                    of_one, raw, at=text(told, "timestamp"), ids=ids, subject=subject, action=word,
                    addresses=(one_address(text(one, "emailAddress")),), user_agent=text(told, "userAgent"),
                )  # fmt: skip
        case "Delivery":
            told = table(payload, "delivery")
            yield event(
                Kind.DELIVERED, raw, at=text(told, "timestamp"), ids=ids, addresses=addresses(told, "recipients"),
                subject=subject, words=text(told, "smtpResponse"), action="delivered",
            )  # fmt: skip
        case "DeliveryDelay":
            told = table(payload, "deliveryDelay")
            for one in items(told, "delayedRecipients"):
                yield event(
                    Kind.DELAYED, raw, at=text(told, "timestamp"), ids=ids, addresses=(text(one, "emailAddress"),),
                    subject=subject, words=text(one, "diagnosticCode"), status=text(one, "status"), action="delayed",
                )  # fmt: skip
        case "Reject" | "Rendering Failure":
            why = text(payload, "reject", "reason") or text(payload, "failure", "errorMessage")
            yield event(Kind.BOUNCE, raw, ids=ids, subject=subject, words=why, action="failed")
        case _:
            yield event(Kind.UNKNOWN, raw, ids=ids, subject=subject, action=kind)


def _bounces(told: Payload, ids: tuple[str, ...], subject: str, raw: Raw) -> Iterator[Inbound]:
    kind_of = f"{text(told, 'bounceType')} {text(told, 'bounceSubType')}".strip()
    for one in items(told, "bouncedRecipients"):
        words = text(one, "diagnosticCode").partition(";")[2].strip() or text(one, "diagnosticCode")
        yield event(
            Kind.BOUNCE, raw, at=text(told, "timestamp"), ids=ids, addresses=(one_address(text(one, "emailAddress")),),
            subject=subject, words=words or _SAID.get(kind_of, kind_of), status=text(one, "status"), action="failed",
            bounce_type=kind_of, reporting_mta=text(told, "reportingMTA"),
        )  # fmt: skip


_SAID = {
    "Permanent NoEmail": "user unknown",
    "Permanent OnAccountSuppressionList": "the address is on the provider's suppression list",
    "Permanent Suppressed": "the address is on the provider's suppression list",
    "Transient MailboxFull": "mailbox full",
    "Transient MessageTooLarge": "message too large",
    "Transient ContentRejected": "content rejected",
}
"""What a bounce without a diagnostic says, in words that the rules of replies know."""
