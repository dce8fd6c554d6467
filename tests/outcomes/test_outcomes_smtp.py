"""The table "SMTP reply -> class and action", row by row, with the wordings that servers really use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.classify import classify_smtp, route_failure, uncertain
from engine.outcomes import Action
from storage.model import DAY, HOUR, MINUTE, SECOND, OutcomeClass

A, T, P = OutcomeClass.ACCOUNT, OutcomeClass.TRANSIENT, OutcomeClass.PERMANENT
S, C, R, U = OutcomeClass.CONFIGURATION, OutcomeClass.CONTENT, OutcomeClass.ROUTE, OutcomeClass.UNCERTAIN
PHASES = ("connect", "tls", "auth", "mail", "rcpt", "data", "content")

AT_RCPT = [
    # transient
    (451, "4.7.1 Greylisted, please try again in 300 seconds", T, Action.NONE, "451 4.7.1 greylisted"),
    (450, "4.2.0 <a@x.test>: Recipient address rejected: Graylisted for 5 minutes", T, Action.NONE,
     "450 4.2.0 greylisted"),
    (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that is too high", T, Action.NONE,
     "450 4.2.1 recipient receives too much mail"),
    (451, "4.3.0 Temporary lookup failure", T, Action.NONE, "451 4.3.0 temporary lookup failure"),
    (450, "4.1.1 unverified address: Address verification in progress", T, Action.NONE,
     "450 4.1.1 unverified address: address verification in progress"),
    (452, "4.2.2 The email account that you tried to reach is over quota", T, Action.SOFT,
     "452 4.2.2 mailbox full"),
    (552, "5.2.2 Mailbox full", T, Action.SOFT, "552 5.2.2 mailbox full"),
    (552, "Requested mail action aborted: exceeded storage allocation", T, Action.SOFT, "552 mailbox full"),
    (550, "user joe has exceeded his disk quota", T, Action.SOFT, "550 mailbox full"),
    # account
    (421, "4.7.0 Try again later, closing connection", A, Action.COOL,
     "421 4.7.0 try again later, closing connection"),
    (421, "mx1.example.net Service not available", A, Action.COOL, "421 * service not available"),
    (421, "4.7.28 Our system has detected an unusual rate of unsolicited mail", A, Action.COOL,
     "421 4.7.28 rate limited"),
    (450, "4.7.1 Error: too much mail from 192.0.2.1, rate exceeded", A, Action.COOL,
     "450 4.7.1 rate limited"),
    (450, "4.2.1 Peak SMTP relay limit exceeded for customer", A, Action.COOL, "450 4.2.1 rate limited"),
    (451, "Too many connections from your host", A, Action.COOL, "451 rate limited"),
    (451, "4.7.500 Server busy", A, Action.COOL, "451 4.7.500 server busy"),
    (451, "4.7.26 DMARC could not be evaluated", A, Action.COOL, "451 4.7.26 sender not authenticated"),
    (452, "4.3.1 Insufficient system storage", A, Action.COOL, "452 4.3.1 insufficient system storage"),
    (452, "4.5.3 Error: too many recipients", A, Action.COOL, "452 4.5.3 too many recipients"),
    (550, "5.5.3 Too many recipients", A, Action.COOL, "550 5.5.3 too many recipients"),
    (454, "Throttling failure: Maximum sending rate exceeded.", A, Action.COOL, "454 rate limited"),
    (454, "Throttling failure: Daily message quota exceeded.", A, Action.COOL_DAY, "454 daily limit reached"),
    (550, "5.4.5 Daily user sending limit exceeded.", A, Action.COOL_DAY, "550 5.4.5 daily limit reached"),
    (550, "5.7.1 Daily SMTP relay limit exceeded for customer", A, Action.COOL_DAY,
     "550 5.7.1 daily limit reached"),
    (550, "Domain x.test has exceeded the max emails per hour (500/500 (100%)) allowed", A, Action.COOL,
     "550 rate limited"),
    (530, "5.7.0 Authentication Required", A, Action.NEEDS_ATTENTION, "530 5.7.0 authentication refused"),
    (554, "5.7.8 Authentication credentials invalid", A, Action.NEEDS_ATTENTION,
     "554 5.7.8 authentication refused"),
    (550, "SMTP authentication is required.", A, Action.NEEDS_ATTENTION, "550 authentication required"),
    (550, "5.2.1 Your account has been disabled", A, Action.RESTRICTED,
     "550 5.2.1 your account is locked"),
    # configuration
    (550, "5.7.26 This mail has been blocked because the sender is unauthenticated.", S, Action.HOLD_PAUSE,
     "550 5.7.26 sender not authenticated"),
    (550, "5.7.515 Access denied, sending domain does not meet the required level", S, Action.HOLD_PAUSE,
     "550 5.7.515 sender not authenticated"),
    (550, "5.7.25 The IP address sending this message does not have a PTR record", S, Action.HOLD_PAUSE,
     "550 5.7.25 sender not authenticated"),
    (550, "5.7.1 SPF check failed", S, Action.HOLD_PAUSE, "550 5.7.1 sender not authenticated"),
    (550, "5.7.1 The IP is not registered for this customer", S, Action.HOLD_PAUSE,
     "550 5.7.1 refused for this customer"),
    (553, "5.1.8 Sender address does not exist", S, Action.HOLD_PAUSE, "553 5.1.8 sender rejected"),
    (550, "5.1.0 <me@x.test> sender rejected", S, Action.HOLD_PAUSE, "550 5.1.0 sender rejected"),
    (553, "5.7.1 <me@x.test>: Sender address rejected: not owned by user me", S, Action.HOLD_PAUSE,
     "553 5.7.1 sender rejected"),
    (554, "5.7.1 <joe@y.test>: Relay access denied", S, Action.HOLD_PAUSE, "554 5.7.1 relaying denied"),
    # dead
    (550, "5.1.1 The email account that you tried to reach does not exist.", P, Action.SUPPRESS,
     "550 5.1.1 user unknown"),
    (550, "No such user here", P, Action.SUPPRESS, "550 user unknown"),
    (550, "sorry, no mailbox here by that name. (#5.1.1)", P, Action.SUPPRESS, "550 5.1.1 user unknown"),
    (554, "5.7.1 <joe@y.test>: Recipient address rejected: User unknown in virtual mailbox table", P, Action.SUPPRESS,
     "554 5.7.1 user unknown"),
    (550, "5.4.1 Recipient address rejected: Access denied.", P, Action.SUPPRESS, "550 5.4.1 user unknown"),
    (550, "Invalid recipient", P, Action.SUPPRESS, "550 user unknown"),
    (550, "5.1.1 no such user, please contact customer support", P, Action.SUPPRESS,
     "550 5.1.1 user unknown"),
    (550, "5.1.2 Host unknown", P, Action.SUPPRESS, "550 5.1.2 domain unknown"),
    (501, "5.1.3 Bad recipient address syntax", P, Action.SUPPRESS, "501 5.1.3 bad address syntax"),
    (550, "5.1.6 moved", P, Action.SUPPRESS, "550 5.1.6 mailbox moved"),
    (556, "5.1.10 Recipient address has null MX", P, Action.SUPPRESS, "556 5.1.10 domain accepts no mail"),
    (550, "5.4.4 unable to route", P, Action.SUPPRESS, "550 5.4.4 no route to domain"),
    (551, "User not local; please try <a@y.test>", P, Action.SUPPRESS, "551 user not local"),
    (550, "5.2.1 The email account that you tried to reach is disabled", P, Action.SUPPRESS_90D,
     "550 5.2.1 mailbox disabled"),
    # content
    (552, "5.3.4 Message size exceeds fixed limit", C, Action.NONE, "552 5.3.4 message too big"),
    (550, "5.2.3 Message too large for this mailbox", C, Action.NONE, "550 5.2.3 message too big"),
    (554, "5.6.0 Message contents not acceptable", C, Action.NONE, "554 5.6.0 content not accepted"),
    (501, "Syntax error in parameters", C, Action.NONE, "501 syntax refused"),
    (555, "5.5.4 Unsupported option: FOO", C, Action.NONE, "555 5.5.4 syntax refused"),
    # blocked and unknown
    (550, "5.7.1 Message rejected as spam", P, Action.BLOCKED, "550 5.7.1 blocked"),
    (554, "Service unavailable; client host [192.0.2.9] blocked using zen.example.org", P, Action.BLOCKED,
     "554 blocked"),
    (550, "<spam@y.test> Ostrich not in season", P, Action.UNKNOWN, "550 * ostrich not in season"),
    (550, "5.5.0 Requested action not taken: mailbox unavailable", P, Action.UNKNOWN,
     "550 5.5.0 requested action not taken: mailbox unavailable"),
    (554, "Transaction failed", P, Action.UNKNOWN, "554 transaction failed"),
    # the conversation itself
    (503, "5.5.1 Bad sequence of commands", R, Action.COOL, "503 5.5.1 commands out of order"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "text", "cls", "action", "key"), AT_RCPT, ids=[f"{r[0]} {r[1][:40]}" for r in AT_RCPT]
)
def test_a_reply_to_rcpt_is_classified_by_its_meaning(code, text, cls, action, key):
    outcome = classify_smtp(code, text, phase="rcpt", server="mx.test")
    assert (outcome.cls, outcome.action, outcome.error_key) == (cls, action, key)
    assert (outcome.code, outcome.text, outcome.phase, outcome.server) == (code, text, "rcpt", "mx.test")


@pytest.mark.parametrize(
    ("code", "text", "cls", "action", "key"), AT_RCPT, ids=[f"{r[0]} {r[1][:40]}" for r in AT_RCPT]
)
def test_an_explicit_refusal_after_the_content_means_the_same(code, text, cls, action, key):
    outcome = classify_smtp(code, text, phase="content")
    assert (outcome.cls, outcome.action, outcome.error_key) == (cls, action, key)


def test_a_250_after_the_final_dot_is_accepted_and_has_no_error_key():
    outcome = classify_smtp(250, "2.0.0 Ok: queued as 4F1C2", phase="content")
    assert (outcome.cls, outcome.enhanced, outcome.error_key, outcome.action) == ("accepted", "2.0.0", "", "")


def test_a_252_after_the_final_dot_says_that_it_will_try_and_is_accepted():
    assert classify_smtp(252, "will attempt delivery", phase="content").cls is OutcomeClass.ACCEPTED


@pytest.mark.parametrize("code", [-1, 0, 100, 200, 211, 220, 221, 235, 260, 334, 354, 600, 999])
def test_any_other_reply_after_the_content_is_uncertain(code):
    outcome = classify_smtp(code, "go on", phase="content")
    assert (outcome.cls, outcome.action) == (U, Action.NONE)
    assert outcome.error_key


@pytest.mark.parametrize("phase", ["connect", "mail", "rcpt", "data"])
@pytest.mark.parametrize("code", [0, 200, 250, 252, 354])
def test_a_surprise_before_the_content_is_a_route_fault_and_never_accepted(code, phase):
    assert classify_smtp(code, "surprise", phase=phase).cls is R


@pytest.mark.parametrize("phase", ["connect", "mail", "rcpt", "data", "content"])
def test_a_421_concerns_the_account_in_every_phase(phase):
    outcome = classify_smtp(421, "4.4.2 Bad connection", phase=phase)
    assert (outcome.cls, outcome.action) == (A, Action.COOL)


def test_mail_from_names_no_recipient_so_a_refusal_never_blames_one():
    assert classify_smtp(550, "5.1.1 unknown", phase="mail").cls is S
    assert classify_smtp(554, "5.7.1 blocked, poor reputation", phase="mail").action == Action.HOLD_PAUSE
    assert classify_smtp(451, "4.3.0 local trouble", phase="mail").cls is A
    assert classify_smtp(552, "5.3.4 too big", phase="mail").cls is C


@pytest.mark.parametrize(
    ("code", "text", "phase", "cls", "action"),
    [
        (535, "5.7.8 Username and Password not accepted", "auth", A, Action.NEEDS_ATTENTION),
        (534, "5.7.9 Application-specific password required", "auth", A, Action.NEEDS_ATTENTION),
        (432, "4.7.12 A password transition is needed", "auth", A, Action.NEEDS_ATTENTION),
        (550, "no", "auth", A, Action.NEEDS_ATTENTION),
        (554, "Your account has been suspended", "auth", A, Action.RESTRICTED),
        (454, "4.7.0 Too many login attempts, please try again later", "auth", A, Action.COOL),
        (454, "TLS not available due to temporary reason", "tls", R, Action.COOL),
        (554, "No SMTP service here", "connect", R, Action.COOL),
        (554, "5.7.1 blocked using a list", "connect", R, Action.COOL),
        (550, "5.7.25 no PTR record", "connect", A, Action.NEEDS_ATTENTION),
        (450, "busy", "connect", R, Action.COOL),
    ],
)
def test_replies_while_a_session_opens_concern_the_queue(code, text, phase, cls, action):
    outcome = classify_smtp(code, text, phase=phase)
    assert (outcome.cls, outcome.action) == (cls, action)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("4.7.1 Greylisted, try again in 300 seconds", 300 * SECOND),
        ("4.7.0 Please retry after 5 minutes", 5 * MINUTE),
        ("4.7.0 retry-after: 120", 120 * SECOND),
        ("4.7.1 greylisted for 5 min", 5 * MINUTE),
        ("4.7.1 wait 2 hours and resend", 2 * HOUR),
        ("4.7.1 try again in 9 days", DAY),
        ("4.7.1 try again later", 0),
        ("4.7.1 try again, see http://x.test/?code=77", 0),
        ("4.7.1 try again from 192.0.2.7", 0),
    ],
)
def test_the_servers_own_waiting_time_is_read_and_bounded(text, wait):
    assert classify_smtp(451, text, phase="rcpt").wait == wait


def test_a_permanent_refusal_carries_no_waiting_time():
    assert classify_smtp(550, "5.1.1 user unknown, try again in 5 minutes", phase="rcpt").wait == 0


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (550, "5.1.1 no", "5.1.1"),
        (550, "5.7.515 no", "5.7.515"),
        (550, "no (#5.1.1)", "5.1.1"),
        (550, "5.1.1.2 is an address", ""),
        (550, "4.1.1 of another class", ""),
        (550, "mx running 5.1.1", ""),
        (451, "4.7.1\nmore", "4.7.1"),
    ],
)
def test_the_enhanced_code_is_read_where_it_stands_for_the_reply(code, text, enhanced):
    assert classify_smtp(code, text, phase="rcpt").enhanced == enhanced


def test_words_inside_addresses_and_links_are_not_read():
    text = "5.0.0 <dmarc@spam.test> refused, see https://rate.limit.test/spf/too-many-messages"
    assert classify_smtp(550, text, phase="rcpt").action == Action.UNKNOWN


def test_a_long_or_undecodable_reply_is_kept_bounded_and_encodable():
    outcome = classify_smtp(550, "\udcff" + "x" * 5_000, phase="rcpt")
    assert len(outcome.text) == 1_000
    outcome.text.encode()


@given(st.integers(-5, 1_100), st.text(max_size=300), st.sampled_from(PHASES))
def test_any_reply_gets_an_outcome_and_only_a_25x_after_the_content_is_accepted(code, text, phase):
    outcome = classify_smtp(code, text, phase=phase)
    assert (outcome.cls is OutcomeClass.ACCEPTED) == (phase == "content" and 250 <= code <= 259)
    assert (outcome.cls is U) <= (phase == "content")
    assert (outcome.error_key == "") == (outcome.cls is OutcomeClass.ACCEPTED)
    assert 0 <= outcome.wait <= DAY
    if phase in ("connect", "tls", "auth"):
        assert outcome.cls in (R, A)


@pytest.mark.parametrize(
    ("error", "key"),
    [
        ("[Errno 111] Connect call failed ('192.0.2.1', 587)", "connection refused"),
        ("[Errno -2] Name or service not known", "host name not found"),
        ("timed out after 30s", "timed out"),
        ("192.0.2.1:587 refused the connection", "connection refused"),
        ("no such host smtp.exmaple.org", "host name not found"),
        ("no answer from mx.test:587 within 30 s", "timed out"),
        ("no route to mx.test:587", "network unreachable"),
        ("the connection to mx.test:587 was lost", "connection lost"),
        ("the TLS certificate of mx.test is not valid: self-signed certificate", "certificate refused"),
        ("the TLS handshake with mx.test:465 failed: wrong version number", "tls handshake failed"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed", "certificate refused"),
        ("TLS handshake failed", "tls handshake failed"),
        ("Server not connected: Connection reset by peer", "connection lost"),
        ("", "no reason given"),
    ],
)
def test_a_route_failure_cools_the_queue_and_is_grouped_by_its_cause(error, key):
    outcome = route_failure(error, phase="connect", server="mx.test")
    assert (outcome.cls, outcome.action, outcome.error_key, outcome.code) == (R, Action.COOL, key, 0)
    assert (outcome.phase, outcome.server) == ("connect", "mx.test")


def test_an_uncertain_outcome_asks_for_nothing_automatic():
    outcome = uncertain("process died while sending", server="mx.test")
    assert (outcome.cls, outcome.action, outcome.wait, outcome.phase) == (U, Action.NONE, 0, "content")
    assert outcome.error_key == "process died while sending"
