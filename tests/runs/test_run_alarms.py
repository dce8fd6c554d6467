"""Alarms at their threshold and one below it, with the whole engine on simulated time."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from run_world import World, slow_heart

from engine.classify import classify_smtp
from storage.errors import NotFoundError, RefusedError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, BAD_LOGIN, BAD_SETUP, GREYLISTED, NO_SUCH_USER, REFUSED, TOO_BIG, Reply, Step

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
ROUND = 11 * MINUTE
"""Longer than the engine of these tests takes between two looks at all queues (a minute in earnest)."""
UNKNOWN = Reply(554, "Computer says no")
LOCKED = classify_smtp(554, "5.3.2 Your account has been suspended", phase="auth", server="mx.example")


def play(world: World, answers: list[Step]) -> None:
    """Each attempt gets the next answer; when there is none left, it is accepted."""
    left = deque(answers)
    world.channel.answer = lambda message: left.popleft() if left else ACCEPT


def open_alarms(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM alarms WHERE cleared_at IS NULL ORDER BY id")


def kinds(world: World) -> list[tuple[str, bool]]:
    """The open alarms as (kind, of a campaign)."""
    return [(alarm["kind"], alarm["campaign_id"] is not None) for alarm in open_alarms(world)]


async def run_with(world: World, answers: list[Step], *, people: int = 200, **account: Any) -> None:
    """A campaign, one message after the other."""
    play(world, answers)
    await world.start(concurrency=1, **account)
    await world.campaign(people=people, concurrency=1, pacing=AT_ONCE)
    await world.clock.run(10 * MINUTE)


# bounces


async def test_five_dead_addresses_of_a_hundred_pause_campaign_and_account(world: World) -> None:
    await run_with(world, [ACCEPT] * 95 + [NO_SUCH_USER] * 5)
    assert (world.state(), world.row()["pause_reason"]) == ("paused", "bounces")
    assert world.counts() == {"completed": 95, "failed": 5, "pending": 100}
    assert world.row()["pause_detail"] == "5.0% bounces (5 of 100), limit 5%"
    assert (world.queue()["state"], world.queue()["reason"]) == ("paused", "5.0% bounces (5 of 100), limit 5%")
    assert kinds(world) == [("bounces", True), ("bounces", False)]
    assert len(world.events("campaign.paused")) == len(world.events("queue.paused")) == 1


@pytest.mark.parametrize(
    "answers",
    [[ACCEPT] * 96 + [NO_SUCH_USER] * 4, [ACCEPT] * 94 + [NO_SUCH_USER] * 5],
    ids=["four of a hundred", "five of ninety-nine"],
)
async def test_one_below_the_threshold_of_bounces_goes_on(world: World, answers: list[Step]) -> None:
    await run_with(world, answers)
    assert world.state() == "completed"
    assert open_alarms(world) == []


async def test_other_refusals_are_no_bounces(world: World) -> None:
    play(world, [ACCEPT] * 5)
    answers = deque([ACCEPT, UNKNOWN, TOO_BIG, GREYLISTED] * 50)
    world.channel.answer = lambda message: answers.popleft() if answers else ACCEPT
    await world.start(concurrency=1, alarms={"content_errors": 1000, "transient_share": 1.0})
    await world.campaign(people=200, concurrency=1, pacing=AT_ONCE)
    await world.clock.run(10 * MINUTE)
    assert world.rows("SELECT SUM(bounced) AS n FROM reputation_hours")[0]["n"] == 0
    assert open_alarms(world) == []


async def test_bounces_are_remembered_over_a_restart(world: World) -> None:
    await run_with(world, [ACCEPT] * 20 + [NO_SUCH_USER] * 4 + [ACCEPT] * 76 + [NO_SUCH_USER], people=101)
    assert world.state() == "completed"
    play(world, [NO_SUCH_USER] * 2)
    await world.restart()
    await world.campaign("d", 20, concurrency=1, pacing=AT_ONCE)
    await world.clock.run(MINUTE)
    # 5 of 101 were not enough; the next dead address is of another campaign and of the same account.
    assert kinds(world) == [("bounces", False)]
    assert world.queue()["state"] == "paused"
    assert world.state("d") == "active"


async def test_a_person_s_resume_counts_bounces_anew_and_the_alarm_is_over(world: World) -> None:
    await run_with(world, [ACCEPT] * 95 + [NO_SUCH_USER] * 5 + [NO_SUCH_USER] * 2)
    await world.call("queue.resume", name="one")
    await world.call("campaign.resume", name="c")
    await world.clock.run(10 * MINUTE)
    assert world.state() == "completed"
    assert world.counts() == {"completed": 193, "failed": 7}
    assert open_alarms(world) == []
    assert {row["cleared_at"] is not None for row in world.rows("SELECT * FROM alarms")} == {True}


async def test_messages_that_come_back_later_pause_at_the_next_look(world: World) -> None:
    await run_with(world, [], people=100)
    await world.campaign("d", 1, pacing={"mode": "human", "gap_min": "6h", "gap_max": "7h"})
    campaign, queue = world.row()["id"], world.queue()["id"]
    await world.engine.store.note_feedback(campaign, queue, bounced=4)
    await world.clock.run(ROUND)
    assert open_alarms(world) == []
    await world.engine.store.note_feedback(campaign, queue, bounced=1)
    await world.clock.run(ROUND)
    # The campaign is done: there is nothing to pause. Its account is.
    assert kinds(world) == [("bounces", False)]
    assert world.queue()["state"] == "paused"


# complaints


@pytest.mark.parametrize(
    ("people", "complained", "raised"),
    [(50, 2, False), (50, 3, True), (1_000, 1, True), (999, 1, False)],
    ids=["two of fifty", "three of fifty", "one of a thousand", "one of 999"],
)
async def test_complaints_pause_at_three_or_at_one_in_a_thousand(
    world: World, people: int, complained: int, raised: bool
) -> None:
    await world.start(concurrency=10)
    await world.campaign(people=people, concurrency=10, pacing=AT_ONCE)
    await world.clock.run(10 * MINUTE)
    await world.campaign("d", 5, pacing={"mode": "human", "gap_min": "6h", "gap_max": "7h"})
    await world.engine.store.note_feedback(world.row("d")["id"], world.queue()["id"], complained=complained)
    await world.clock.run(ROUND)
    assert ("complaints", False) in kinds(world) if raised else open_alarms(world) == []
    assert world.queue()["state"] == ("paused" if raised else "ready")
    assert world.state("d") == ("paused" if complained == 3 else "active")


# refusals that no rule knows, content, set-up, login, restriction


async def test_ten_unknown_refusals_in_a_row_pause_the_queue(world: World) -> None:
    await run_with(world, [UNKNOWN] * 20, people=30)
    assert world.counts() == {"failed": 10, "pending": 20}
    assert (world.queue()["state"], world.state()) == ("paused", "active")
    assert world.queue()["reason"] == "10 unknown refusals in a row, the last: 554 computer says no"
    assert kinds(world) == [("unknown", False)]


@pytest.mark.parametrize("between", [ACCEPT, NO_SUCH_USER, GREYLISTED], ids=["accepted", "dead", "greylisted"])
async def test_nine_unknown_refusals_and_another_answer_pause_nothing(world: World, between: Reply) -> None:
    await run_with(world, ([UNKNOWN] * 9 + [between]) * 3, people=30)
    assert open_alarms(world) == []
    assert world.queue()["state"] == "ready"


async def test_refusals_in_a_row_are_remembered_over_a_restart_and_forgotten_after_a_resume(world: World) -> None:
    play(world, [UNKNOWN] * 30)
    await world.start(concurrency=1)
    await world.campaign(people=40, concurrency=1, pacing={"mode": "steady", "rate": "1/min"})
    await world.clock.until(lambda: world.counts().get("failed") == 6)
    await world.restart()
    await world.clock.run(HOUR)
    assert world.counts()["failed"] == 10
    await world.restart()
    await world.call("queue.resume", name="one")
    await world.clock.run(HOUR)
    assert world.counts()["failed"] == 20


async def test_content_errors_of_one_kind_are_remembered_over_a_restart(world: World) -> None:
    play(world, [TOO_BIG] * 2)
    await world.start(concurrency=1)
    await world.campaign(people=10, concurrency=1, pacing={"mode": "steady", "rate": "1/min"})
    await world.clock.until(lambda: world.counts().get("failed") == 2)
    assert world.state() == "active"
    await world.restart()
    play(world, [TOO_BIG] * 9)
    await world.clock.run(HOUR)
    assert world.counts() == {"failed": 3, "pending": 7}
    assert kinds(world) == [("content", True)]
    await world.call("campaign.resume", name="c")
    await world.clock.run(HOUR)
    assert world.counts() == {"failed": 6, "pending": 4}


async def test_two_content_errors_of_one_kind_and_one_of_another_pause_nothing(world: World) -> None:
    await run_with(world, [TOO_BIG, TOO_BIG, Reply(500, "5.5.2 Line too long", "content")], people=10)
    assert world.state() == "completed"
    assert open_alarms(world) == []


async def test_a_wrong_set_up_and_a_refused_login_stand_until_a_person_resumed(world: World) -> None:
    await run_with(world, [BAD_SETUP], people=3)
    assert kinds(world) == [("configuration", True)]
    world.channel.door = lambda: BAD_LOGIN
    await world.restart()
    await world.campaign("d", 3)
    await world.clock.run(MINUTE)
    assert kinds(world) == [("configuration", True), ("authentication", False)]
    world.channel.door = None
    await world.call("queue.resume", name="one")
    await world.clock.run(MINUTE)
    assert kinds(world) == [("configuration", True)]


async def test_a_locked_account_stops_the_queue_and_pauses_all_its_campaigns_until_a_person_clears_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, HOUR)
    await world.start(concurrency=1)
    await world.campaign("a", 3, pacing={"mode": "human", "gap_min": "1h", "gap_max": "2h"})
    world.channel.door = lambda: LOCKED
    await world.campaign("b", 3)
    await world.clock.run(30 * DAY)
    assert world.queue()["state"] == "restricted"
    assert len(world.channel.opens) == 1
    for name in ("a", "b"):
        assert (world.state(name), world.row(name)["pause_reason"]) == ("paused", "account")
    assert kinds(world) == [("restricted", False)]
    world.channel.door = None
    await world.call("queue.resume", name="one")
    for name in ("a", "b"):
        await world.call("campaign.resume", name=name)
    await world.finish()
    assert world.counts("a") == world.counts("b") == {"completed": 3}


# slow down


async def test_a_quarter_of_not_now_halves_the_rate_once_per_fifty(world: World) -> None:
    play(world, ([GREYLISTED] + [ACCEPT] * 3) * 12 + [ACCEPT, GREYLISTED, ACCEPT])
    await world.start(concurrency=4)
    await world.campaign(people=60, concurrency=4, pacing={"mode": "steady", "rate": "6/min"})
    await world.clock.until(lambda: world.queue()["throttle"] == 1)
    answered = world.rows("SELECT count(*) AS n FROM attempts WHERE outcome IS NOT NULL")[0]["n"]
    assert answered == 50
    assert kinds(world) == [("transient", False)]
    assert '26.0% of 50 answers "not now", limit 25%' in world.events("queue.slowed")[0]["text"]
    await world.restart()
    assert world.engine.status()["queues"][0]["throttle"] == 1
    await world.finish()
    assert len(world.events("queue.slowed")) == 1


async def test_one_less_than_a_quarter_halves_nothing(world: World) -> None:
    await run_with(world, ([GREYLISTED] + [ACCEPT] * 3) * 12 + [ACCEPT] * 50, people=90)
    assert world.queue()["throttle"] == 0
    assert open_alarms(world) == []


async def test_fifty_more_halve_it_again_and_thirty_good_ones_each_bring_it_back(world: World) -> None:
    play(world, [GREYLISTED] * 100)
    await world.start(concurrency=1)
    await world.campaign(people=100, concurrency=1, pacing=AT_ONCE)
    await world.clock.until(lambda: world.queue()["throttle"] == 2)
    assert world.rows("SELECT count(*) AS n FROM attempts")[0]["n"] == 100
    assert len(world.events("queue.slowed")) == 2
    assert kinds(world) == [("transient", False)]
    await world.finish()
    assert world.queue()["throttle"] == 0
    assert [event["text"].partition(" goes ")[2] for event in world.events("queue.recovers")] == [
        "back to 1/2 of its rate after 30 good answers", "back to its full rate after 30 good answers"
    ]  # fmt: skip
    assert open_alarms(world) == []


async def test_a_person_lifts_a_slow_down_by_resuming_the_ready_queue_but_not_by_a_pause(world: World) -> None:
    play(world, [GREYLISTED] * 50)
    await world.start(concurrency=1)
    await world.campaign(people=50, concurrency=1, pacing=AT_ONCE)
    await world.clock.until(lambda: world.queue()["throttle"] == 1)
    await world.call("queue.pause", name="one")
    await world.call("queue.resume", name="one")
    assert world.queue()["throttle"] == 1
    answer = await world.call("queue.resume", name="one")
    assert answer["message"] == "queue one goes at its full rate again"
    await world.clock.run(MINUTE)
    assert (world.queue()["throttle"], world.queue()["throttled_at"]) == (0, None)
    assert open_alarms(world) == []


# behind


async def test_a_queue_is_behind_when_its_oldest_message_waits_longer_than_an_hour(world: World) -> None:
    world.channel.service = (40 * MINUTE, 40 * MINUTE)
    await world.start(concurrency=1)
    await world.campaign(people=4, concurrency=1, pacing=AT_ONCE)
    await world.clock.run(59 * MINUTE)
    assert open_alarms(world) == []
    await world.clock.run(ROUND)
    assert kinds(world) == [("behind", False)]
    assert open_alarms(world)[0]["text"] == "behind its plan: a message of c waits longer than 1h"
    await world.clock.run(3 * HOUR)
    assert world.state() == "completed"
    assert open_alarms(world) == []
    assert len(world.events("queue.behind")) == len(world.events("queue.on_time")) == 1


async def test_a_queue_that_a_person_paused_or_whose_cap_is_spent_is_not_behind(world: World) -> None:
    await world.start(concurrency=1, daily_cap=5)
    await world.campaign(people=10, concurrency=1, pacing=AT_ONCE)
    await world.clock.run(5 * HOUR)
    assert world.counts() == {"completed": 5, "pending": 5}
    assert open_alarms(world) == []
    await world.call("queue.pause", name="one")
    await world.clock.run(5 * HOUR)
    assert open_alarms(world) == []


async def test_with_a_window_a_whole_one_must_have_been_missed(world: World) -> None:
    """The simulated clock begins at noon UTC, in the middle of a window: the next one is the first whole one."""
    world.channel.door = lambda: REFUSED
    await world.start(concurrency=1, window="mon-sun 09:00-15:00", cooling={"steps": ["20m"]})
    await world.campaign(people=3, concurrency=1, pacing=AT_ONCE)
    begun = world.clock.now()
    assert begun % DAY == 12 * HOUR
    await world.clock.run(DAY + 3 * HOUR - MINUTE)
    assert open_alarms(world) == []
    await world.clock.run(ROUND + MINUTE)
    assert kinds(world) == [("behind", False)]
    world.channel.door = None
    await world.clock.run(DAY)
    assert world.state() == "completed"
    assert open_alarms(world) == []


# acknowledged


async def test_an_acknowledged_alarm_is_quiet_but_open_and_not_raised_twice(world: World) -> None:
    await run_with(world, [GREYLISTED] * 50 + [ACCEPT] * 3 + [GREYLISTED] * 50, people=60)
    alarm = open_alarms(world)[0]
    answer = await world.call("alarm.ack", id=alarm["id"])
    assert alarm["text"] in answer["message"]
    [acknowledged] = open_alarms(world)
    assert acknowledged["acknowledged_by"] == "ana"
    with pytest.raises(RefusedError, match="was acknowledged by ana"):
        await world.call("alarm.ack", id=alarm["id"])
    await world.call("alarm.unack", id=alarm["id"])
    assert open_alarms(world)[0]["acknowledged_by"] == ""
    with pytest.raises(NotFoundError, match="no alarm 99"):
        await world.call("alarm.ack", id=99)
    assert [event["actor"] for event in world.events("alarm.acknowledged")] == ["ana"]
    await world.call("queue.resume", name="one")
    await world.clock.run(10 * SECOND)
    with pytest.raises(RefusedError, match="is over"):
        await world.call("alarm.ack", id=alarm["id"])


# the breaker


async def test_a_breaker_cools_by_its_ladder_probes_with_exactly_one_and_is_ready_after_a_good_one(
    world: World,
) -> None:
    busy = Reply(421, "4.3.2 shutting down", "mail", hangs_up=True)
    play(world, [busy] * 5)
    await world.start(concurrency=5)
    await world.campaign(people=30, concurrency=5, pacing=AT_ONCE)
    begun = world.clock.now()
    await world.clock.settle()
    first = len(world.channel.offers)
    play(world, [busy] * 4)
    for step, rest in enumerate((MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR), 1):
        queue = world.queue()
        assert (queue["state"], queue["cooling_step"]) == ("cooling", step)
        until = queue["until_at"]
        assert abs(until - begun - rest) <= 5 * SECOND
        offers = len(world.channel.offers)
        await world.clock.run(until - world.clock.now() - SECOND)
        assert len(world.channel.offers) == offers
        await world.clock.until(lambda n=offers: len(world.channel.offers) > n)
        begun = world.clock.now()
        await world.clock.settle()
        assert len(world.channel.offers) == offers + 1
    assert world.queue()["cooling_step"] == 5
    await world.clock.run(world.queue()["until_at"] - world.clock.now() + MINUTE)
    assert first <= 5
    assert (world.queue()["state"], world.queue()["cooling_step"]) == ("ready", 0)
    await world.finish()
    assert world.counts() == {"completed": 30}
