"""Calendar caps, warm-up, windows and domain gaps at claim and gate (conformance of any store)."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.caps import Ramp
from storage.domains import domain_of, place_in_line
from storage.limits import Ceiling, Warmup, throttled, warmed
from storage.model import DAY, HOUR, MINUTE, SECOND, JobState
from tests.support.stores import NOON, Desk

MIDNIGHT = NOON // DAY * DAY
TODAY = (DAY, MIDNIGHT, MIDNIGHT + DAY)
TOMORROW = (DAY, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)


# calendar caps


async def test_a_calendar_cap_opens_when_its_period_ends_and_not_before(desk: Desk) -> None:
    await desk.campaign(4)
    for _ in range(2):
        await desk.intent(await desk.claim_one(), caps=[(2, *TODAY)])
        desk.clock.step(MINUTE)
    refused = await desk.ask(await desk.claim_one(), caps=[(2, *TODAY)])
    assert (refused.refused, refused.retry_at) == ("cap", MIDNIGHT + DAY)
    desk.clock.time = MIDNIGHT + DAY
    await desk.intent(await desk.claim_one(), caps=[(2, *TOMORROW)])


async def test_what_started_before_the_period_does_not_count_in_it(desk: Desk) -> None:
    await desk.campaign(3)
    desk.clock.time = MIDNIGHT - 1
    for job in (await desk.claim(2)).jobs:
        await desk.intent(job)
    desk.clock.time = MIDNIGHT
    await desk.campaign(2, name="autumn")
    await desk.intent(await desk.claim_one(), caps=[(1, *TODAY)])
    assert (await desk.ask(await desk.claim_one(), caps=[(1, *TODAY)])).refused == "cap"


async def test_the_last_place_of_a_calendar_cap_is_given_once_in_one_commit(desk: Desk) -> None:
    await desk.campaign(5)
    jobs = (await desk.claim(5)).jobs
    answers = await asyncio.gather(*(desk.ask(job, caps=[(3, *TODAY)]) for job in jobs))
    assert [answer.refused for answer in answers] == ["", "", "", "cap", "cap"]


async def test_a_claim_takes_no_more_than_the_caps_have_room_for(desk: Desk) -> None:
    """Else the fastest of those on their way would take the last place, whoever's turn it is."""
    await desk.campaign(5)
    jobs = (await desk.claim(caps=[(3, *TODAY), (4, HOUR)])).jobs
    assert desk.addresses(jobs) == ["spring-0", "spring-1", "spring-2"]
    waits = await desk.claim(caps=[(3, *TODAY)], unbegun=3)
    assert (waits.jobs, waits.next_at, waits.blocked_by) == ((), None, "cap"), "who is on the way may give it back"
    for job in jobs[:2]:
        await desk.intent(job, caps=[(3, *TODAY)])
    assert not (await desk.claim(caps=[(3, *TODAY)], unbegun=1)).jobs
    await desk.intent(jobs[2], caps=[(3, *TODAY)])
    full = await desk.claim(caps=[(3, *TODAY)])
    assert (full.jobs, full.next_at, full.blocked_by) == ((), MIDNIGHT + DAY, "cap")
    day = Warmup((4,), MIDNIGHT, MIDNIGHT + DAY)
    assert desk.addresses((await desk.claim(warmup=day)).jobs) == ["spring-3"]


async def test_starts_that_left_their_period_make_room_for_a_claim_although_others_are_on_their_way(
    desk: Desk,
) -> None:
    """What is remembered of a cap's room is the least that there is: it is counted anew before it holds anybody."""
    await desk.campaign(8)
    for job in (await desk.claim(3)).jobs:
        await desk.intent(job, caps=[(4, MINUTE)])
    desk.clock.step(MINUTE)
    assert len((await desk.claim(1, caps=[(4, MINUTE)])).jobs) == 1
    assert len((await desk.claim(caps=[(4, MINUTE)], unbegun=1)).jobs) == 3


async def test_a_full_cap_names_its_time_although_others_are_on_their_way(desk: Desk) -> None:
    """None of them can give back what they do not have."""
    await desk.campaign(3)
    await desk.intent(await desk.claim_one(), caps=[(1, MINUTE)])
    full = await desk.claim(caps=[(1, MINUTE)], unbegun=1)
    assert (full.jobs, full.next_at, full.blocked_by) == ((), desk.clock() + MINUTE, "cap")


async def test_a_calendar_cap_counts_what_a_killed_engine_began(desk: Desk) -> None:
    await desk.campaign(3)
    await desk.intent(await desk.claim_one(), caps=[(1, *TODAY)])
    await desk.kill()
    await desk.store.rescue(everything=True)
    assert (await desk.ask(await desk.claim_one(), caps=[(1, *TODAY)])).refused == "cap"


async def test_a_place_comes_back_when_nothing_left(desk: Desk) -> None:
    await desk.campaign(2)
    job = await desk.claim_one()
    attempt = await desk.intent(job, caps=[(1, *TODAY)])
    await desk.end(job, attempt, JobState.FAILED, content_sent=False)
    await desk.intent(await desk.claim_one(), caps=[(1, *TODAY)])


async def test_starts_in_the_future_do_not_count_for_longer_than_the_period(desk: Desk) -> None:
    """A claim that is older than a clock step asks for its intent after it."""
    await desk.campaign(7)
    for job in (await desk.claim(2)).jobs:
        await desk.send(job)
    job = await desk.claim_one()
    desk.clock.step(-6 * HOUR)
    assert (await desk.ask(job, caps=[(3, MINUTE)])).refused == ""
    refused = await desk.ask(await desk.claim_one(), caps=[(3, MINUTE)])
    assert (refused.refused, refused.retry_at) == ("cap", desk.clock() + MINUTE)
    desk.clock.step(MINUTE)
    answers = [await desk.ask(job, caps=[(3, MINUTE)]) for job in (await desk.claim(4)).jobs]
    assert [answer.refused for answer in answers] == ["", "", "", "cap"]


@given(st.integers(1, 1_000_000), st.sampled_from([MINUTE, HOUR, DAY, 7 * DAY]), st.integers(0, 6))
def test_a_halved_rate_halves_caps_of_an_hour_and_less_and_never_closes_them(n: int, period: int, times: int) -> None:
    cap = throttled(Ceiling(n, period), times)
    assert cap.n == (max(1, n // 2**times) if period <= HOUR else n)
    assert cap.period == period


# warm-up


async def sent_on(desk: Desk, day: int, ladder: tuple[int, ...]) -> int:
    """How many the gate lets through on this day."""
    since = MIDNIGHT + day * DAY
    desk.clock.time = since + 9 * HOUR
    warmup = Warmup(ladder, since, since + DAY)
    sent = 0
    while True:
        job = await desk.claim_one()
        answer = await desk.ask(job, warmup=warmup)
        if answer.attempt_id is None:
            assert (answer.refused, answer.retry_at) == ("warm-up", since + DAY)
            return sent
        await desk.end(job, answer.attempt_id, JobState.COMPLETED)
        sent += 1


async def test_a_warm_up_climbs_by_days_of_sending_over_a_kill(desk: Desk) -> None:
    ladder = Ramp(5, step=1, ceiling=8).ladder()
    await desk.campaign(60)
    assert await sent_on(desk, 0, ladder) == 5
    await desk.kill()
    assert await sent_on(desk, 0, ladder) == 0
    assert await sent_on(desk, 1, ladder) == 6
    # A weekend without a message is no day of sending.
    assert await sent_on(desk, 4, ladder) == 7
    await desk.kill()
    assert [await sent_on(desk, day, ladder) for day in (5, 6, 7)] == [8, 8, 8]


@given(
    st.integers(1, 20),
    st.sampled_from([(1, 0.0), (3, 0.0), (0, 0.1), (0, 0.5)]),
    st.lists(st.integers(1, 5), max_size=30),
)
def test_the_rung_of_a_day_is_the_number_of_days_of_sending_before_it(
    start: int, more: tuple[int, float], pauses: list[int]
) -> None:
    ladder = Ramp(start, *more, ceiling=200).ladder()
    days, on, today = 0, 0, MIDNIGHT
    for sent, pause in enumerate(pauses):
        warmup = Warmup(ladder, today, today + DAY)
        morning = warmed(warmup, days, on)
        days, on = days + 1, today
        assert morning == warmed(warmup, days, on), "the first message of a day does not change its rung"
        assert (morning.n, morning.since, morning.until) == (ladder[min(sent, len(ladder) - 1)], today, today + DAY)
        today += pause * DAY


# windows


async def test_a_closed_window_of_the_queue_lets_nothing_be_claimed(desk: Desk) -> None:
    await desk.campaign(1)
    claim = await desk.claim(closed_until=NOON + HOUR)
    assert (claim.jobs, claim.next_at, claim.blocked_by) == ((), NOON + HOUR, "window")
    desk.clock.step(HOUR)
    assert len((await desk.claim(closed_until=NOON + HOUR)).jobs) == 1


async def test_a_window_that_closes_after_the_claim_stops_the_send(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    answer = await desk.ask(job, opens=NOON + HOUR)
    assert (answer.attempt_id, answer.refused) == (None, "window")
    assert desk.state(job.id) == "pending" and not desk.attempts(job.id)


async def test_only_the_campaign_whose_window_is_closed_waits(desk: Desk) -> None:
    hours = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
    await desk.campaign(2, name="night", hours=hours)
    await desk.campaign(2, name="day")
    asked: list[tuple[str, str | None]] = []

    def opens(window: str, fields: str | None, at: int) -> int:
        asked.append((window, fields))
        return NOON + HOUR

    claim = await desk.claim(opens=opens)
    assert desk.addresses(claim.jobs) == ["day-0", "day-1"]
    assert asked and {(json.loads(window)["zone"], fields) for window, fields in asked} == {("Europe/Berlin", None)}
    assert (await desk.claim(opens=opens)).next_at == NOON + HOUR


async def test_who_sleeps_is_moved_to_the_morning_and_the_others_pass(desk: Desk) -> None:
    batch = await desk.campaign(4, hours={"hours": "always", "zone": "UTC", "recipient_zone": "n"})

    def opens(hours: str, fields: str | None, at: int) -> int:
        return NOON + 8 * HOUR if fields is not None and json.loads(fields)["n"] in ("1", "3", 1, 3) else 0

    claim = await desk.claim(opens=opens)
    assert desk.addresses(claim.jobs) == ["spring-1", "spring-3"]
    assert claim.moved
    moved = [desk.job(job) for job in batch.jobs if desk.state(job) == "pending"]
    assert [(row["due_at"], row["reason"]) for row in moved] == [(NOON + 8 * HOUR, "window")] * 2
    assert (await desk.store.promote()) == (0, NOON + 8 * HOUR)
    desk.clock.step(8 * HOUR)
    assert (await desk.store.promote())[0] == 2
    assert desk.addresses((await desk.claim(opens=lambda hours, fields, at: 0)).jobs) == ["spring-0", "spring-2"]


async def test_whose_window_closes_before_its_gap_has_passed_is_moved_at_once(desk: Desk) -> None:
    """What is decided must not depend on whether somebody looks in between."""
    hours = {"hours": "always", "zone": "UTC", "recipient_zone": "n"}
    batch = await desk.campaign(3, hours=hours, gaps=[0, HOUR, 10 * MINUTE])
    await desk.intent(await desk.claim_one())
    evening, morning = NOON + 30 * MINUTE, NOON + 20 * HOUR

    def opens(hours: str, fields: str | None, at: int) -> int:
        return morning if fields is not None and at >= evening else 0

    desk.clock.step(MINUTE)
    claim = await desk.claim(opens=opens)
    assert (claim.jobs, claim.next_at, claim.blocked_by) == ((), NOON + 10 * MINUTE, "gap")
    rows = [desk.job(job) for job in batch.jobs[1:]]
    assert [(row["due_at"], row["reason"]) for row in rows] == [(morning, "window"), (NOON, "")]


async def test_a_campaign_whose_window_closes_before_its_gap_has_passed_holds_nobody(desk: Desk) -> None:
    hours = {"hours": "mon-fri 09:00-13:00", "zone": "UTC"}
    human = {"mode": "human"}
    await desk.campaign(2, name="spring", gaps=[0, HOUR + MINUTE], hours=hours, priority=7, pacing=human)
    await desk.campaign(1, name="autumn", gaps=[10 * MINUTE], pacing=human)
    await desk.intent(await desk.claim_one())
    desk.clock.step(10 * MINUTE)
    assert not (await desk.claim()).jobs, "spring's turn lasts while it waits for its gap"
    closes, monday = NOON + HOUR, NOON + 70 * HOUR
    claim = await desk.claim(opens=lambda hours, fields, at: monday if hours and at >= closes else 0)
    assert desk.addresses(claim.jobs) == ["autumn-0"]


# domain gaps


async def test_who_waits_for_a_gap_is_given_no_place_behind_others_of_the_domain(desk: Desk) -> None:
    """By the time the gap has passed the domain is free again: the order of the campaign stays."""
    batch = await desk.campaign(4, gaps=[0, HOUR, HOUR, HOUR])
    await desk.intent(await desk.claim_one(domain_gap=MINUTE), domain_gap=MINUTE)
    desk.clock.step(SECOND)
    claim = await desk.claim(domain_gap=MINUTE)
    assert (claim.jobs, claim.next_at, claim.moved) == ((), NOON + HOUR, False)
    assert {desk.job(job)["reason"] for job in batch.jobs[1:]} == {""}


async def test_one_of_a_domain_is_claimed_and_the_others_stand_in_line(desk: Desk) -> None:
    batch = await desk.campaign(4)
    assert desk.addresses((await desk.claim(domain_gap=MINUTE)).jobs) == ["spring-0"]
    rows = [desk.job(job) for job in batch.jobs[1:]]
    assert [row["due_at"] for row in rows] == [NOON + n * MINUTE for n in (1, 2, 3)]
    assert {row["reason"] for row in rows} == {"domain"}


async def test_a_start_that_is_late_holds_the_next_and_throws_nobody_back(desk: Desk) -> None:
    batch = await desk.campaign(3)
    job = await desk.claim_one(domain_gap=MINUTE)
    await desk.claim(domain_gap=MINUTE, starting_domains=frozenset({"example.org"}))
    desk.clock.step(300_000)
    await desk.intent(job, domain_gap=MINUTE)
    desk.clock.step(MINUTE - 300_000)
    await desk.store.promote()
    early = await desk.claim(domain_gap=MINUTE)
    assert (early.jobs, early.next_at, early.blocked_by) == ((), NOON + MINUTE + 300_000, "domain")
    desk.clock.step(300_000)
    assert desk.addresses((await desk.claim(domain_gap=MINUTE)).jobs) == ["spring-1"]
    assert desk.job(batch.jobs[2])["due_at"] == NOON + 2 * MINUTE


async def test_while_one_is_on_its_way_no_other_of_its_domain_is_claimed(desk: Desk) -> None:
    await desk.campaign(3)
    assert len((await desk.claim(domain_gap=SECOND)).jobs) == 1
    desk.clock.step(5 * SECOND)
    await desk.store.promote()
    claim = await desk.claim(domain_gap=SECOND, starting_domains=frozenset({"example.org"}))
    assert (claim.jobs, claim.next_at) == ((), desk.clock() + SECOND)


async def test_the_gate_keeps_the_gap_of_a_domain_for_two_that_were_claimed(desk: Desk) -> None:
    await desk.campaign(2)
    one, two = (await desk.claim()).jobs
    granted, refused = await asyncio.gather(*(desk.ask(job, domain_gap=MINUTE) for job in (one, two)))
    assert granted.attempt_id is not None
    assert (refused.refused, desk.job(two.id)["due_at"]) == ("domain", NOON + MINUTE)
    await desk.kill()
    desk.clock.step(MINUTE)
    await desk.store.promote()
    assert desk.addresses((await desk.claim(domain_gap=MINUTE)).jobs) == ["spring-1"]


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@Example.ORG", "example.org"), ("a@example.org.", "example.org"), ('"x@y"@example.org', "example.org"),
        ("nobody", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_domain_is_compared_in_one_form(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@given(st.integers(1, 50), st.integers(1, 100), st.integers(0, 30))
def test_places_in_a_line_are_a_gap_apart_in_the_order_asked(n: int, gap: int, seed: int) -> None:
    rng = random.Random(seed)
    now, last, reserved, places = 1_000, 1_000, 0, []
    for _ in range(n):
        reserved = place_in_line(last, reserved, gap, now, keeps_place=False)
        places.append(reserved)
        now += rng.randrange(gap)
        if place := place_in_line(last, reserved, gap, now, keeps_place=False):
            assert place == reserved + gap
        else:
            break
    assert all(later - earlier == gap for earlier, later in itertools.pairwise(places))
    assert places[0] == 1_000 + gap
