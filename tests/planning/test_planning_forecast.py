"""The simulated queue keeps every rule that the real one keeps, whatever it is given; a forecast only counts."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.planning.caps import Cap, Ramp
from engine.planning.forecast import forecast
from engine.planning.lanes import Lane, Measured, QueueNow, Run, Station, Waiting
from engine.planning.limits import Limits
from engine.planning.network import simulate
from engine.planning.pacing import Pacing, plan
from engine.planning.windows import Window
from storage.model import DAY, HOUR, MINUTE, SECOND

START = 1_774_602_000 * SECOND
"""2026-03-27 09:00 UTC: two days before the clocks of Europe go forward."""
WORKDAYS = Window.from_dict({"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"})

caps = st.builds(Cap, st.integers(1, 12), st.sampled_from([MINUTE, HOUR, DAY, 7 * DAY]), st.booleans())
limits = st.builds(
    Limits,
    concurrency=st.integers(1, 4),
    min_gap=st.sampled_from([0, 0, 20 * SECOND, 5 * MINUTE]),
    domain_gap=st.sampled_from([0, 0, MINUTE]),
    caps=st.lists(caps, max_size=3).map(tuple),
    window=st.sampled_from([None, WORKDAYS]),
    warmup=st.sampled_from([None, Ramp(2, step=1, ceiling=5)]),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
)
pacings = st.sampled_from(
    [Pacing(), Pacing("blast", concurrency=4, batch_delay=0), Pacing("steady"), Pacing("human", MINUTE, 20 * MINUTE)]
)
measured = st.builds(
    Measured,
    st.lists(st.integers(0, 3 * MINUTE), max_size=4).map(tuple),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.0, 0.1]),
)


def lane(pacing: Pacing, n: int, seed: int, **more: object) -> Lane:
    slots = plan(pacing, n, start=START, seed=seed)
    jobs = tuple(Waiting(slot.due_at, i, slot.gap, f"d{i % 3}.example") for i, slot in enumerate(slots))
    return Lane(f"c{seed}", jobs, across=pacing.mode == "human", started_at=START, **more)  # type: ignore[arg-type]


def begun(run: Run) -> list[int]:
    return sorted(at for line in run.lanes for at in line.begun)


@settings(deadline=None, max_examples=60)
@given(limits, st.lists(st.tuples(pacings, st.integers(0, 25)), min_size=1, max_size=3), measured, st.integers(0, 99))
def test_no_limit_is_ever_passed_and_nobody_is_lost(
    limits: Limits, lanes: list[tuple[Pacing, int]], measured: Measured, seed: int
) -> None:
    made = [lane(pacing, n, i) for i, (pacing, n) in enumerate(lanes)]
    (run,) = simulate([Station(QueueNow(limits), made, measured)], now=START, rng=random.Random(seed))
    times = begun(run)
    for line, own in zip(run.lanes, made, strict=True):
        assert len(line.sent) + line.failed + line.never == len(own.jobs)
        assert line.begun == sorted(line.begun) and not line.never
    for cap in limits.caps:
        if cap.calendar:
            for _, inside in itertools.groupby(times, lambda at, cap=cap: cap.bounds(at, ZoneInfo(limits.zone))):
                assert len(list(inside)) <= cap.n
        else:
            assert all(late - early >= cap.period for early, late in zip(times, times[cap.n :], strict=False))
    assert all(late - early >= limits.min_gap for early, late in itertools.pairwise(times))
    assert limits.window is None or all(limits.window.is_open(at) for at in times)
    if limits.warmup is not None:
        day = Cap(1, DAY, True)
        sizes = [
            len(list(rows)) for _, rows in itertools.groupby(times, lambda at: day.bounds(at, ZoneInfo(limits.zone)))
        ]
        assert all(n <= limits.warmup.ladder()[min(i, 3)] for i, n in enumerate(sizes))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(0, 99), st.sampled_from([0, 1, 2]))
def test_gaps_hold_while_the_rate_is_halved(n: int, seed: int, throttle: int) -> None:
    own = lane(Pacing("human", MINUTE, 9 * MINUTE), n, seed)
    queue = QueueNow(Limits(), throttle=throttle, last_start=START)
    (run,) = simulate([Station(queue, [own])], now=START, rng=random.Random(1))
    times = run.lanes[0].begun
    for i, (early, late) in enumerate(itertools.pairwise(times)):
        # Thirty good answers double the rate again.
        assert late - early >= own.jobs[i + 1].gap << max(0, throttle - (i + 1) // 30)


def test_campaigns_share_by_weight_and_a_small_one_does_not_wait() -> None:
    blast = Pacing("blast", concurrency=10, batch_delay=0)
    made = [lane(blast, 4_000, 1, weight=3), lane(blast, 4_000, 2), lane(blast, 3, 3)]
    queue = QueueNow(Limits(caps=(Cap(60, MINUTE),)))
    (run,) = simulate([Station(queue, made)], now=START, rng=random.Random(1))
    heavy, light, small = run.lanes
    assert small.ended - START < MINUTE
    inside = [sum(at < START + 30 * MINUTE for at in line.sent) for line in (heavy, light)]
    assert abs(inside[0] / inside[1] - 3) < 0.1


def test_a_higher_priority_goes_first_but_lets_nobody_starve() -> None:
    blast = Pacing("blast", concurrency=10, batch_delay=0)
    made = [lane(blast, 60, 1, priority=5), lane(blast, 60, 2, priority=7)]
    (run,) = simulate([Station(QueueNow(Limits(min_gap=5 * MINUTE)), made)], now=START, rng=random.Random(1))
    assert run.lanes[1].sent[0] < run.lanes[0].sent[0]
    assert run.lanes[0].sent[0] - START <= 2 * HOUR


def test_what_binds_each_day_is_named_and_days_are_those_of_the_account() -> None:
    limits = Limits(caps=(Cap(100, DAY, True),), window=WORKDAYS, zone="Europe/Berlin")
    told = forecast(lambda draw: [Station(QueueNow(limits), [lane(Pacing(), 250, 1)])], now=START, seed=1)
    assert [(day["day"], day["sends"], day["bound_by"]) for day in told.to_dict()["days"]] == [
        ("2026-03-27", 100, "100/day calendar"),
        ("2026-03-30", 100, "100/day calendar"),
        ("2026-03-31", 50, "pacing"),
    ]
    assert told.certain and told.draws == 1 and told.earliest == told.latest
    monday = told.to_dict()["days"][1]["hours"]
    assert [hour["hour"] for hour in monday] == ["09:00"], "the clocks have gone forward"


def bound(limits: Limits, own: Lane, now: int) -> list[tuple[int, str]]:
    told = forecast(lambda draw: [Station(QueueNow(limits), [own])], now=now, seed=1)
    return [(day.sends, day.bound_by) for day in told.days]


def test_a_night_before_the_window_opens_is_not_the_pacing_s() -> None:
    """Fifteen hours until the first morning, then eight of an hourly cap: it is the cap that binds the day."""
    evening = START + 8 * HOUR  # Friday 18:00 in Berlin
    slots = plan(Pacing("steady"), 120, start=evening, seed=1, window=WORKDAYS)
    own = Lane("c", tuple(Waiting(slot.due_at, i, slot.gap) for i, slot in enumerate(slots)), started_at=evening)
    limits = Limits(caps=(Cap(10, HOUR),), window=WORKDAYS, zone="Europe/Berlin")
    assert bound(limits, own, evening) == [(80, "10/h"), (40, "10/h")]


def test_a_quota_that_keeps_the_rest_for_another_day_binds_however_late_it_is_reached() -> None:
    hourly = Pacing("human", HOUR, HOUR)
    morning = START - HOUR
    for limits, by in (
        (Limits(caps=(Cap(6, DAY, True),), zone="Europe/Berlin"), "6/day calendar"),
        (Limits(warmup=Ramp(6, step=1, ceiling=8), zone="Europe/Berlin"), "warm-up"),
    ):
        for window, rest in ((None, [(1, "pacing"), (2, "pacing")]), (WORKDAYS, [(3, "pacing")])):
            days = plan(hourly, 9, start=morning, seed=1, window=WORKDAYS)
            own = Lane("c", tuple(Waiting(slot.due_at, i, slot.gap) for i, slot in enumerate(days)), across=True)
            assert bound(replace(limits, window=window), own, morning) == [(6, by), *rest]


@pytest.mark.parametrize("window", [None, WORKDAYS], ids=["always", "workdays"])
@pytest.mark.parametrize(
    "limited",
    [
        {"caps": (Cap(30, DAY),), "warmup": Ramp(5, step=1, ceiling=20)}, {"warmup": Ramp(5, step=1, ceiling=20)},
        {"caps": (Cap(12, DAY, True),)}, {"caps": (Cap(30, DAY),)}, {"caps": (Cap(40, HOUR), Cap(70, 7 * DAY))},
        {"min_gap": 7 * MINUTE}, {},
    ],
    ids=str,
)  # fmt: skip
def test_the_least_time_of_an_estimate_is_never_above_that_of_the_limits_and_near_it_where_days_count(
    limited: dict[str, Any], window: Window | None
) -> None:
    limits = Limits(**limited, window=window, zone="Europe/Berlin")
    overdue = tuple(Waiting(START, i) for i in range(300))
    (run,) = simulate([Station(QueueNow(limits), [Lane("c", overdue)])], now=START, rng=random.Random(1))
    took = run.lanes[0].begun[-1] - run.lanes[0].begun[0]
    least = limits.least_time(300, start=START, window=window)
    assert least <= took
    if any(cap.period == DAY for cap in limits.caps) or limits.warmup is not None:
        assert least > took - DAY
    assert limits.least_time(1, start=START, window=window) == 0


def test_the_least_time_of_very_many_goes_on_as_its_first_days_went() -> None:
    limits = Limits(caps=(Cap(1, DAY, True),), window=WORKDAYS, zone="Europe/Berlin")
    assert abs(limits.least_time(100_001, start=START, window=WORKDAYS) - 100_000 * DAY * 7 // 5) < 100 * DAY


def test_chance_makes_a_range_that_holds_the_table_s_own_end() -> None:
    seen = Measured(tuple(range(SECOND, 60 * SECOND, SECOND)), transient=0.05)
    queue = QueueNow(Limits(concurrency=1))
    told = forecast(lambda draw: [Station(queue, [lane(Pacing(), 200, 1)], seen)], now=START, seed=1)
    assert told.draws == 5 and not told.certain
    assert told.earliest is not None and told.latest is not None and told.days[-1].last is not None
    assert told.earliest <= told.days[-1].last <= told.latest and told.earliest < told.latest


def test_nothing_open_is_an_empty_forecast() -> None:
    told = forecast(lambda draw: [Station(QueueNow(Limits()), [lane(Pacing(), 0, 1)])], now=START, seed=1)
    assert (told.open, told.sends, told.days, told.latest) == (0, 0, (), None)


def test_a_window_that_never_opens_ends_the_simulation() -> None:
    own = Window.from_dict({"hours": "mon-fri 09:00-10:00", "zone": "Pacific/Auckland"})
    queue = QueueNow(Limits(window=Window.from_dict({"hours": "mon-fri 09:00-10:00", "zone": "Europe/Berlin"})))
    lanes = [Lane("c", lane(Pacing(), 4, 1).jobs, hours=json.dumps(own.to_dict()))]
    (run,) = simulate([Station(queue, lanes)], now=START, rng=random.Random(1))
    assert run.lanes[0].never == 4 and not run.lanes[0].begun


def test_what_holds_another_campaign_after_the_last_message_binds_nothing() -> None:
    mine = Lane("mine", tuple(Waiting(START, i, 0, "d.example") for i in range(10)), started_at=START)
    tomorrow = Lane("other", (Waiting(START + DAY, 99, 0, "d.example"),), started_at=START)
    limits = Limits(caps=(Cap(2, MINUTE),))
    told = forecast(lambda draw: [Station(QueueNow(limits), [mine, tomorrow])], now=START, seed=1)
    assert [(day.sends, day.bound_by) for day in told.days] == [(10, "2/min")]


@pytest.mark.parametrize("people", [10, 30])
def test_a_gap_per_domain_that_holds_a_day_is_named(people: int) -> None:
    lane = Lane("c", tuple(Waiting(START, i, 0, "d.example") for i in range(people)), started_at=START)
    queue = QueueNow(Limits(domain_gap=MINUTE))
    told = forecast(lambda draw: [Station(queue, [lane], Measured((SECOND, 5 * SECOND)))], now=START, seed=1)
    assert [(day.sends, day.bound_by) for day in told.days] == [(people, "domain gap")]


def test_nobody_asks_for_a_domain_before_the_gap_of_the_queue_is_over() -> None:
    """Overdue messages keep their order: the second one's domain is free when the queue's own gap is."""
    jobs = (
        Waiting(START - 3, 1, 0, "one.example"),
        Waiting(START - 2, 2, 0, "one.example"),
        Waiting(START - 1, 3, HOUR, "two.example"),
    )
    station = Station(QueueNow(Limits(min_gap=3 * MINUTE, domain_gap=30 * SECOND)), [Lane("c", jobs)])
    (run,) = simulate([station], now=START, rng=random.Random(1))
    assert begun(run) == [START, START + 3 * MINUTE, START + 3 * MINUTE + HOUR]
