"""Which kind a mail is: a person, a program, a wish to leave, a complaint. What a person quotes counts for nothing."""

from __future__ import annotations

import pytest

from engine.inbound.model import Kind
from engine.inbound.tokens import token_for, verp_address
from tests.inbound.conftest import ARRIVED, one

REPLY = """\
From: Ada Alder <ada@example.net>
To: sender@example.com
Subject: {subject}
Date: Mon, 23 Nov 2026 10:00:00 +0000
Message-ID: <theirs@example.net>
In-Reply-To: <ours@example.com>
References: <first@example.com> <ours@example.com>
{more}
{text}
"""


def reply(text: str, *, subject: str = "Re: Hello", more: str = "") -> str:
    return REPLY.format(text=text, subject=subject, more=more + "\n" if more else "")


def test_a_persons_answer_is_a_reply_to_the_message_that_it_names() -> None:
    event = one(reply("Yes, gladly.\n\nOn Mon, 23 Nov 2026 at 09:00, Us <sender@example.com> wrote:\n> Dear Ada"))
    assert (event.kind, event.addresses) == (Kind.REPLY, ("ada@example.net",))
    assert event.message_ids == ("ours@example.com", "first@example.com")
    assert event.text == "Yes, gladly."
    assert event.at == 1_795_428_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "Your colleague's address is undeliverable, use mine.\n",
        "Did you see this?\n\n> This is the mail system at mx.\n> <ben@example.net>: 550 5.1.1 user unknown",
        "I got this back:\n\n----- Original Message -----\nFrom: MAILER-DAEMON\nDelivery to the recipient failed",
        "The delivery failed because our gate was locked. Please come again.",
    ],
)
def test_a_person_who_quotes_or_speaks_of_a_failure_is_no_bounce(text: str) -> None:
    assert one(reply(text)).kind is Kind.REPLY
    assert one(reply(text, subject="Fwd: Undelivered Mail Returned to Sender")).kind is Kind.REPLY


@pytest.mark.parametrize(
    ("more", "subject", "text", "kind"),
    [
        ("Auto-Submitted: auto-replied", "Re: Hello", "Thank you, ticket 12 is open.", Kind.AUTO_REPLY),
        ("Auto-Submitted: auto-replied", "Automatic reply: Hello", "I am out of the office.", Kind.OUT_OF_OFFICE),
        ("X-Autoreply: yes", "Re: Hello", "I am on vacation until Monday.", Kind.OUT_OF_OFFICE),
        ("Precedence: auto_reply", "Hello", "We have received your message.", Kind.AUTO_REPLY),
        ("", "Abwesenheitsnotiz: Hello", "Ich bin im Urlaub.", Kind.OUT_OF_OFFICE),
        ("", "Réponse automatique : Hello", "Je suis absent jusqu'au 3.", Kind.OUT_OF_OFFICE),
        ("", "自動返信: Hello", "ただいま不在にしております。", Kind.OUT_OF_OFFICE),
        ("", "Automatic reply: Hello", "Your request was received.", Kind.AUTO_REPLY),
        ("Auto-Submitted: no", "Re: Hello", "I will be back on Monday, let us talk then.", Kind.REPLY),
        ("", "Re: Automatic reply: Hello", "Now I am back.", Kind.REPLY),
        ("", "Re: your vacation offer", "Tell me more about the vacation.", Kind.REPLY),
        ("X-Auto-Response-Suppress: All", "Re: Hello", "A person wrote this through a desk.", Kind.REPLY),
    ],
)
def test_a_programs_answer_is_told_from_a_persons(more: str, subject: str, text: str, kind: Kind) -> None:
    assert one(reply(text, subject=subject, more=more)).kind is kind


def test_an_answer_of_noreply_is_a_programs() -> None:
    mail = reply("Thank you.").replace("ada@example.net", "no-reply@example.net")
    assert (one(mail).kind, one(mail).action) == (Kind.AUTO_REPLY, "sender")


def test_a_challenge_is_an_automatic_reply_that_says_so() -> None:
    event = one(
        reply("To have your message delivered, confirm that you are human.", more="Auto-Submitted: auto-replied")
    )
    assert (event.kind, event.action) == (Kind.AUTO_REPLY, "challenge")


@pytest.mark.parametrize(
    "text",
    ["unsubscribe", "Please remove me from your list.", "STOP", "Bitte austragen", "Hi, please unsubscribe me", "退订"],
)
def test_a_short_wish_to_be_left_alone_is_one(text: str) -> None:
    event = one(reply(f"{text}\n\n> Dear Ada"))
    assert (event.kind, event.addresses) == (Kind.UNSUBSCRIBE, ("ada@example.net",))


@pytest.mark.parametrize(
    "text",
    ["How do I unsubscribe my colleague while I stay on the list? He left us.", "Do not stop, I like what you write!"],
)
def test_a_word_within_a_sentence_is_no_wish_to_leave(text: str) -> None:
    assert one(reply(text)).kind is Kind.REPLY


def test_a_mail_to_the_leave_address_names_its_person_by_a_token() -> None:
    token = token_for(b"k" * 32, 17, list_name="news")
    mail = reply("", subject="").replace("sender@example.com", verp_address("leave", token.upper(), "example.com"))
    event = one(mail)
    assert (event.kind, event.token) == (Kind.UNSUBSCRIBE, token)


def test_a_mail_program_that_leaves_for_its_user_is_not_taken_for_an_absence() -> None:
    assert one(reply("Sent by a program.", subject="unsubscribe", more="Auto-Submitted: auto-replied")).kind is (
        Kind.UNSUBSCRIBE
    )


def test_a_newsletter_answers_nothing() -> None:
    mail = "From: news@example.net\nTo: sender@example.com\nSubject: Winter sale\nList-Id: <news.example.net>\n\nBuy."
    assert one(mail).kind is Kind.UNKNOWN


COMPLAINT = """\
From: feedback@isp.example
To: sender@example.com
Subject: FW: Hello
Content-Type: multipart/report; report-type=feedback-report; boundary=cut

--cut
Content-Type: text/plain

This is an email abuse report.
--cut
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <ada@example.net>
Source-IP: 192.0.2.1
--cut
Content-Type: message/rfc822

From: sender@example.com
To: ada@example.net
Message-ID: <ours@example.com>
Subject: Hello

Dear Ada
--cut--
"""


@pytest.mark.parametrize(
    ("word", "kind"),
    [("abuse", Kind.COMPLAINT), ("fraud", Kind.COMPLAINT), ("opt-out", Kind.UNSUBSCRIBE), ("not-spam", Kind.UNKNOWN)],
)
def test_a_feedback_report_is_what_its_type_says(word: str, kind: Kind) -> None:
    event = one(COMPLAINT.format(kind=word))
    assert (event.kind, event.addresses, event.message_ids) == (kind, ("ada@example.net",), ("ours@example.com",))
    assert event.reported["source_ip"] == "192.0.2.1"


def test_a_complaint_whose_address_was_taken_out_is_found_by_the_original() -> None:
    mail = COMPLAINT.format(kind="abuse").replace("Original-Rcpt-To: <ada@example.net>\n", "")
    assert one(mail).addresses == ("ada@example.net",)


def test_a_read_receipt_is_an_automatic_reply() -> None:
    event = one(
        "From: ada@example.net\nTo: sender@example.com\nSubject: Read: Hello\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=cut\n\n"
        "--cut\nContent-Type: text/plain\n\nIt was read.\n--cut\nContent-Type: message/disposition-notification\n\n"
        "Final-Recipient: rfc822;ada@example.net\nOriginal-Message-ID: <ours@example.com>\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--cut--\n"
    )
    assert (event.kind, event.action, event.message_ids) == (Kind.AUTO_REPLY, "displayed", ("ours@example.com",))


def test_a_date_in_the_future_is_not_believed() -> None:
    mail = reply("Yes.").replace("23 Nov 2026", "23 Nov 2036")
    assert one(mail).at == ARRIVED


def test_html_is_read_as_the_text_that_it_shows() -> None:
    mail = reply(
        "<p>Yes,&nbsp;gladly</p><style>p{}</style><blockquote>Dear Ada</blockquote>", more="Content-Type: text/html"
    )
    assert one(mail).text == "Yes, gladly"
