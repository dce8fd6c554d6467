"""Firings that nobody was there for: which are made up for, which are given up, and that none comes twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.cron import Cron
from engine.planning.missed import MOST_CAUGHT_UP, MOST_COUNTED, POLICIES, TOLERANCE, Missed, missed
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.window_oracle import us

NIGHTLY = Cron.parse("0 2 * * *", "UTC")
HOURLY = Cron.parse("0 * * * *", "UTC")
MINUTELY = Cron.parse("* * * * *", "UTC")
TWO = us("2026-11-22T02:00Z")
POLICY = {name: Missed(name) for name in POLICIES}


@pytest.mark.parametrize("policy", POLICIES)
def test_before_its_time_nothing_fires(policy):
    verdict = missed(NIGHTLY, TWO - DAY, TWO - 1, POLICY[policy])
    assert (verdict.fire, verdict.missed, verdict.next_at) == ((), 0, TWO)
    assert (verdict.missed_first, verdict.missed_last, verdict.more) == (None, None, False)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("late", [0, SECOND, TOLERANCE])
def test_a_firing_within_the_tolerance_is_on_time_under_every_policy(policy, late):
    verdict = missed(NIGHTLY, TWO - DAY, TWO + late, POLICY[policy])
    assert (verdict.fire, verdict.missed, verdict.next_at) == ((TWO,), 0, TWO + DAY)


def test_skip_gives_up_what_is_later_than_the_tolerance():
    verdict = missed(HOURLY, TWO - HOUR, TWO + 2 * HOUR + TOLERANCE + 1, POLICY["skip"])
    assert (verdict.fire, verdict.missed) == ((), 3)
    assert (verdict.missed_first, verdict.missed_last) == (TWO, TWO + 2 * HOUR)
    assert verdict.next_at == TWO + 3 * HOUR


def test_run_once_makes_up_for_the_latest_alone():
    verdict = missed(HOURLY, TWO - HOUR, TWO + 4 * HOUR + 30 * MINUTE, POLICY["run_once"])
    assert (verdict.fire, verdict.missed) == ((TWO + 4 * HOUR,), 4)
    assert (verdict.missed_first, verdict.missed_last) == (TWO, TWO + 3 * HOUR)


@pytest.mark.parametrize(("late", "fires"), [(HOUR, True), (HOUR + 1, False)])
def test_run_once_looks_back_as_far_as_its_grace(late, fires):
    verdict = missed(NIGHTLY, TWO - DAY, TWO + late, POLICY["run_once"])
    assert (verdict.fire, verdict.missed) == (((TWO,), 0) if fires else ((), 1))


def test_a_longer_grace_reaches_further_back():
    assert missed(NIGHTLY, TWO - DAY, TWO + 9 * HOUR, Missed("run_once", grace=9 * HOUR)).fire == (TWO,)


def test_run_once_makes_up_for_nothing_when_one_is_on_time():
    verdict = missed(HOURLY, TWO - HOUR, TWO + HOUR + SECOND, Missed("run_once", grace=DAY))
    assert (verdict.fire, verdict.missed) == ((TWO + HOUR,), 1)


def test_catch_up_fires_each_missed_one_once_in_order_then_what_is_on_time():
    verdict = missed(HOURLY, TWO - HOUR, TWO + 3 * HOUR, POLICY["catch_up"])
    assert (verdict.fire, verdict.missed) == (tuple(TWO + hour * HOUR for hour in range(4)), 0)


def test_catch_up_keeps_the_newest_and_gives_up_the_rest():
    verdict = missed(HOURLY, TWO - HOUR, TWO + 9 * HOUR + 30 * MINUTE, Missed("catch_up", most=3))
    assert verdict.fire == tuple(TWO + hour * HOUR for hour in (7, 8, 9))
    assert (verdict.missed, verdict.missed_first, verdict.missed_last) == (7, TWO, TWO + 6 * HOUR)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_clock_that_was_set_back_repeats_nothing(policy):
    verdict = missed(NIGHTLY, TWO, TWO - 5 * MINUTE, POLICY[policy])
    assert (verdict.fire, verdict.missed, verdict.next_at) == ((), 0, TWO + DAY)


def test_a_year_of_every_minute_is_counted_up_to_a_bound():
    verdict = missed(MINUTELY, TWO - 365 * DAY, TWO + 30 * SECOND, POLICY["catch_up"])
    assert verdict.fire == tuple(TWO - minute * MINUTE for minute in range(10, -1, -1))
    assert (verdict.missed, verdict.more, verdict.missed_words) == (MOST_COUNTED, True, "10,000+")
    assert verdict.missed_first == TWO - 365 * DAY + MINUTE
    assert verdict.missed_last == TWO - 11 * MINUTE


@pytest.mark.parametrize(("beyond", "words"), [(-1, "9,999"), (0, "10,000"), (1, "10,000+")])
def test_up_to_the_bound_the_count_is_exact(beyond, words):
    verdict = missed(MINUTELY, TWO - (MOST_COUNTED + beyond + 1) * MINUTE, TWO + TOLERANCE, POLICY["skip"])
    assert verdict.fire == (TWO, TWO + MINUTE)
    assert verdict.missed_words == words


def test_a_firing_that_summer_time_moved_is_missed_from_its_real_time_on():
    berlin = Cron.parse("30 2 * * *", "Europe/Berlin")
    three = us("2026-03-29T03:00+02:00")
    assert missed(berlin, three - DAY, three + HOUR, POLICY["run_once"]).fire == (three,)
    assert missed(berlin, three - DAY, three + HOUR + 1, POLICY["run_once"]).fire == ()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Missed("sometimes"), "missed: 'sometimes' is no policy"),
        (lambda: Missed("run_once", grace=-1), "missed: grace is below zero"),
        (lambda: Missed("catch_up", most=0), "missed: most must be between 1 and 1,000"),
        (lambda: Missed("catch_up", most=MOST_CAUGHT_UP + 1), "missed: most must be between 1 and 1,000"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(make, says):
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.message == says


@given(
    st.sampled_from([NIGHTLY, HOURLY, Cron.parse("*/20 1-3 * * *", "Europe/Berlin")]),
    st.sampled_from([*POLICY.values(), Missed("run_once", grace=0), Missed("catch_up", most=2)]),
    st.lists(st.integers(-2 * HOUR, 12 * HOUR), max_size=12),
)
def test_however_the_clock_goes_every_time_is_fired_or_given_up_once(cron, policy, steps):
    start = now = last = us("2026-10-24T12:00Z")
    fired: list[int] = []
    given_up = 0
    for step in steps:
        now += step
        verdict = missed(cron, last, now, policy)
        fired += verdict.fire
        given_up += verdict.missed
        last = max([last, *verdict.fire, verdict.missed_last or last])
        assert verdict.next_at == cron.next_after(max(last, now))
    assert fired == sorted(set(fired))
    assert len(fired) + given_up == len(cron.between(start, last, 10_000))
    assert all(at in cron.between(start, last, 10_000) for at in fired)
