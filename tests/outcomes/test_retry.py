"""Retry delays, the cooling ladder and the job's next state after each outcome."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.classify import classify_smtp, route_failure, uncertain
from engine.outcomes import Action, Outcome
from engine.retry import CoolingLadder, Disposition, RetryPolicy, connect_wait, decide, next_due
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND, HeldReason, JobState, OutcomeClass, PauseReason

NOW = 1_700_000_000 * SECOND
EXACT = RetryPolicy(jitter=0.0)


def due(policy: RetryPolicy, tries: int, *, now: int = NOW, wait: int = 0, seed: int = 1) -> int | None:
    return next_due(policy, tries=tries, budget_at=NOW, now=now, wait=wait, rng=random.Random(seed))


def disposition(outcome: Outcome, *, tries: int = 1, budget_at: int | None = NOW, now: int = NOW) -> Disposition:
    return decide(outcome, tries=tries, budget_at=budget_at, now=now, policy=EXACT, rng=random.Random(1))


def test_the_delays_follow_the_table_and_the_last_repeats():
    policy = RetryPolicy(jitter=0.0, give_up=30 * DAY)
    waits = [(due(policy, tries) or 0) - NOW for tries in range(1, 9)]
    assert waits == [5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, DAY, DAY]


def test_a_message_that_always_fails_is_given_up_within_three_days():
    now, tries = NOW, 0
    while True:
        tries += 1
        later = due(EXACT, tries, now=now)
        if later is None:
            break
        now = later
    assert (tries, now - NOW) == (8, 68 * HOUR + 35 * MINUTE)


def test_the_servers_own_wait_is_a_minimum():
    assert due(EXACT, 1, wait=2 * HOUR) == NOW + 2 * HOUR
    assert due(EXACT, 1, wait=SECOND) == NOW + 5 * MINUTE


def test_a_wait_beyond_the_budget_gives_up():
    assert due(EXACT, 1, now=NOW + 3 * DAY - HOUR, wait=2 * HOUR) is None


def test_max_tries_ends_the_budget():
    policy = RetryPolicy(max_tries=3)
    assert due(policy, 2) is not None
    assert due(policy, 3) is None


@given(st.integers(1, 12), st.floats(0, 1), st.integers(), st.lists(st.integers(0, 2 * DAY), min_size=1, max_size=6))
def test_jitter_only_lengthens_and_the_same_seed_gives_the_same_time(tries, jitter, seed, delays):
    policy = RetryPolicy(tuple(delays), give_up=100 * DAY, jitter=jitter)
    delay = delays[min(tries, len(delays)) - 1]
    first = due(policy, tries, seed=seed)
    assert first is not None
    assert NOW + delay <= first <= NOW + delay * (1 + jitter) + 1
    assert isinstance(first, int)
    assert due(policy, tries, seed=seed) == first


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"delays": ()}, "delays"),
        ({"delays": (-1,)}, "delays"),
        ({"give_up": -1}, "give_up"),
        ({"jitter": 1.5}, "jitter"),
        ({"max_tries": 0}, "max_tries"),
    ],
)
def test_a_policy_out_of_range_is_refused_by_name(fields, name):
    with pytest.raises(UsageError, match=name):
        RetryPolicy(**fields)


def test_the_ladder_climbs_and_stays_on_its_last_step():
    ladder = CoolingLadder()
    rests = [ladder.cooling_until(step, NOW, 0) - NOW for step in range(6)]
    assert rests == [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR, HOUR]


def test_the_ladder_obeys_the_servers_wait_and_a_daily_limit():
    ladder = CoolingLadder()
    assert ladder.cooling_until(0, NOW, 10 * MINUTE) == NOW + 10 * MINUTE
    assert ladder.cooling_until(0, NOW, 90 * DAY) == NOW + DAY
    assert ladder.cooling_until(0, NOW, 0, action=Action.COOL_DAY) == NOW + DAY


def test_a_ladder_without_steps_is_refused():
    with pytest.raises(UsageError, match="steps"):
        CoolingLadder(())


def test_reconnects_wait_between_one_and_sixty_seconds():
    from tenacity import RetryCallState, Retrying

    strategy = connect_wait()
    state = RetryCallState(Retrying(), None, (), {})
    for number in range(1, 30):
        state.attempt_number = number
        assert 1 <= strategy(state) <= 60


def test_accepted_completes_the_job():
    assert disposition(classify_smtp(250, "ok", phase="content")) == Disposition(JobState.COMPLETED)


def test_a_transient_refusal_waits_for_its_next_try_and_counts():
    outcome = classify_smtp(451, "4.7.1 greylisted, try again in 10 minutes", phase="rcpt")
    assert disposition(outcome) == Disposition(JobState.PENDING, NOW + 10 * MINUTE, "451 4.7.1 greylisted")


def test_a_budget_that_begins_now_may_be_named_none():
    outcome = classify_smtp(451, "4.3.0 no", phase="rcpt")
    assert disposition(outcome, budget_at=None).due_at == NOW + 5 * MINUTE


def test_a_transient_refusal_fails_when_the_budget_has_ended():
    outcome = classify_smtp(452, "4.2.2 full", phase="rcpt")
    result = disposition(outcome, tries=8, now=NOW + 3 * DAY)
    assert (result.state, result.due_at, result.gave_up) == (JobState.FAILED, None, True)


@pytest.mark.parametrize("reply", [(550, "5.1.1 no"), (550, "5.7.1 spam"), (552, "5.3.4 big"), (550, "what")])
def test_a_permanent_or_content_refusal_fails_and_asks_nothing_of_the_queue(reply):
    result = disposition(classify_smtp(*reply, phase="rcpt"))
    assert (result.state, result.queue_action, result.counts_try) == (JobState.FAILED, Action.NONE, True)
    assert result.reason


@pytest.mark.parametrize(
    ("outcome", "action"),
    [
        (classify_smtp(421, "busy", phase="rcpt"), Action.COOL),
        (classify_smtp(550, "5.4.5 daily limit", phase="rcpt"), Action.COOL_DAY),
        (classify_smtp(535, "5.7.8 no", phase="auth"), Action.NEEDS_ATTENTION),
        (classify_smtp(550, "Your account is suspended", phase="mail"), Action.RESTRICTED),
        (route_failure("timed out", phase="connect"), Action.COOL),
        (Outcome(OutcomeClass.ACCOUNT, action="a word of another channel"), Action.COOL),
    ],
)
def test_account_and_route_trouble_costs_the_queue_and_never_a_try(outcome, action):
    result = disposition(outcome, tries=99, now=NOW + 30 * DAY)
    assert (result.state, result.due_at, result.counts_try) == (JobState.PENDING, NOW + 30 * DAY, False)
    assert result.queue_action is action


def test_a_configuration_refusal_holds_the_message_and_pauses_the_campaign():
    result = disposition(classify_smtp(550, "5.7.26 unauthenticated", phase="content"))
    assert (result.state, result.reason) == (JobState.HELD, HeldReason.CONFIGURATION)
    assert (result.pause_campaign, result.counts_try) == (PauseReason.ERRORS, False)


def test_nothing_automatic_follows_an_uncertain_outcome():
    result = disposition(uncertain("connection lost"))
    assert result == Disposition(JobState.UNCERTAIN, reason="connection lost")


def test_an_accepted_message_may_rest_its_queue_for_a_day_and_stays_accepted():
    fate = disposition(Outcome(OutcomeClass.ACCEPTED, action=Action.COOL_DAY))
    assert (fate.state, fate.queue_action) == (JobState.COMPLETED, Action.COOL_DAY)
    assert disposition(Outcome(OutcomeClass.ACCEPTED, action=Action.SLOW)).queue_action is Action.NONE


def test_what_needs_nothing_sent_is_skipped_or_waits_for_a_person():
    skipped = disposition(Outcome(OutcomeClass.NEEDLESS, error_key="already invited"))
    assert skipped == Disposition(JobState.SKIPPED, reason="already invited", counts_try=False)
    held = disposition(Outcome(OutcomeClass.NEEDLESS, action=Action.HOLD))
    assert held == Disposition(JobState.HELD, reason=HeldReason.CONTENT.value, counts_try=False)


def test_a_text_that_nobody_can_get_is_held_and_tried_on_nobody_else():
    fate = disposition(Outcome(OutcomeClass.CONTENT, action=Action.HOLD_PAUSE))
    assert (fate.state, fate.reason, fate.pause_campaign) == (
        JobState.HELD,
        HeldReason.CONTENT.value,
        PauseReason.ERRORS.value,
    )
    assert disposition(Outcome(OutcomeClass.CONTENT, error_key="552")).state is JobState.FAILED


def test_a_postponed_person_comes_back_when_the_wait_is_over_and_pays_no_try():
    outcome = Outcome(OutcomeClass.TRANSIENT, action=Action.POSTPONE, wait=21 * DAY, error_key="withdrawn")
    assert disposition(outcome, tries=50) == Disposition(JobState.PENDING, NOW + 21 * DAY, "withdrawn", False)
