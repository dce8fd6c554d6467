"""Plans through windows: gaps in open time, rests, the day's cap spread, and what an estimate says of them."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.planning.caps import Cap
from engine.planning.pacing import MODES, Pacing, estimate, plan
from engine.planning.pacing_settings import PROVIDERS
from engine.planning.windows import Window
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.window_oracle import ZONES, local, us

BERLIN = "Europe/Berlin"
OFFICE = Window.from_dict({"hours": "mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00", "zone": BERLIN})
NIGHTS = Window.from_dict({"hours": "daily 21:30-02:30", "zone": "America/New_York"})
NEVER = [date(2026, 11, 1) + timedelta(days=n) for n in range(500)]
SUNDAY = us("2026-11-22T06:00+01:00")
MONDAY = us("2026-11-23T00:00+01:00")
SPREAD = Pacing("steady", spread=True)

SEEDS = st.integers(0, 2**63 - 1)
STARTS = st.integers(us("2024-01-01T00:00Z"), us("2028-12-31T00:00Z"))
WINDOWS = st.sampled_from([OFFICE, NIGHTS, *(OFFICE.in_zone(zone) for zone in ZONES)])


@st.composite
def pacings(draw):
    mode = draw(st.sampled_from(MODES))
    low, high = sorted(draw(st.tuples(st.integers(0, 3 * HOUR), st.integers(0, 3 * HOUR))))
    rests = {"burst": draw(st.integers(1, 6)), "rest": draw(st.integers(1, 5 * HOUR))} if mode == "human" else {}
    return Pacing(
        mode=mode,
        gap_min=low,
        gap_max=high,
        rate=Cap(draw(st.integers(1, 100)), draw(st.sampled_from([MINUTE, HOUR]))),
        jitter=draw(st.floats(0, 1)),
        concurrency=draw(st.integers(1, 20)),
        batch_delay=draw(st.integers(0, HOUR)),
        distribution=draw(st.sampled_from(["uniform", "lognormal"])),
        **(rests if draw(st.booleans()) else {}),
    )


def test_ten_thousand_human_plans_keep_their_gaps_within_bounds_in_order_and_in_the_window():
    pacing = Pacing("human", gap_min=20 * MINUTE, gap_max=50 * MINUTE)
    for seed in range(10_000):
        before = MONDAY + seed * 7 * MINUTE
        for due, gap in plan(pacing, 12, start=before, seed=seed, window=OFFICE):
            assert 20 * MINUTE <= gap <= 50 * MINUTE
            assert due - before >= gap
            assert OFFICE.is_open(due)
            before = due


@given(pacings(), WINDOWS, STARTS, SEEDS, st.integers(0, 60))
def test_a_plan_through_a_window_is_the_plan_without_it_in_open_time(pacing, window, start, seed, n):
    made = list(plan(pacing, n, start=start, seed=seed, window=window))
    alone = list(plan(pacing, n, start=start, seed=seed))
    assert [slot.gap for slot in made] == [slot.gap for slot in alone]
    for slot, plain in zip(made, alone, strict=True):
        assert window.is_open(slot.due_at)
        assert window.open_time(start, slot.due_at) == plain.due_at - start
    for (one, two), (plain_one, plain_two) in zip(itertools.pairwise(made), itertools.pairwise(alone), strict=True):
        assert two.due_at - one.due_at >= plain_two.due_at - plain_one.due_at


@given(pacings(), WINDOWS, STARTS, SEEDS, st.integers(0, 30), st.integers(0, 30))
def test_the_same_seed_gives_the_same_plan_and_slices_join_to_it(pacing, window, start, seed, one, two):
    whole = list(plan(pacing, one + two, start=start, seed=seed, window=window))
    later = list(plan(pacing, two, start=start, seed=seed, window=window, offset=one))
    assert whole[one:] == later


@given(pacings(), WINDOWS, STARTS, SEEDS, st.integers(1, 40))
def test_a_plan_through_a_window_ends_within_its_estimate(pacing, window, start, seed, n):
    made = estimate(pacing, n, start=start, seed=seed, window=window)
    slots = list(plan(pacing, n, start=start, seed=seed, window=window))
    assert made.first == slots[0].due_at
    # The estimate of a steady rate is rounded to a microsecond; at a closing that is a night.
    assert made.last_low - 2 <= slots[-1].due_at or window.open_time(slots[-1].due_at, made.last_low) <= 2
    assert slots[-1].due_at <= made.last_high + 2 or window.open_time(made.last_high, slots[-1].due_at) <= 2


def test_a_morning_begins_where_the_evening_ended_and_not_with_a_burst():
    made = list(plan(Pacing("human"), 60, start=SUNDAY, seed=3, window=OFFICE))
    for one, two in itertools.pairwise(made):
        if one.due_at // DAY != two.due_at // DAY:
            assert two.due_at - one.due_at >= two.gap
            assert OFFICE.open_time(one.due_at, two.due_at) == two.gap
    mornings = Counter(local(slot.due_at, BERLIN)[:13] for slot in made)
    assert max(mornings.values()) <= 5


def test_the_first_gap_runs_from_the_opening():
    (first,) = plan(Pacing("human", gap_min=HOUR, gap_max=HOUR), 1, start=SUNDAY, seed=1, window=OFFICE)
    assert local(first.due_at, BERLIN) == "2026-11-23 10:00"


def test_rounds_of_a_blast_wait_for_the_morning():
    made = list(plan(Pacing(concurrency=2, batch_delay=3 * HOUR), 8, start=SUNDAY, seed=1, window=OFFICE))
    assert [local(slot.due_at, BERLIN) for slot in made[::2]] == [
        "2026-11-23 09:00",
        "2026-11-23 13:00",
        "2026-11-23 16:00",
        "2026-11-24 11:00",
    ]
    assert [slot.due_at for slot in made[::2]] == [slot.due_at for slot in made[1::2]]
    assert [slot.gap for slot in made] == [3 * HOUR, 0] * 4


@given(st.integers(1, 9), st.integers(1, 3 * HOUR), st.integers(0, HOUR), st.integers(0, HOUR), SEEDS)
def test_a_rest_follows_every_burst(burst, rest, low, extra, seed):
    pacing = Pacing("human", gap_min=low, gap_max=low + extra, burst=burst, rest=rest)
    plain = Pacing("human", gap_min=low, gap_max=low + extra)
    for number, (slot, drawn) in enumerate(
        zip(plan(pacing, 40, start=0, seed=seed), plan(plain, 40, start=0, seed=seed), strict=True)
    ):
        assert slot.gap - drawn.gap == (rest if number and number % burst == 0 else 0)


def test_an_estimate_below_a_second_names_no_zero():
    five = Pacing.from_dict({"mode": "blast", "concurrency": 10, "batch_delay": "300ms"})
    assert estimate(five, 5, start=0, seed=7).text == "5 at 10 every 300ms takes less than a second"


def test_rests_count_in_the_estimate():
    made = estimate(Pacing("human", burst=5, rest=2 * HOUR), 20, start=0, seed=1)
    assert (made.last_low, made.last_high) == (5 * HOUR + 6 * HOUR, 30 * HOUR + 6 * HOUR)


@given(st.integers(1, 300), st.floats(0, 1), SEEDS, STARTS, st.sampled_from([OFFICE, NIGHTS, None]))
@settings(max_examples=200)
def test_a_spread_takes_exactly_the_cap_on_every_whole_day_and_keeps_its_order(cap, jitter, seed, start, window):
    pacing = Pacing("steady", spread=True, jitter=jitter)
    made = list(plan(pacing, 4 * cap, start=start, seed=seed, window=window, spread=cap))
    zone = window.zone if window else "UTC"
    days = [list(day) for _, day in itertools.groupby(made, key=lambda slot: local(slot.due_at, zone)[:10])]
    assert all(len(day) == cap for day in days[1:-1])
    assert len(days[0]) <= cap
    assert made[0].due_at >= start
    assert all(slot.gap >= 0 for slot in made)
    for one, two in itertools.pairwise(made):
        assert two.due_at >= one.due_at
        if window:
            assert window.is_open(two.due_at)
            assert abs(window.open_time(one.due_at, two.due_at) - two.gap) <= 2


def test_a_spread_cuts_the_open_time_of_each_day_into_as_many_parts():
    pacing = Pacing("steady", spread=True, jitter=0.0)
    made = list(plan(pacing, 5 * 4 + 4, start=SUNDAY, seed=1, window=OFFICE, spread=4))
    assert [local(slot.due_at, BERLIN) for slot in made[:4]] == [
        "2026-11-23 09:52",
        "2026-11-23 11:37",
        "2026-11-23 14:22",
        "2026-11-23 16:07",
    ]
    assert [local(slot.due_at, BERLIN)[11:] for slot in made[20:]] == ["10:30", "11:30", "12:30", "13:30"]


def test_a_spread_that_begins_at_noon_takes_what_is_left_of_the_day():
    made = list(plan(SPREAD, 8, start=MONDAY + 12 * HOUR, seed=1, window=OFFICE, spread=7))
    assert sum(slot.due_at < MONDAY + DAY for slot in made) == 4
    assert made[0].gap == HOUR


@pytest.mark.parametrize("window", [OFFICE, None])
@pytest.mark.parametrize("n", [1, 7, 30, 95])
def test_a_spread_ends_within_its_estimate(window, n):
    for seed in range(20):
        start = SUNDAY + seed * 5 * HOUR
        made = estimate(SPREAD, n, start=start, seed=seed, window=window, spread=30)
        *_, last = plan(SPREAD, n, start=start, seed=seed, window=window, spread=30)
        assert made.last_low - 1 <= last.due_at <= made.last_high + 1
        assert made.text.startswith(f"{n} at 30/day takes ")


@pytest.mark.parametrize("zone", ["America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Nuuk", "America/St_Johns"])
def test_a_spread_goes_on_over_clocks_that_change_at_midnight(zone):
    window = Window.from_dict({"hours": "always", "zone": zone})
    made = list(plan(SPREAD, 365 * 3, start=us("2026-01-01T12:00Z"), seed=1, window=window, spread=3))
    counts = Counter(local(slot.due_at, zone)[:10] for slot in made)
    assert set(list(counts.values())[1:-1]) == {3}


def test_a_spread_without_a_cap_is_refused_and_told_by_the_accounts_limits():
    with pytest.raises(UsageError, match=r"pacing\.spread"):
        next(plan(SPREAD, 1, start=0, seed=1))
    made = estimate(SPREAD, 10, start=0, seed=1, least=2 * DAY)
    assert (made.last_low, made.last_high) == (2 * DAY, 2 * DAY)
    assert made.text.endswith("takes 2d or more")


@pytest.mark.parametrize("pacing", [Pacing("human"), Pacing("steady"), Pacing(), SPREAD])
def test_a_window_that_does_not_open_is_refused_in_words(pacing):
    shut = Window.from_dict({"hours": "always", "zone": BERLIN, "closed": [str(day) for day in NEVER]})
    for act in (
        lambda: next(plan(pacing, 1, start=MONDAY, seed=1, window=shut, spread=5)),
        lambda: estimate(pacing, 1, start=MONDAY, seed=1, window=shut, spread=5),
    ):
        with pytest.raises(UsageError, match="does not open"):
            act()


@pytest.mark.parametrize("name", PROVIDERS)
def test_presets_of_providers_are_the_figures_of_their_table(name):
    pacing = Pacing.preset(name)
    figures = {
        "gmail": ("blast", 5, 3 * SECOND),
        "workspace": ("blast", 10, 2 * SECOND),
        "linkedin_free": ("human", 15 * MINUTE, 90 * MINUTE),
        "linkedin_paid": ("human", 15 * MINUTE, 90 * MINUTE),
        "cold": ("steady", Cap(2, MINUTE)),
    }[name]
    told = {
        "human": (pacing.gap_min, pacing.gap_max),
        "blast": (pacing.concurrency, pacing.batch_delay),
        "steady": (pacing.rate,),
    }
    assert (pacing.mode, *told[pacing.mode]) == figures


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"mode": "human", "burst": 5}, "rest"),
        ({"mode": "human", "rest": "30m"}, "rest"),
        ({"mode": "human", "burst": -1, "rest": "30m"}, "burst"),
        ({"mode": "human", "burst": 5, "rest": "31d"}, "rest"),
        ({"mode": "human", "burst": "5", "rest": "30m"}, "burst"),
        ({"mode": "steady", "burst": 5, "rest": "30m"}, "burst"),
        ({"mode": "human", "spread": True}, "spread"),
        ({"mode": "steady", "spread": "yes"}, "spread"),
        ({"mode": "steady", "spread": True, "rate": "10/h"}, "rate"),
        ({"mode": "blast", "preset": "linkedin-free"}, "preset"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(data, field):
    with pytest.raises(UsageError, match=rf"pacing\.{field}"):
        Pacing.from_dict(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"mode": "human", "burst": 5, "rest": "30m"}, "human: one every 15-90 min, 30m more after every 5"),
        ({"mode": "steady", "spread": True}, "steady: the day's cap over the open time, +-10 %"),
        ({"preset": "linkedin free"}, "human: one every 15-90 min"),
        ({"preset": "linkedin-paid", "gap_min": "30m"}, "human: one every 30-90 min"),
    ],
)
def test_what_was_set_is_told_and_survives_being_written(data, text):
    pacing = Pacing.from_dict(data)
    assert pacing.describe() == text
    assert Pacing.from_dict(pacing.to_dict()) == pacing
