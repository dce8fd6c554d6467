"""Whatever arrives is read within limits: nothing raises, nothing takes for ever, every text has its bound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inbound.file import events
from engine.inbound.html import text_of_html
from engine.inbound.mail import MAX_PARTS, read_mail
from engine.inbound.model import MAX_ADDRESSES, MAX_DIAGNOSTIC, MAX_EXCERPT, MAX_MESSAGE_IDS, MAX_SUBJECT, Kind, Raw
from engine.inbound.reading import read
from tests.inbound.conftest import ARRIVED, MAILS, told

HEAD = b"From: a@example.net\nSubject: x\n"
SAMPLES = sorted(MAILS.glob("*.eml"))


def bounded(data: bytes) -> None:
    found = events(Raw(data, ARRIVED))
    assert found
    for event in found:
        assert len(event.text) <= MAX_EXCERPT
        assert len(event.diagnostic) <= MAX_DIAGNOSTIC
        assert len(event.subject) <= MAX_SUBJECT
        assert len(event.addresses) <= MAX_ADDRESSES
        assert len(event.message_ids) <= MAX_MESSAGE_IDS
        texts = (event.text, event.diagnostic, event.subject, event.action, event.enhanced, event.token)
        for text in (*texts, *event.addresses, *event.message_ids, *event.reported.values()):
            text.encode()


@given(st.binary(max_size=400))
def test_any_octets_are_an_event(data: bytes) -> None:
    bounded(data)
    bounded(b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n" + data)


@settings(max_examples=60)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_real_mail_with_holes_is_an_event(path: object, data: st.DataObject) -> None:
    whole = (MAILS / str(path)).read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    bounded(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(5_000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n\n",
        HEAD + NESTED,
        HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
        HEAD + b"To: " + b"a@example.net, " * 100_000 + b"\n\nx",
        HEAD + b"Content-Type: text/html\n\n" + b"<div " * 100_000,
        HEAD + b"Content-Type: text/html\n\n" + b"<!--" * 100_000,
        HEAD + b"Content-Type: text/plain; charset=no-such-set\n\n\xff\xfe\x00",
        HEAD + b"Content-Transfer-Encoding: base64\n\n!!!!",
        HEAD + b"\n" + b"On Monday x\n" * 20_000,
        b"From: =?utf-8?q?" + b"a?= =?utf-8?q?" * 20_000 + b"?= <a@example.net>\n\nx",
        b"From: MAILER-DAEMON\nSubject: failure notice\n\n" + b"<a@example.net>:\n" * 20_000,
        b"From: MAILER-DAEMON\nSubject: failure notice\n\n" + b" " * 200_000,
        b'{"RecordType": ' + b"[" * 100_000,
        b"[" * 100_000,
        b'{"event-data": {"event": "failed", "timestamp": "' + b"9" * 5_000 + b'"}}',
    ],
    ids=range(16),
)
def test_mail_that_was_made_to_hurt_is_read_within_its_limits(data: bytes) -> None:
    bounded(data)


def test_a_mail_of_many_parts_is_looked_at_up_to_its_limit() -> None:
    mail = read_mail(HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 5_000 + b"--b--\n")
    assert mail is not None
    assert len(mail.kinds) == MAX_PARTS


def test_what_is_no_mail_is_kept_as_unparsable_with_its_beginning() -> None:
    (event,) = told(b"this is a letter without a head\n")
    assert (event.kind, event.text) == (Kind.UNPARSABLE, "this is a letter without a head\n")


def test_the_same_bytes_have_the_same_digest_wherever_they_are_found() -> None:
    data = (MAILS / "postfix-two.eml").read_bytes()
    assert [e.digest for e in read(Raw(data, 1, "a"))] == [e.digest for e in read(Raw(data, ARRIVED, "b"))]


@pytest.mark.parametrize("ends", [b"\r\n", b"\r"])
def test_any_line_end_is_one(ends: bytes) -> None:
    data = (MAILS / "postfix-unknown.eml").read_bytes()
    (event,) = told(data.replace(b"\n", ends))
    assert (event.kind, event.enhanced, event.addresses) == (Kind.BOUNCE, "5.1.1", ("unknown@example.net",))


def test_a_mail_with_a_mailbox_line_in_front_is_read() -> None:
    data = (MAILS / "postfix-unknown.eml").read_bytes()
    (event,) = told(b"From MAILER-DAEMON Sun Nov 22 09:02:42 2026\n" + data)
    assert event.kind is Kind.BOUNCE


def test_html_keeps_its_words_and_marks_its_quotations() -> None:
    html = (
        "<p>Hello &amp; <b>good</b> day</p><script>if (a < b) {}</script>"
        "<br>more<blockquote>old<p>older</blockquote>end"
    )
    shown = [line for line in text_of_html(html).splitlines() if line]
    assert shown == ["Hello & good day", "more", "> old", "> older", "end"]


@pytest.mark.parametrize("header", [b"From", b"In-Reply-To", b"References", b"To", b"Subject"])
def test_half_a_character_in_a_header_reaches_nobody(header: bytes) -> None:
    half = b"=?unicode_escape?q?=5Cud800?="
    bounded(HEAD + header + b": <" + half + b"x@example.org>\n\nYes.\n")
    report = (MAILS / SAMPLES[0].name).read_bytes()
    bounded(report.replace(b"Action: ", b"Action: " + half).replace(b"rfc822;", b"rfc822;" + half))


def test_a_payload_of_half_characters_and_too_many_people_is_an_event() -> None:
    people = [r"\ud800@example.org", *(f"p{n}@example.org" for n in range(200))]
    told = ", ".join(f'"{one}"' for one in people)
    bounded(b'{"notificationType": "Delivery", "delivery": {"recipients": [%b]}}' % told.encode())
