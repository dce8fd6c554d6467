"""Plans: seeded, cumulative, in order, within their gaps; and what the pacing says about itself."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.caps import Cap
from engine.planning.pacing import MODES, PRESETS, Pacing, estimate, plan
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

START = 1_700_000_000 * SECOND
HUMAN = Pacing("human")
SEEDS = st.integers(0, 2**63 - 1)
SHAPES = st.sampled_from(["uniform", "lognormal"])


@st.composite
def pacings(draw):
    low, high = sorted(draw(st.tuples(st.integers(0, DAY), st.integers(0, DAY))))
    return Pacing(
        mode=draw(st.sampled_from(MODES)),
        gap_min=low,
        gap_max=high,
        rate=Cap(draw(st.integers(1, 10_000)), draw(st.sampled_from([SECOND, MINUTE, HOUR, DAY]))),
        jitter=draw(st.floats(0, 1)),
        concurrency=draw(st.integers(1, 50)),
        batch_delay=draw(st.integers(0, HOUR)),
        distribution=draw(SHAPES),
    )


def slots(pacing, n, *, seed=7, offset=0, start=START):
    return list(plan(pacing, n, start=start, seed=seed, offset=offset))


@given(pacings(), st.integers(0, 80), SEEDS)
def test_a_plan_has_its_length_in_order_in_whole_microseconds_and_repeats(pacing, n, seed):
    made = slots(pacing, n, seed=seed)
    assert len(made) == n
    assert all(type(slot.due_at) is int and type(slot.gap) is int and slot.gap >= 0 for slot in made)
    assert all(a.due_at <= b.due_at for a, b in itertools.pairwise(made))
    assert slots(pacing, n, seed=seed) == made


@given(pacings(), st.integers(0, 40), st.integers(0, 40), SEEDS)
def test_slices_by_offset_or_by_one_iterator_join_to_the_same_plan(pacing, one, two, seed):
    whole = slots(pacing, one + two, seed=seed)
    assert slots(pacing, one, seed=seed) + slots(pacing, two, seed=seed, offset=one) == whole
    running = plan(pacing, one + two, start=START, seed=seed)
    assert list(itertools.islice(running, one)) + list(running) == whole


@given(pacings(), st.integers(1, 60), SEEDS, st.integers(-(10**15), 10**15))
def test_another_start_moves_the_plan_and_changes_no_gap(pacing, n, seed, shift):
    moved = slots(pacing, n, seed=seed, start=START + shift)
    same = slots(pacing, n, seed=seed)
    assert [slot.gap for slot in moved] == pytest.approx([slot.gap for slot in same], abs=1)
    assert moved[-1].due_at - same[-1].due_at == pytest.approx(shift, abs=1)


@given(st.integers(0, DAY), st.integers(0, DAY), SHAPES, SEEDS)
def test_human_gaps_lie_between_their_bounds_and_add_up_from_the_first(low, extra, shape, seed):
    made = slots(Pacing("human", gap_min=low, gap_max=low + extra, distribution=shape), 50, seed=seed)
    assert all(low <= slot.gap <= low + extra for slot in made)
    assert made[0].due_at == START + made[0].gap
    assert all(b.due_at == a.due_at + b.gap for a, b in itertools.pairwise(made))


@given(SHAPES, st.lists(SEEDS, min_size=2, max_size=2, unique=True))
def test_different_seeds_give_different_plans(shape, seeds):
    pacing = Pacing("human", distribution=shape)
    assert slots(pacing, 5, seed=seeds[0]) != slots(pacing, 5, seed=seeds[1])


@pytest.mark.parametrize("shape", ["uniform", "lognormal"])
def test_human_gaps_reach_over_their_whole_range(shape):
    gaps = [slot.gap for slot in slots(Pacing("human", distribution=shape), 5_000)]
    assert min(gaps) < 16 * MINUTE
    assert max(gaps) > 88 * MINUTE
    assert len(set(gaps)) > 4_000


def test_twenty_at_15_to_90_minutes_take_5_to_30_hours():
    taken = slots(HUMAN, 20)[-1].due_at - START
    assert 5 * HOUR <= taken <= 30 * HOUR
    made = estimate(HUMAN, 20, start=START, seed=7)
    assert (made.last_low, made.last_high) == (START + 5 * HOUR, START + 30 * HOUR)
    assert made.first == slots(HUMAN, 1)[0].due_at
    assert made.text == "20 at 15-90 min takes 5 to 30 hours"


@given(st.integers(1, 10_000), st.sampled_from([SECOND, MINUTE, HOUR]), st.floats(0, 1), SEEDS)
def test_steady_keeps_its_rate_exactly_over_any_length(n, period, jitter, seed):
    made = slots(Pacing("steady", rate=Cap(n, period), jitter=jitter), 200, seed=seed)
    interval = period / n
    for number, slot in enumerate(made, start=1):
        assert abs(slot.due_at - START - number * interval) <= jitter * interval / 2 + 2
        assert interval * (1 - jitter) - 3 <= slot.gap <= interval * (1 + jitter) + 3
    assert made[0].due_at == START + made[0].gap
    assert all(b.due_at == a.due_at + b.gap for a, b in itertools.pairwise(made))


def test_steady_without_jitter_does_not_drift_in_a_million_thirds():
    last = slots(Pacing("steady", rate=Cap(3, SECOND), jitter=0.0), 1, offset=299_999)[0]
    assert last.due_at == START + 100_000 * SECOND


@given(st.integers(1, 40), st.integers(0, HOUR), st.integers(1, 300))
def test_blast_rounds_share_a_due_time_and_their_leader_carries_the_delay(concurrency, delay, n):
    made = slots(Pacing("blast", concurrency=concurrency, batch_delay=delay), n)
    for number, slot in enumerate(made):
        assert slot.due_at == START + number // concurrency * delay
        assert slot.gap == (0 if number % concurrency else delay)


def test_500_at_10_every_2_seconds_are_50_rounds_in_98_seconds():
    pacing = Pacing.preset("recommended")
    made = slots(pacing, 500)
    assert made[-1].due_at - START == 98 * SECOND
    assert len({slot.due_at for slot in made}) == 50
    assert sum(slot.gap > 0 for slot in made) == 50
    assert estimate(pacing, 500, start=START, seed=1).text == "500 at 10 every 2s takes 1m38s"
    slow = estimate(pacing, 500, start=START, seed=1, service_time_us=SECOND, concurrency=10)
    assert (slow.first, slow.last_low - START, slow.last_high - START) == (START, 99 * SECOND, 148 * SECOND)


def test_a_hundred_thousand_slots_are_lazy():
    running = plan(HUMAN, 100_000, start=START, seed=1)
    assert next(running).gap >= 15 * MINUTE
    assert sum(1 for _ in running) == 99_999


@given(pacings(), st.integers(1, 60), SEEDS)
def test_the_plan_ends_within_its_estimate(pacing, n, seed):
    made = estimate(pacing, n, start=START, seed=seed)
    last = slots(pacing, n, seed=seed)[-1].due_at
    assert made.last_low - 2 <= last <= made.last_high + 2
    assert made.text.startswith(f"{n} at ")


def test_capacity_stretches_an_estimate_that_the_pacing_alone_would_not_allow():
    made = estimate(Pacing("steady", rate=Cap(60, MINUTE)), 60, start=0, seed=1, service_time_us=MINUTE, concurrency=2)
    assert made.last_low == made.last_high == 30 * MINUTE


def test_nothing_to_send_says_so():
    assert estimate(HUMAN, 0, start=START, seed=1).text == "nothing to send"


@pytest.mark.parametrize("wrong", [{"n": -1}, {"n": 1, "offset": -1}])
def test_a_negative_length_or_offset_is_a_bug(wrong):
    with pytest.raises(ValueError):
        list(plan(HUMAN, start=0, seed=1, **wrong))


@given(pacings())
def test_a_pacing_survives_being_written_and_read(pacing):
    assert Pacing.from_dict(pacing.to_dict()) == pacing


def test_texts_and_whole_microseconds_are_read():
    read = Pacing.from_dict({"mode": "human", "gap_min": "1m", "gap_max": 90 * SECOND, "distribution": "lognormal"})
    assert read == Pacing("human", gap_min=MINUTE, gap_max=90 * SECOND, distribution="lognormal")
    assert Pacing.from_dict({"mode": "steady", "rate": "30/h"}).rate == Cap(30, HOUR)


@pytest.mark.parametrize(
    ("name", "concurrency", "delay", "risk"),
    [
        ("very_safe", 5, 3 * SECOND, "very safe"),
        ("recommended", 10, 2 * SECOND, "recommended"),
        ("aggressive", 15, SECOND, "aggressive"),
        ("Risky", 20, SECOND // 2, "risky"),
    ],
)
def test_presets_carry_their_figures_and_the_word_for_their_risk(name, concurrency, delay, risk):
    pacing = Pacing.preset(name)
    assert (pacing.mode, pacing.concurrency, pacing.batch_delay) == ("blast", concurrency, delay)
    assert pacing.risk == risk
    assert risk in pacing.describe()


def test_a_field_beside_a_preset_overrides_it():
    pacing = Pacing.from_dict({"preset": "very safe", "concurrency": 3})
    assert (pacing.concurrency, pacing.batch_delay, pacing.risk) == (3, 3 * SECOND, "")


def test_nothing_given_is_the_very_safe_blast():
    assert Pacing.from_dict({}).risk == PRESETS["very_safe"].risk


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"gap_min": "15m"}, "mode"),
        ({"mode": "warp"}, "mode"),
        ({"mode": 3}, "mode"),
        ({"mode": "human", "gap_min": "2h", "gap_max": "1h"}, "gap_max"),
        ({"mode": "human", "gap_min": -1}, "gap_min"),
        ({"mode": "human", "gap_min": "soon"}, "gap_min"),
        ({"mode": "human", "gap_max": "31d"}, "gap_max"),
        ({"mode": "human", "gap_max": 1.5}, "gap_max"),
        ({"mode": "human", "gap_max": True}, "gap_max"),
        ({"mode": "human", "distribution": "normal"}, "distribution"),
        ({"mode": "steady", "rate": "many"}, "rate"),
        ({"mode": "steady", "rate": 60}, "rate"),
        ({"mode": "steady", "jitter": 2}, "jitter"),
        ({"mode": "steady", "jitter": float("nan")}, "jitter"),
        ({"mode": "steady", "jitter": "some"}, "jitter"),
        ({"mode": "blast", "concurrency": 0}, "concurrency"),
        ({"mode": "blast", "concurrency": "10"}, "concurrency"),
        ({"mode": "blast", "batch_delay": -1}, "batch_delay"),
        ({"mode": "human", "preset": "risky"}, "preset"),
        ({"preset": "suicidal"}, "preset"),
        ({"mode": "blast", "speed": 9}, "speed"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(data, field):
    with pytest.raises(UsageError, match=rf"pacing\.{field}"):
        Pacing.from_dict(data)


@pytest.mark.parametrize(
    ("pacing", "text"),
    [
        (HUMAN, "human: one every 15-90 min"),
        (Pacing("human", distribution="lognormal"), "human: one every 15-90 min, log-normal"),
        (Pacing("human", gap_min=MINUTE, gap_max=MINUTE), "human: one every 1m"),
        (Pacing("steady"), "steady: 60/min, +-10 %"),
        (Pacing("blast", concurrency=4), "blast: 4 at once, 3s between rounds"),
        (Pacing.preset("risky"), "blast: 20 at once, 500ms between rounds (risky)"),
    ],
)
def test_a_pacing_describes_itself(pacing, text):
    assert pacing.describe() == text
