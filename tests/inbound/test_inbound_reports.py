"""Delivery reports: what real servers wrote about refusals that are known, and the forms of RFC 3464 and RFC 6533."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.inbound.model import Inbound, Kind
from engine.inbound.replies import bounce_outcome
from engine.outcomes import Action
from storage.model import OutcomeClass
from tests.inbound.conftest import one, told

Kept = Callable[[str], tuple[Inbound, ...]]


@pytest.mark.parametrize(
    ("name", "person", "code", "enhanced", "action"),
    [
        ("postfix-unknown", "unknown", 550, "5.1.1", Action.SUPPRESS),
        ("exim-policy", "policy", 554, "5.7.1", Action.BLOCKED),
        ("exim-disabled", "disabled", 550, "5.2.1", Action.SUPPRESS_90D),
        ("opensmtpd-unknown", "unknown", 550, "5.1.1", Action.SUPPRESS),
        ("dma-full", "full", 552, "5.2.2", Action.SOFT),
    ],
)
def test_what_a_server_refused_is_read_from_the_bounce_of_another(
    kept: Kept, name: str, person: str, code: int, enhanced: str, action: Action
) -> None:
    (event,) = kept(name)
    assert (event.kind, event.addresses) == (Kind.BOUNCE, (f"{person}@example.net",))
    assert (event.code, event.enhanced) == (code, enhanced)
    assert event.message_ids[0] == f"{person}.0123456789abcdef@example.com"
    assert bounce_outcome(event).action == action


@pytest.mark.parametrize("name", ["postfix-two", "exim-two", "opensmtpd-two"])
def test_two_recipients_of_one_report_are_told_apart(kept: Kept, name: str) -> None:
    events = kept(name)
    found = {event.addresses: bounce_outcome(event).action for event in events}
    assert found == {("unknown@example.net",): Action.SUPPRESS, ("full@example.net",): Action.SOFT}
    assert len({event.digest for event in events}) == 2


@pytest.mark.parametrize("name", ["postfix-delayed", "exim-delayed"])
def test_a_warning_that_delivery_takes_longer_is_no_bounce(kept: Kept, name: str) -> None:
    (event,) = kept(name)
    assert (event.kind, event.action) == (Kind.DELAYED, "delayed")
    assert (event.addresses, event.code) == (("later@example.net",), 451)


REPORT = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
To: sender@example.com
Subject: Undelivered Mail Returned to Sender
Date: Mon, 23 Nov 2026 10:00:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary=cut

--cut
Content-Type: text/plain

{words}

--cut
Content-Type: {kind}

Reporting-MTA: dns; mx.example.org

{fields}

--cut
Content-Type: {original}

Message-ID: <ours@example.com>
From: sender@example.com
To: ada@example.net

--cut--
"""


def report(fields: str, *, words: str = "It failed.", kind: str = "message/delivery-status", original: str = "") -> str:
    return REPORT.format(fields=fields, words=words, kind=kind, original=original or "text/rfc822-headers")


def test_the_servers_own_words_count_more_than_the_status_of_the_relay() -> None:
    event = one(
        report(
            "Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 5.0.0\n"
            "Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried\n 550 5.1.1 to reach does not exist"
        )
    )
    assert (event.code, event.enhanced) == (550, "5.1.1")
    assert event.message_ids == ("ours@example.com",)


def test_a_message_that_expired_is_a_bounce_that_suppresses_nobody() -> None:
    event = one(
        report(
            "Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 4.4.7\n"
            "Diagnostic-Code: smtp; 451 4.7.1 greylisted, come back later"
        )
    )
    assert event.kind is Kind.BOUNCE
    outcome = bounce_outcome(event)
    assert (outcome.cls, outcome.action) == (OutcomeClass.TRANSIENT, Action.NONE)


def test_a_success_notification_is_no_bounce() -> None:
    event = one(report("Final-Recipient: rfc822; ada@example.net\nAction: relayed\nStatus: 2.1.5"))
    assert (event.kind, event.action) == (Kind.DELIVERED, "relayed")


def test_an_international_report_names_its_recipient_in_utf_8() -> None:
    event = one(
        report(
            "Final-Recipient: utf-8; j\\x{F6}rg@example.net\nAction: failed\nStatus: 5.1.1",
            kind="message/global-delivery-status",
            original="message/global-headers",
        )
    )
    assert event.addresses == ("jörg@example.net",)
    assert event.message_ids == ("ours@example.com",)


def test_the_address_that_was_written_to_stands_before_the_one_it_was_forwarded_to() -> None:
    event = one(
        report(
            "Original-Recipient: rfc822;ada@example.net\nFinal-Recipient: rfc822;a.alder@internal.example\n"
            "Action: failed\nStatus: 5.1.1"
        )
    )
    assert event.addresses == ("ada@example.net", "a.alder@internal.example")


def test_a_report_without_a_diagnostic_is_completed_from_its_readable_part() -> None:
    event = one(
        report(
            "Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 5.0.0",
            words="<ada@example.net>:\n   552 5.2.2 mailbox is full",
        )
    )
    assert (event.code, event.enhanced) == (552, "5.2.2")


def test_a_report_that_lost_its_boundary_is_still_read() -> None:
    mail = report("Final-Recipient: rfc822; ada@example.net\nAction: failed\nStatus: 5.1.1").replace(
        "multipart/report; report-type=delivery-status; boundary=cut", "multipart/report"
    )
    event = one(mail.replace("--cut", "--cut-here-1"))
    assert (event.kind, event.addresses, event.enhanced) == (Kind.BOUNCE, ("ada@example.net",), "5.1.1")


def test_all_parties_of_a_report_are_kept_as_facts() -> None:
    event = one(
        report(
            "Final-Recipient: rfc822; ada@example.net\nRemote-MTA: dns; mx.example.net\nAction: failed\nStatus: 5.1.1"
        )
    )
    assert event.reported["remote_mta"] == "mx.example.net"
    assert event.reported["reporting_mta"] == "mx.example.org"
    assert event.reported["original_to"] == "ada@example.net"


QMAIL = """\
From: MAILER-DAEMON@mail.example.org
To: sender@example.com
Subject: failure notice
Date: Mon, 23 Nov 2026 10:00:00 +0000

Hi. This is the qmail-send program at mail.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@example.net>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 no such user
Giving up on 192.0.2.1.

<ben@example.net>:
192.0.2.1 failed after I sent the message.
Remote host said: 554 blocked as spam

--- Below this line is a copy of the message.

Return-Path: <sender@example.com>
Message-ID: <ours@example.com>
From: sender@example.com
To: ada@example.net
Subject: Hello
"""


def test_a_bounce_in_free_words_tells_each_recipients_fate() -> None:
    first, second = told(QMAIL)
    assert (first.addresses, first.enhanced, second.addresses, second.code) == (
        ("ada@example.net",),
        "5.1.1",
        ("ben@example.net",),
        554,
    )
    assert {first.message_ids, second.message_ids} == {("ours@example.com",)}
    assert bounce_outcome(second).action == Action.BLOCKED


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ("The recipient name is not recognized\n MSEXCH:IMS:EXAMPLE 0 (000C05A6) Unknown Recipient", Action.SUPPRESS),
        ("Unrouteable address", Action.SUPPRESS),
        ("This user doesn't have a example.net account (ada@example.net)", Action.SUPPRESS),
        ("User mailbox exceeds allowed size: over quota", Action.SOFT),
        ("Domain does not exist", Action.SUPPRESS),
        ("Helo command rejected: Host not found", Action.UNKNOWN),
        ("something that nobody has said before", Action.UNKNOWN),
    ],
)
def test_words_without_a_code_are_read_by_their_meaning(words: str, action: Action) -> None:
    event = one(
        "From: postmaster@example.net\nTo: sender@example.com\nSubject: Undeliverable: Hello\n\n"
        "Your message\n\n  Subject: Hello\n\ndid not reach the following recipient(s):\n\n"
        f"ada@example.net\n    {words}\n"
    )
    assert (event.kind, event.addresses, event.code) == (Kind.BOUNCE, ("ada@example.net",), 0)
    assert bounce_outcome(event).action == action


def test_the_first_digit_alone_suppresses_nobody() -> None:
    for text in ("550 blocked by policy", "550 5.7.1 spam", "552 5.2.2 over quota", "550 5.4.7 expired", "554 no"):
        event = one(report(f"Final-Recipient: rfc822; a@example.net\nAction: failed\nDiagnostic-Code: smtp; {text}"))
        assert bounce_outcome(event).action not in (Action.SUPPRESS, Action.SUPPRESS_90D), text
