"""The error key, the words of the Failures view and the advice."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.advice import advice, kind
from engine.classify import classify_smtp
from engine.outcomes import Action, is_retryable
from engine.reasons import normalise_reason
from storage.model import OutcomeClass

VOCABULARY = """user unknown greylisted try again in 300 seconds rate limited daily limit mailbox full spam blocked
policy <joe@example.com> mx1.example.net 192.0.2.7 'quoted' "x y" https://x.test/a?b=1 550 5.1.1 4F1C2D3E (#5.1.1)
customer dkim sender rejected timed out connection lost * \x1b[31m \u202e \u00df \u0130 . : ; - ( ) < > '"""
WORDS = st.sampled_from(VOCABULARY.split())
TEXTS = st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=40).map(" ".join))
CODES = st.sampled_from([-1, 0, 250, 354, 421, 450, 451, 452, 454, 501, 503, 530, 550, 551, 552, 553, 554, 556, 1_000])
STATUS = st.sampled_from(["", "5.1.1", "4.7.1", "4.2.2", "5.7.1", "5.7.26", "5.2.1", "5.6.0", "garbage"])


@given(CODES, STATUS, TEXTS)
def test_an_error_key_is_short_printable_and_normalises_to_itself(code, enhanced, text):
    key = normalise_reason(code, enhanced, text)
    assert 0 < len(key) <= 100
    assert not any(unicodedata.category(c)[0] == "C" for c in key)
    assert key == " ".join(key.split())
    assert normalise_reason(code, enhanced, key) == key


@given(CODES, STATUS, TEXTS)
def test_an_error_key_of_another_protocol_normalises_to_itself_too(code, enhanced, text):
    key = normalise_reason(code, enhanced, text, protocol="http")
    assert 0 < len(key) <= 100
    assert normalise_reason(code, enhanced, key, protocol="http") == key


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <joe@example.com>: Recipient address rejected: User unknown in local recipient table",
        "5.1.1 The email account that you tried to reach does not exist. q1-20020a05600c35c1si1",
        "No such user (#5.1.1)",
        "5.1.1 RESOLVER.ADR.RecipNotFound; not found",
    ],
)
def test_different_wordings_of_one_fact_share_a_key(text):
    assert classify_smtp(550, text, phase="rcpt").error_key == "550 5.1.1 user unknown"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Queue file 4F1C2D3E9A for <kim@example.net> at 10.0.0.7:25 refused", "554 queue file * for * at * refused"),
        ("Refused by 'rule-less' \"joe\" `x' now", "554 refused by * now"),
        ("see https://example.com/x?y=z  or\twww.example.com", "554 see * or *"),
        ("it can't be; don't", "554 it can't be; don't"),
        ("line one\r\nline two\x1b[2J", "554 line one line two[*"),
        ("", "554"),
    ],
)
def test_what_differs_from_message_to_message_becomes_a_star(text, key):
    assert normalise_reason(554, "", text) == key


def test_a_status_of_another_protocol_is_not_read_as_smtp():
    assert normalise_reason(503, "", "Service Unavailable") == "503 commands out of order"
    assert normalise_reason(503, "", "Service Unavailable", protocol="http") == "503 service unavailable"


@pytest.mark.parametrize("cls", list(OutcomeClass))
def test_retry_takes_what_time_or_the_queue_can_cure(cls):
    assert is_retryable(cls) == (cls in ("transient", "account", "route"))


@pytest.mark.parametrize(
    ("cls", "action", "word"),
    [
        ("transient", "", "soft"),
        ("transient", "soft", "soft"),
        ("account", "cool", "soft"),
        ("account", "needs_attention", "config"),
        ("route", "cool", "net"),
        ("permanent", "suppress", "hard"),
        ("permanent", "unknown", "unknown"),
        ("content", "", "content"),
        ("configuration", "hold_pause", "config"),
        ("uncertain", "", "uncertain"),
        ("", "", "unknown"),
    ],
)
def test_each_failure_has_one_short_kind(cls, action, word):
    assert kind(cls, action) == word


@pytest.mark.parametrize("cls", [*OutcomeClass, "", "nonsense"])
@pytest.mark.parametrize("action", [*Action, "nonsense"])
def test_there_is_one_sentence_of_advice_for_every_failure(cls, action):
    sentence = advice(cls, "550 something", action)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_advice_prefers_what_is_known_about_the_reason():
    assert "rate" in advice("account", "421 4.7.0 rate limited", "cool")
    assert "suppressed" in advice("permanent", "550 5.1.1 user unknown", "suppress")
    assert "Message-ID" in advice("uncertain", "timed out")
