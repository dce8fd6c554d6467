"""What the engine makes of each answer: who is tried again and when, whom it burns, what rests and what stops."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import pytest
from run_world import World, slow_heart

from engine.channels.channel import Message
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.scripted import (
    ACCEPT,
    BAD_LOGIN,
    BAD_SETUP,
    DAILY_LIMIT,
    GREYLISTED,
    LOST_AND_SENT,
    LOST_UNSENT,
    NO_SUCH_USER,
    REFUSED,
    SHUTTING_DOWN,
    TOO_BIG,
    Cut,
    Reply,
)

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
LATE = 10 * SECOND


async def test_a_greylisted_message_is_delivered_once_after_the_ladder_s_delays(world: World) -> None:
    world.channel.script = {"c00000@example.org": [GREYLISTED, GREYLISTED, GREYLISTED]}
    await world.start()
    await world.campaign(people=2)
    await world.finish()
    times = [offer.at for offer in world.channel.offers if offer.recipient == "c00000@example.org"]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    for waited, delay in zip(waits, (5 * MINUTE, 30 * MINUTE, 2 * HOUR), strict=True):
        assert delay <= waited <= 1.1 * delay + LATE
    assert world.counts() == {"completed": 2}
    assert world.channel.twice == []
    assert [row["outcome"] for row in world.attempts("c00000@example.org")] == ["transient"] * 3 + ["accepted"]


async def test_who_is_greylisted_for_ever_fails_after_three_days(world: World) -> None:
    world.channel.answer = lambda message: GREYLISTED
    await world.start()
    await world.campaign(people=1)
    begun = world.clock.now()
    await world.finish()
    assert world.counts() == {"failed": 1}
    times = [offer.at for offer in world.channel.offers]
    assert 6 <= len(times) <= 9
    assert 44 * HOUR < times[-1] - begun <= 3 * DAY + LATE
    assert "greylist" in world.jobs()[0]["error_key"]


async def test_a_permanent_refusal_fails_that_person_at_once_with_the_server_s_words(world: World) -> None:
    world.channel.script = {
        "c00001@example.org": [NO_SUCH_USER],
        "c00002@example.org": [Reply(554, "Computer says no")],
    }
    await world.start()
    await world.campaign(people=5)
    await world.finish()
    assert world.counts() == {"completed": 3, "failed": 2}
    for n in (1, 2):
        assert len(world.attempts(f"c0000{n}@example.org")) == 1
    assert world.job("c00002@example.org")["last_error"] == "Computer says no"
    assert world.queue()["state"] == "ready"


async def test_a_421_rests_the_queue_by_the_ladder_with_one_probe_each(world: World) -> None:
    world.channel.answer = lambda message: SHUTTING_DOWN
    await world.start(concurrency=5)
    await world.campaign(people=20, pacing=AT_ONCE)
    begun = world.clock.now()
    await world.clock.run(3 * HOUR)
    first = [offer for offer in world.channel.offers if offer.at < begun + 30 * SECOND]
    later = [offer.at for offer in world.channel.offers if offer.at >= begun + 30 * SECOND]
    assert len(first) <= 5
    rests = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, HOUR)
    expected = [begun + sum(rests[: i + 1]) for i in range(5)]
    assert len(later) == 5, [round((at - begun) / SECOND) for at in later]
    assert all(abs(at - wanted) <= LATE for at, wanted in zip(later, expected, strict=True))
    assert {job["tries"] for job in world.jobs()} == {0}
    world.channel.answer = None
    await world.finish()
    assert world.counts() == {"completed": 20}


async def test_one_success_makes_the_queue_ready_and_the_ladder_begins_anew(world: World) -> None:
    refusals = deque([SHUTTING_DOWN, SHUTTING_DOWN])
    world.channel.answer = lambda message: refusals.popleft() if refusals else ACCEPT
    await world.start(concurrency=1)
    await world.campaign(people=6, concurrency=1, pacing={"mode": "steady", "rate": "60/min"})
    await world.clock.run(2 * MINUTE)
    assert world.queue()["cooling_step"] == 2
    await world.clock.run(6 * MINUTE)
    assert (world.state(), world.queue()["state"], world.queue()["cooling_step"]) == ("completed", "ready", 0)
    refusals.append(SHUTTING_DOWN)
    await world.campaign("d", 1)
    await world.clock.run(5 * SECOND)
    queue = world.queue()
    assert queue["state"] == "cooling" and queue["until_at"] - world.clock.now() <= MINUTE


async def test_a_person_s_resume_begins_the_ladder_anew(world: World) -> None:
    refusals = deque([SHUTTING_DOWN, SHUTTING_DOWN])
    world.channel.answer = lambda message: refusals.popleft() if refusals else ACCEPT
    await world.start(concurrency=1)
    await world.campaign(people=3, concurrency=1)
    await world.clock.run(2 * MINUTE)
    await world.call("queue.resume", name="one")
    await world.clock.run(MINUTE)
    assert world.state() == "completed"
    refusals.append(SHUTTING_DOWN)
    await world.campaign("d", 1)
    await world.clock.run(5 * SECOND)
    assert world.queue()["until_at"] - world.clock.now() <= MINUTE


async def test_a_cooling_survives_a_restart(world: World) -> None:
    world.channel.answer = lambda message: SHUTTING_DOWN
    await world.start(concurrency=1)
    await world.campaign(people=3, concurrency=1)
    await world.clock.run(2 * MINUTE)
    until = world.queue()["until_at"]
    offers = len(world.channel.offers)
    await world.restart()
    await world.clock.run(2 * MINUTE)
    assert len(world.channel.offers) == offers
    world.channel.answer = None
    await world.finish()
    assert min(at for at in world.channel.starts if at) >= until
    assert world.counts() == {"completed": 3}


async def test_the_server_s_try_again_in_300_seconds_is_obeyed(world: World) -> None:
    busy = Reply(421, "4.7.0 Try again in 300 seconds", "mail", hangs_up=True)
    world.channel.script = {"c00000@example.org": [busy]}
    await world.start(concurrency=1)
    await world.campaign(people=3, concurrency=1)
    await world.finish()
    times = [offer.at for offer in world.channel.offers]
    assert 300 * SECOND <= times[1] - times[0] <= 300 * SECOND + LATE
    assert world.counts() == {"completed": 3}


async def test_a_person_s_try_again_later_is_obeyed_for_that_person_alone(world: World) -> None:
    wait = Reply(451, "4.2.1 Greylisted, try again in 1200 seconds")
    world.channel.script = {"c00000@example.org": [wait]}
    await world.start()
    await world.campaign(people=3)
    await world.finish()
    times = [offer.at for offer in world.channel.offers if offer.recipient == "c00000@example.org"]
    assert times[1] - times[0] >= 1_200 * SECOND
    assert world.counts() == {"completed": 3}


async def test_a_refused_login_stops_the_queue_until_a_person_resumes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, HOUR)
    world.channel.door = lambda: BAD_LOGIN
    await world.start()
    await world.campaign(people=4)
    await world.clock.run(30 * DAY)
    assert len(world.channel.opens) == 1
    queue = world.queue()
    assert queue["state"] == "needs_attention" and "Username and password not accepted" in queue["reason"]
    assert {(job["state"], job["tries"], job["attempts"]) for job in world.jobs()} == {("pending", 0, 0)}
    world.channel.door = None
    await world.call("queue.resume", name="one")
    await world.finish()
    assert world.counts() == {"completed": 4}


async def test_a_daily_limit_rests_the_queue_for_a_day(world: World) -> None:
    world.channel.script = {"c00002@example.org": [DAILY_LIMIT]}
    await world.start(concurrency=1)
    await world.campaign(people=6, concurrency=1)
    begun = world.clock.now()
    await world.finish()
    late = [at for at in world.channel.starts if at > begun + MINUTE]
    assert len(late) == 4 and DAY <= min(late) - begun <= DAY + MINUTE
    assert world.counts() == {"completed": 6}
    assert world.job("c00002@example.org")["tries"] == 1


async def test_a_wrong_set_up_holds_the_message_and_pauses_the_campaign_with_the_server_s_words(world: World) -> None:
    world.channel.script = {"c00001@example.org": [BAD_SETUP]}
    await world.start(concurrency=1)
    await world.campaign(people=6, concurrency=1)
    await world.finish()
    assert world.counts() == {"completed": 1, "held": 1, "pending": 4}
    row = world.row()
    assert (row["state"], row["pause_reason"]) == ("paused", "errors")
    assert "SPF and DKIM failed" in row["pause_detail"]
    await world.start()
    await world.call("campaign.resume", name="c")
    await world.retry("c")
    await world.finish()
    assert world.counts() == {"completed": 6}


async def test_several_wrong_set_ups_at_once_pause_the_campaign_once(world: World) -> None:
    world.channel.service = (SECOND, SECOND)
    world.channel.answer = lambda message: BAD_SETUP
    await world.start(concurrency=5)
    await world.campaign(people=20, pacing=AT_ONCE)
    await world.finish()
    assert world.counts() == {"held": 5, "pending": 15}
    assert len(world.events("campaign.paused")) == 1
    assert world.engine.status()["queues"][0]["trouble"] == ""


async def test_three_content_errors_of_one_kind_pause_the_campaign(world: World) -> None:
    world.channel.answer = lambda message: TOO_BIG
    await world.start(concurrency=1)
    await world.campaign(people=10, concurrency=1)
    await world.finish()
    assert world.counts() == {"failed": 3, "pending": 7}
    assert (world.state(), world.row()["pause_reason"]) == ("paused", "errors")


async def test_an_outage_costs_a_handful_of_connects_and_nobody_s_try(world: World) -> None:
    world.channel.door = lambda: REFUSED
    await world.start(concurrency=10)
    await world.campaign(people=50, concurrency=10, pacing=AT_ONCE)
    begun = world.clock.now()
    await world.clock.run(3 * HOUR)
    assert 1 <= sum(at - begun <= 10 * SECOND for at in world.channel.opens) <= 5
    assert len(world.channel.opens) <= 25
    assert {(job["state"], job["attempts"]) for job in world.jobs()} == {("pending", 0)}
    assert world.queue()["state"] in ("cooling", "probing")
    world.channel.door = None
    await world.finish()
    assert world.counts() == {"completed": 50}
    assert world.queue()["cooling_step"] == 0


async def test_an_outage_in_the_middle_of_sending_burns_nobody_and_loses_nobody(world: World) -> None:
    world.channel.service = (SECOND, 3 * SECOND)
    await world.start(concurrency=5)
    await world.campaign(people=60, pacing=AT_ONCE)
    await world.clock.run(10 * SECOND)
    world.channel.answer = lambda message: Cut("rcpt")
    world.channel.door = lambda: REFUSED
    await world.clock.run(HOUR)
    assert {job["tries"] for job in world.jobs() if job["state"] == "pending"} == {0}
    world.channel.answer = world.channel.door = None
    await world.finish()
    assert world.counts() == {"completed": 60}
    assert world.channel.twice == []


async def test_a_reply_lost_after_the_content_is_uncertain_and_nothing_automatic_touches_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, HOUR)
    world.channel.script = {"c00001@example.org": [LOST_AND_SENT], "c00003@example.org": [LOST_UNSENT]}
    await world.start()
    await world.campaign(people=6)
    await world.clock.run(15 * DAY)
    await world.restart()
    await world.call("campaign.start", name="c")
    await world.retry("c", which="all")
    unsure = [job["id"] for job in world.jobs() if job["state"] == "uncertain"]
    answer = await world.call("job.retry", ids=unsure)
    assert (answer["retried"], answer["refused"]) == (0, 2)
    await world.retry(error_key=world.job("c00001@example.org")["error_key"])
    await world.clock.run(15 * DAY)
    assert world.counts() == {"completed": 4, "uncertain": 2}
    assert world.state() == "completed"
    assert len(world.channel.offers) == 6


async def test_a_person_resolves_what_is_uncertain(world: World) -> None:
    world.channel.script = {"c00001@example.org": [LOST_AND_SENT], "c00003@example.org": [LOST_UNSENT]}
    await world.start()
    await world.campaign(people=6)
    await world.clock.run(MINUTE)
    jobs = {job["address"]: job["id"] for job in world.jobs()}
    await world.call("job.resolve", job=jobs["c00001@example.org"], verdict="sent")
    await world.call("job.resolve", job=jobs["c00003@example.org"], verdict="again")
    assert world.state() == "active"
    await world.finish()
    assert (world.state(), world.counts()) == ("completed", {"completed": 6})
    assert world.channel.accepted["c00003@example.org"] == 1
    assert world.job("c00001@example.org")["sent_at"] == world.attempts("c00001@example.org")[0]["intent_at"]
    assert {len(ids) for ids in world.channel.ids.values()} == {1}


@pytest.mark.parametrize("refused_by", ["a cancelled campaign", "a message that was sent"])
async def test_a_resend_is_refused_where_it_could_never_leave(world: World, refused_by: str) -> None:
    from storage.errors import RefusedError

    world.channel.script = {"c00000@example.org": [LOST_UNSENT]}
    await world.start(concurrency=1)
    await world.campaign(people=3, concurrency=1, pacing={"mode": "steady", "rate": "1/min"})
    await world.clock.run(90 * SECOND)
    job = 1 if refused_by == "a cancelled campaign" else 2
    if job == 1:
        await world.call("campaign.cancel", name="c")
        await world.clock.run(MINUTE)
    else:
        await world.clock.run(5 * MINUTE)
    with pytest.raises(RefusedError):
        await world.call("job.resolve", job=job, verdict="again")
    assert "pending" not in world.counts()


async def test_one_account_s_trouble_does_not_hold_another(world: World) -> None:
    world.accounts["two"] = {}
    world.channel.door = lambda: REFUSED
    await world.start()
    await world.campaign("a", 5)
    await world.campaign("b", 5, account="two")
    await world.clock.run(MINUTE)
    assert (world.state("a"), world.state("b")) == ("active", "completed")


async def test_the_message_that_gets_a_421_keeps_its_place(world: World) -> None:
    seen: list[str] = []

    def once(message: Message) -> Reply:
        seen.append(message.recipient)
        return SHUTTING_DOWN if len(seen) == 3 else ACCEPT

    world.channel.answer = once
    await world.start(concurrency=1)
    await world.campaign(people=6, concurrency=1)
    await world.finish()
    assert [d.recipient for d in world.channel.deliveries] == [job["address"] for job in world.jobs()]
