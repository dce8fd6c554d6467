"""Unipile's answers: by type, then by status, and never an invitation asked for twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alarm_rules import is_unknown
from engine.channels.unipile.answers import NoReplyError, Reply
from engine.channels.unipile.outcomes import Deed, classify, classify_invited, classify_silence
from engine.outcomes import Action
from storage.alarms import Answer
from storage.model import DAY, MINUTE, OutcomeClass

TABLE = [
    ("errors/already_invited_recently", 422, OutcomeClass.NEEDLESS, Action.NONE),
    ("errors/action_already_performed", 422, OutcomeClass.NEEDLESS, Action.NONE),
    ("errors/already_connected", 422, OutcomeClass.NEEDLESS, Action.CONNECTED),
    ("errors/cannot_resend_yet", 422, OutcomeClass.TRANSIENT, Action.POSTPONE),
    ("errors/cannot_resend_within_24hrs", 422, OutcomeClass.TRANSIENT, Action.POSTPONE),
    ("errors/no_connection_with_recipient", 422, OutcomeClass.TRANSIENT, Action.POSTPONE),
    ("errors/limit_exceeded", 422, OutcomeClass.ACCOUNT, Action.COOL_DAY),
    ("errors/too_many_requests", 429, OutcomeClass.ACCOUNT, Action.COOL_DAY),
    ("api/too_many_requests", 429, OutcomeClass.ACCOUNT, Action.COOL_DAY),
    ("errors/connection_limit_reached", 422, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/invalid_recipient", 422, OutcomeClass.PERMANENT, Action.NONE),
    ("errors/user_unreachable", 422, OutcomeClass.PERMANENT, Action.NONE),
    ("errors/blocked_recipient", 422, OutcomeClass.PERMANENT, Action.NONE),
    ("errors/resource_not_found", 404, OutcomeClass.PERMANENT, Action.NONE),
    ("errors/invalid_resource_identifier", 404, OutcomeClass.PERMANENT, Action.NONE),
    ("errors/insufficient_credits", 422, OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE),
    ("errors/not_allowed_inmail", 422, OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE),
    ("errors/feature_not_subscribed", 403, OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE),
    ("errors/subscription_required", 403, OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE),
    ("errors/disconnected_account", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/expired_credentials", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/invalid_credentials", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/checkpoint_error", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/wrong_account", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/multiple_sessions", 401, OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION),
    ("errors/account_restricted", 403, OutcomeClass.ACCOUNT, Action.RESTRICTED),
    ("errors/too_many_characters", 400, OutcomeClass.CONTENT, Action.HOLD_PAUSE),
    ("errors/invalid_parameters", 400, OutcomeClass.CONTENT, Action.HOLD_PAUSE),
    ("errors/content_too_large", 400, OutcomeClass.CONTENT, Action.HOLD_PAUSE),
    ("errors/unexpected_error", 500, OutcomeClass.UNCERTAIN, Action.NONE),
    ("errors/provider_error", 500, OutcomeClass.UNCERTAIN, Action.NONE),
    ("errors/feature_not_implemented", 501, OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE),
    ("errors/no_client_session", 503, OutcomeClass.ROUTE, Action.COOL),
    ("errors/network_down", 503, OutcomeClass.UNCERTAIN, Action.NONE),
    ("errors/request_timeout", 504, OutcomeClass.UNCERTAIN, Action.NONE),
]


def error(kind: str, status: int, **more: object) -> Reply:
    data = {"title": "Title", "detail": "Detail.", "type": kind, "status": status, **more}
    return Reply(status, data, f'{{"type": "{kind}"}}')


@pytest.mark.parametrize(("kind", "status", "cls", "action"), TABLE, ids=[row[0] for row in TABLE])
def test_an_invitation_is_refused_as_the_table_says(kind: str, status: int, cls: OutcomeClass, action: Action) -> None:
    outcome = classify_invited(error(kind, status))
    assert (outcome.cls, outcome.action) == (cls, action)
    assert (outcome.code, outcome.phase) == (status, "content")
    assert outcome.error_key
    assert "Title: Detail." in outcome.text, "the service's own words"
    assert kind in outcome.text, "and the whole answer"


def test_the_type_counts_and_the_status_only_where_there_is_none() -> None:
    assert classify(error("errors/account_restricted", 500), Deed.INVITE).action == Action.RESTRICTED
    assert classify(error("errors/already_connected", 409), Deed.INVITE).cls is OutcomeClass.NEEDLESS
    for kind in ("errors/brand_new", "", "about:blank"):
        assert classify(error(kind, 401), Deed.INVITE).action == Action.NEEDS_ATTENTION
        assert classify(error(kind, 429), Deed.INVITE).cls is OutcomeClass.ACCOUNT
        assert classify(error(kind, 403), Deed.INVITE).cls is OutcomeClass.CONFIGURATION
        assert classify(error(kind, 422), Deed.INVITE).action == Action.UNKNOWN
        assert classify(error(kind, 500), Deed.INVITE).cls is OutcomeClass.UNCERTAIN
    assert classify(Reply(502, {}, "<html>Bad gateway</html>"), Deed.INVITE).cls is OutcomeClass.UNCERTAIN


@pytest.mark.parametrize("status", [200, 201, 202, 204, 301, 302, 307, 308, 408, 500, 502, 503, 504, 520, 599])
def test_an_invitation_without_a_clear_answer_is_uncertain(status: int) -> None:
    assert classify_invited(Reply(status, {}, "")).cls is OutcomeClass.UNCERTAIN


@pytest.mark.parametrize(
    ("kind", "status", "cls"),
    [
        ("errors/provider_error", 500, OutcomeClass.TRANSIENT),
        ("errors/unexpected_error", 500, OutcomeClass.TRANSIENT),
        ("errors/request_timeout", 504, OutcomeClass.TRANSIENT),
        ("", 500, OutcomeClass.TRANSIENT),
        ("", 504, OutcomeClass.TRANSIENT),
        ("", 502, OutcomeClass.ROUTE),
        ("", 408, OutcomeClass.ROUTE),
        ("errors/network_down", 503, OutcomeClass.ROUTE),
        ("errors/no_client_session", 503, OutcomeClass.ROUTE),
        ("", 301, OutcomeClass.ACCOUNT),
        ("errors/invalid_parameters", 400, OutcomeClass.PERMANENT),
        ("errors/resource_not_found", 404, OutcomeClass.PERMANENT),
        ("errors/account_restricted", 403, OutcomeClass.ACCOUNT),
    ],
)
def test_a_look_up_may_be_repeated_and_is_never_uncertain(kind: str, status: int, cls: OutcomeClass) -> None:
    assert classify(error(kind, status), Deed.LOOK_UP).cls is cls


@given(st.integers(100, 599), st.text(max_size=30), st.sampled_from([Deed.LOOK_UP, Deed.LIST, Deed.LOG_IN]))
def test_whatever_is_said_only_an_invitation_can_be_uncertain(status: int, kind: str, deed: Deed) -> None:
    assert classify(error(kind, status), deed).cls is not OutcomeClass.UNCERTAIN


@given(st.integers(100, 599), st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text(max_size=9)))
def test_an_odd_answer_is_never_taken_for_an_acceptance(status: int, data: dict[str, object]) -> None:
    outcome = classify_invited(Reply(status, data, str(data)))
    named = data.get("invitation_id") or data.get("object") == "UserInvitationSent"
    assert (outcome.cls is OutcomeClass.ACCEPTED) == bool(200 <= status <= 299 and named)


@pytest.mark.parametrize(
    ("usage", "action"),
    [(None, ""), (50, ""), (75, ""), (89.9, ""), (90, "slow"), (94, "slow"), (95, "cool_day"), (100, "cool_day")],
)
def test_usage_slows_the_queue_at_90_and_rests_it_at_95_and_the_invitation_stays_accepted(
    usage: float | None, action: str
) -> None:
    data = {"object": "UserInvitationSent", "invitation_id": "7", **({} if usage is None else {"usage": usage})}
    outcome = classify_invited(Reply(200, data, ""))
    assert (outcome.cls, outcome.action) == (OutcomeClass.ACCEPTED, action)
    assert outcome.text.startswith("invitation 7")


def test_a_service_that_names_its_time_is_obeyed_instead_of_a_day_by_rule() -> None:
    limited = error("errors/too_many_requests", 429)
    outcome = classify(Reply(429, limited.data, "", 90 * MINUTE), Deed.INVITE)
    assert (outcome.action, outcome.wait) == (Action.COOL, 90 * MINUTE)
    long = classify(Reply(429, limited.data, "", 9 * DAY), Deed.INVITE)
    assert long.wait == DAY, "and never for longer than a day"


def test_no_answer_is_uncertain_only_for_an_invitation_that_had_begun_to_leave() -> None:
    lost, never = NoReplyError("lost", begun=True), NoReplyError("refused", begun=False)
    assert classify_silence(lost, Deed.INVITE).cls is OutcomeClass.UNCERTAIN
    assert classify_silence(never, Deed.INVITE).cls is OutcomeClass.ROUTE
    assert classify_silence(lost, Deed.LOOK_UP).cls is OutcomeClass.ROUTE


def test_full_of_open_invitations_says_what_helps() -> None:
    assert "withdraw old ones" in classify(error("errors/connection_limit_reached", 422), Deed.INVITE).text


def test_an_account_that_is_not_found_or_not_allowed_needs_attention_when_it_logs_in() -> None:
    for kind, status in (("errors/resource_not_found", 404), ("errors/subscription_required", 403)):
        assert classify(error(kind, status), Deed.LOG_IN).action == Action.NEEDS_ATTENTION


def test_a_refusal_that_the_table_knows_is_known_from_the_books_too() -> None:
    for kind, status, cls, _ in TABLE:
        if cls is OutcomeClass.PERMANENT:
            outcome = classify_invited(error(kind, status))
            assert not is_unknown(Answer(outcome.cls.value, outcome.code, "", outcome.error_key, 0))
    odd = classify_invited(error("errors/brand_new", 422))
    assert is_unknown(Answer(odd.cls.value, odd.code, "", odd.error_key, 0))
