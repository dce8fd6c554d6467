"""Messages that keep other hours than their plan does: what is reckoned in parts is what one by one would come to."""

from __future__ import annotations

import random

import pytest

from engine.planning import own_hours
from engine.planning.own_hours import OwnHours, joint_spans
from engine.planning.pacing import Pacing, estimate
from engine.planning.windows import Window
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.window_oracle import local, us

BERLIN = "Europe/Berlin"
OFFICE = Window.from_dict({"hours": "daily 09:00-17:00", "zone": BERLIN, "recipient_zone": "tz"})
MONDAY = us("2026-11-23T00:00+01:00")
HOURLY = Pacing("human", gap_min=HOUR, gap_max=HOUR)
ZONES = (BERLIN, "America/New_York", "Asia/Tokyo", "America/Los_Angeles")
PACINGS = [
    Pacing("human", gap_min=2 * MINUTE, gap_max=5 * MINUTE),
    Pacing("steady", spread=True),
    Pacing(concurrency=5, batch_delay=20 * MINUTE),
]


def hours(zones: list[str], *others: Window) -> OwnHours:
    return OwnHours(zones, lambda zone: joint_spans([OFFICE.for_zone(zone), *others]))


def of(pacing: Pacing, own: OwnHours, **more: int):
    return estimate(
        pacing, len(own.order), start=MONDAY, seed=1, window=OFFICE, own=own,
        spread=100 if pacing.spread else 0, **more,
    )  # fmt: skip


def test_what_a_closed_window_kept_back_leaves_by_its_gaps_from_the_opening_on():
    """Nine to five in New York is 15:00 to 23:00 in Berlin: the six that were due until then leave one an hour, and the
    seventh behind them. The eighth of Berlin's plan is due on Tuesday at nine, the ninth at ten."""
    one_day = of(HOURLY, hours(["America/New_York"] * 7))
    assert [local(at, BERLIN) for at in one_day[:3]] == ["2026-11-23 15:00", "2026-11-23 21:00", "2026-11-23 21:00"]
    two_days = of(HOURLY, hours(["America/New_York"] * 9))
    assert local(two_days.last_high, BERLIN) == "2026-11-24 16:00"


def test_those_at_home_do_not_wait_for_those_abroad():
    both = of(HOURLY, hours([*["America/New_York"] * 3, *[BERLIN] * 2]))
    assert local(both.first, BERLIN) == "2026-11-23 13:00"
    assert local(both.last_high, BERLIN) == "2026-11-23 17:00"


def test_a_minimum_gap_spaces_what_was_kept_back():
    told = of(Pacing(concurrency=5, batch_delay=SECOND), hours(["America/New_York"] * 5), min_gap=2 * HOUR)
    assert local(told.last_high, BERLIN) == "2026-11-24 15:00"


def test_whose_windows_never_open_is_counted_and_holds_up_nobody():
    morning = Window.from_dict({"hours": "daily 09:00-12:00", "zone": BERLIN})
    told = of(HOURLY, hours([BERLIN, "America/New_York", BERLIN], morning))
    assert told.text == "3 at 1h takes 1d9h; the windows of 1 of them never open"
    nobody = of(HOURLY, hours(["America/New_York"], morning))
    assert nobody.text == "1 at 1h: their windows never open"


@pytest.mark.parametrize("pacing", PACINGS, ids=lambda pacing: pacing.mode)
def test_where_everybody_keeps_the_hours_of_the_plan_it_is_the_estimate_of_the_plan(pacing):
    plain = estimate(pacing, 700, start=MONDAY, seed=1, window=OFFICE, spread=100 if pacing.spread else 0)
    own = of(pacing, hours([BERLIN] * 700))
    assert own.first >= plain.first
    assert abs(OFFICE.open_time(MONDAY, own.last_low) - OFFICE.open_time(MONDAY, plain.last_low)) <= 20 * MINUTE
    assert abs(OFFICE.open_time(MONDAY, own.last_high) - OFFICE.open_time(MONDAY, plain.last_high)) <= 20 * MINUTE


@pytest.mark.parametrize("pacing", PACINGS, ids=lambda pacing: pacing.mode)
@pytest.mark.parametrize("sort", [False, True], ids=["mixed", "by zone"])
def test_parts_come_to_what_people_one_by_one_do(pacing, sort, monkeypatch):
    zones = random.Random(5).choices(ZONES, weights=(4, 3, 2, 1), k=3_000)
    own = hours(sorted(zones) if sort else zones)
    parts = of(pacing, own)
    monkeypatch.setattr(own_hours, "PARTS", 3_000)
    exact = of(pacing, own)
    for one, other in zip(parts[1:3], exact[1:3], strict=True):
        assert abs(one - other) <= max(0.01 * (other - MONDAY), DAY)
