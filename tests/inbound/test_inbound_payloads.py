"""Payloads of providers, as their documents show them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.inbound.file import events
from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.replies import bounce_outcome
from engine.outcomes import Action
from tests.inbound.conftest import ARRIVED


def told(payload: Any) -> tuple[Inbound, ...]:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return events(Raw(data, ARRIVED, "payload.json"))


SES: dict[str, Any] = {
    "notificationType": "Bounce",
    "mail": {
        "messageId": "0100-provider",
        "headers": [{"name": "Message-ID", "value": "<ours@example.com>"}, {"name": "Subject", "value": "Hello"}],
    },
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "timestamp": "2026-11-23T10:00:00.000Z",
        "reportingMTA": "dns; email.example.org",
        "bouncedRecipients": [
            {"emailAddress": "ada@example.net", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"},
            {"emailAddress": "ben@example.net", "status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 mailbox full"},
        ],
    },
}


def test_a_bounce_of_amazon_ses_tells_each_recipients_fate() -> None:
    first, second = told(SES)
    assert (first.kind, first.addresses, first.code, first.enhanced) == (
        Kind.BOUNCE,
        ("ada@example.net",),
        550,
        "5.1.1",
    )
    assert first.message_ids == ("ours@example.com", "0100-provider")
    assert first.at == 1_795_428_000_000_000
    assert [bounce_outcome(event).action for event in (first, second)] == [Action.SUPPRESS, Action.SOFT]
    assert first.digest != second.digest


def test_the_envelope_of_sns_changes_nothing_by_file_or_by_mail() -> None:
    envelope = {"Type": "Notification", "MessageId": "x", "Message": json.dumps(SES)}
    plain = [(event.kind, event.addresses) for event in told(SES)]
    assert [(event.kind, event.addresses) for event in told(envelope)] == plain
    text = f"{json.dumps(envelope)}\n\n--\nIf you wish to stop receiving notifications, visit the link below.\n"
    mail = f"From: AWS Notifications <no-reply@sns.example>\nSubject: AWS Notification Message\n\n{text}".encode()
    assert [(event.kind, event.addresses) for event in told(mail)] == plain
    broken = mail.replace(b"Permanent", b"Perma\n nent")
    assert [(event.kind, event.addresses) for event in told(broken)] == plain


@pytest.mark.parametrize(
    ("payload", "kind", "addresses"),
    [
        (
            {
                "notificationType": "Complaint",
                "mail": {"messageId": "m"},
                "complaint": {"complainedRecipients": [{"emailAddress": "ada@example.net"}]},
            },
            Kind.COMPLAINT,
            ("ada@example.net",),
        ),
        (
            {
                "eventType": "DeliveryDelay",
                "mail": {"messageId": "m"},
                "deliveryDelay": {"delayedRecipients": [{"emailAddress": "ada@example.net", "status": "4.4.1"}]},
            },
            Kind.DELAYED,
            ("ada@example.net",),
        ),
        (
            {
                "RecordType": "Bounce",
                "Type": "HardBounce",
                "Email": "ada@example.net",
                "MessageID": "m",
                "Details": "550",
            },
            Kind.BOUNCE,
            ("ada@example.net",),
        ),
        (
            {"RecordType": "Bounce", "Type": "AutoResponder", "Email": "ada@example.net", "MessageID": "m"},
            Kind.AUTO_REPLY,
            ("ada@example.net",),
        ),
        (
            {"RecordType": "SpamComplaint", "Email": "ada@example.net", "MessageID": "m"},
            Kind.COMPLAINT,
            ("ada@example.net",),
        ),
        (
            {"RecordType": "SubscriptionChange", "Recipient": "ada@example.net", "SuppressSending": True},
            Kind.UNSUBSCRIBE,
            ("ada@example.net",),
        ),
        (
            {
                "event-data": {
                    "event": "failed",
                    "severity": "permanent",
                    "recipient": "ada@example.net",
                    "timestamp": 1,
                }
            },
            Kind.BOUNCE,
            ("ada@example.net",),
        ),
        (
            {"event-data": {"event": "failed", "severity": "temporary", "recipient": "ada@example.net"}},
            Kind.DELAYED,
            ("ada@example.net",),
        ),
        (
            {
                "event": "new_relation",
                "account_id": "a",
                "user_public_identifier": "ada-alder",
                "user_provider_id": "ACo1",
            },
            Kind.ACCEPTED,
            ("ada-alder", "ACo1"),
        ),
        (
            {
                "event": "message_received",
                "account_id": "a",
                "message": "Hello!",
                "sender": {
                    "attendee_provider_id": "ACo1",
                    "attendee_profile_url": "https://www.linkedin.com/in/ada-alder/?x=1",
                },
            },
            Kind.REPLY,
            ("ada-alder", "ACo1"),
        ),
        (
            {
                "event": "message_received",
                "account_id": "a",
                "account_info": {"user_id": "ACo0"},
                "sender": {"attendee_provider_id": "ACo0"},
            },
            Kind.UNKNOWN,
            ("ACo0",),
        ),
        ({"something": "else"}, Kind.UNKNOWN, ()),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else "",
)
def test_each_provider_says_what_became_of_a_message(
    payload: dict[str, Any], kind: Kind, addresses: tuple[str, ...]
) -> None:
    (event,) = told(payload)
    assert (event.kind, event.addresses) == (kind, addresses)


SENDGRID = [
    {
        "event": name,
        "email": "ada@example.net",
        "smtp-id": "<ours@example.com>",
        "sg_message_id": "m",
        "timestamp": 1_795_428_000,
    }
    for name in ("processed", "deferred", "delivered", "bounce", "spamreport", "group_unsubscribe")
]


def test_the_events_of_an_array_are_told_one_by_one_in_their_order() -> None:
    found = told(SENDGRID)
    assert [event.kind for event in found] == [
        Kind.UNKNOWN,
        Kind.DELAYED,
        Kind.DELIVERED,
        Kind.BOUNCE,
        Kind.COMPLAINT,
        Kind.UNSUBSCRIBE,
    ]
    assert {event.message_ids for event in found} == {("ours@example.com", "m")}
    assert {event.at for event in found} == {1_795_428_000_000_000}
    lines = "\n".join(json.dumps(one) for one in SENDGRID).encode()
    assert [event.kind for event in told(lines)] == [event.kind for event in found]


@pytest.mark.parametrize("data", [b"{", b"[1, 2]", b'{"Type": "Notification", "Message": "no json"}', b"[]"])
def test_what_is_no_payload_is_unparsable(data: bytes) -> None:
    assert [event.kind for event in told(data)] == [Kind.UNPARSABLE]
