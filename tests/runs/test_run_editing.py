"""What an edit of a campaign that exists does to messages that have not left, and when it is refused."""

from __future__ import annotations

import pytest
from run_world import World, addresses_of

from engine.channels.channel import Message
from storage.errors import PacelineError, RefusedError, UsageError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, LOST_AND_SENT, Step

SLOW = {"mode": "steady", "rate": "6/min", "jitter": 0}
FAST = {"mode": "steady", "rate": "60/min", "jitter": 0}


async def test_a_draft_can_be_made_before_its_message_and_is_not_started_without_one(world: World) -> None:
    await world.start()
    await world.call("campaign.new", name="c", account="one", unfinished=True)
    await world.people("c", 3)
    await world.call("campaign.live", name="c")
    with pytest.raises(PacelineError, match="text"):
        await world.call("campaign.start", name="c")
    assert world.state() == "draft"
    result = await world.call("campaign.edit", name="c", subject="Hello", text="Hi {{ email | default('you') }}")
    assert result["fields"] == ["email"]
    await world.call("campaign.start", name="c")
    await world.finish()
    assert world.counts() == {"completed": 3}


async def test_a_draft_takes_another_name_and_account(world: World) -> None:
    world.accounts["two"] = {}
    await world.start()
    await world.campaign(people=2, start=False)
    await world.call("campaign.edit", name="c", rename="d", account="two")
    await world.call("campaign.start", name="d")
    await world.finish()
    assert world.row("d")["account"] == "two"
    assert {job["queue_id"] for job in world.jobs("d")} == {world.queue("two")["id"]}


async def test_a_name_that_is_taken_or_no_name_is_refused(world: World) -> None:
    await world.start()
    await world.campaign("a", people=0, start=False)
    await world.campaign("b", people=0, start=False)
    for name in ("a", "no name", ""):
        with pytest.raises(UsageError):
            await world.call("campaign.edit", name="b", rename=name)
    assert world.row("b")["version"] == 2


async def test_a_changed_message_is_what_those_who_wait_get(world: World) -> None:
    bodies: list[bytes] = []

    def read(message: Message) -> Step:
        bodies.append(message.content.rpartition(b"\r\n\r\n")[2].strip())
        return ACCEPT

    world.channel.answer = read
    await world.start()
    await world.campaign(people=4, pacing=SLOW)
    await world.clock.run(15 * SECOND)
    with pytest.raises(RefusedError) as refused:
        await world.call("campaign.edit", name="c", text="Other")
    assert "pause it first" in refused.value.hint
    await world.call("campaign.pause", name="c")
    await world.call("campaign.edit", name="c", text="Other")
    await world.call("campaign.resume", name="c")
    await world.finish()
    assert (bodies[0], bodies[-1]) == (b"Hi", b"Other")
    assert world.counts() == {"completed": 4}


async def test_a_message_that_cannot_be_sent_changes_nothing(world: World) -> None:
    await world.start()
    await world.campaign(people=1, start=False)
    for change in ({"text": "{{ broken"}, {"headers": {"From": "x@example.org"}}, {}):
        with pytest.raises(PacelineError):
            await world.call("campaign.edit", name="c", **change)
    assert world.row()["steps"][0]["text"] == "Hi"


async def test_another_pacing_plans_what_is_left_anew(world: World) -> None:
    await world.start()
    await world.campaign(people=30, pacing=SLOW)
    await world.clock.run(30 * SECOND)
    sent = world.counts()["completed"]
    order = [job["id"] for job in sorted(world.jobs(), key=lambda job: job["due_at"]) if job["state"] == "pending"]
    result = await world.call("campaign.pace", name="c", pacing=FAST)
    assert result["queued"] == 30 - sent
    assert result["last_due"] - world.clock.now() <= 30 * SECOND
    after = [job["id"] for job in sorted(world.jobs(), key=lambda job: job["due_at"]) if job["state"] == "pending"]
    assert after == order
    await world.finish()
    assert world.channel.twice == []
    gaps = [b - a for a, b in zip(world.channel.starts, world.channel.starts[1:], strict=False)]
    assert min(gaps[sent:]) >= SECOND - 1


async def test_a_draft_and_a_paused_campaign_keep_their_slots_until_they_go(world: World) -> None:
    await world.start()
    await world.campaign(people=5, pacing=SLOW)
    await world.call("campaign.pause", name="c")
    dues = [job["due_at"] for job in world.jobs()]
    assert (await world.call("campaign.pace", name="c", pacing=FAST))["queued"] == 0
    assert [job["due_at"] for job in world.jobs()] == dues
    await world.call("campaign.resume", name="c")
    assert max(job["due_at"] for job in world.jobs()) <= world.clock.now() + 5 * SECOND
    await world.finish()


@pytest.mark.parametrize(("limit", "rate"), [({"min_gap": "10s"}, "60/min"), ({"daily_cap": 100}, "200/day")])
async def test_a_rate_above_the_accounts_own_ceiling_is_refused(
    world: World, limit: dict[str, object], rate: str
) -> None:
    await world.start(**limit)
    await world.campaign(people=2, start=False, pacing=SLOW)
    with pytest.raises(RefusedError, match="ceiling of account one"):
        await world.call("campaign.pace", name="c", pacing={"mode": "steady", "rate": rate})
    assert world.row()["pacing"]["rate"] == "6/min"


async def test_a_new_campaign_says_that_the_accounts_lower_ceiling_wins(world: World) -> None:
    await world.start(min_gap="10s")
    spec = {"account": "one", "subject": "Hello", "text": "Hi"}
    fast = await world.call("campaign.new", name="fast", pacing=FAST, **spec)
    slow = await world.call("campaign.new", name="slow", pacing=SLOW, **spec)
    assert (fast["ceiling"], slow["ceiling"]) == ("one every 10s", "")


async def test_a_campaign_that_ended_keeps_its_pacing(world: World) -> None:
    await world.start()
    await world.campaign(people=1)
    await world.clock.run(HOUR)
    with pytest.raises(RefusedError, match="completed"):
        await world.call("campaign.pace", name="c", pacing=FAST)


async def test_an_import_of_a_draft_is_taken_back_with_its_people(world: World) -> None:
    await world.start()
    await world.campaign(people=2500, start=False)
    await world.people("c", ["late@example.org"])
    first = world.row()["imports"][0]["id"]
    assert (await world.call("recipients.forget", campaign="c", import_id=first))["removed"] == 2500
    assert world.row()["recipients"] == 1
    assert world.rows("SELECT address FROM recipients") == [{"address": "late@example.org"}]
    await world.people("c", 2500)
    assert world.row()["recipients"] == 2501
    await world.call("campaign.start", name="c")
    with pytest.raises(RefusedError, match="recipients cannot be changed"):
        await world.call("recipients.forget", campaign="c", import_id=first + 1)


async def test_many_uncertain_ones_can_only_be_said_to_be_sent(world: World) -> None:
    people = addresses_of(5)
    world.channel.script = {address: [LOST_AND_SENT] for address in people[:3]}
    await world.start()
    await world.campaign(people=people)
    await world.clock.run(MINUTE)
    doubtful = [job["id"] for job in world.jobs() if job["state"] == "uncertain"]
    assert len(doubtful) == 3
    others = [job["id"] for job in world.jobs() if job["state"] == "completed"][:1]
    result = await world.call("job.sent", ids=doubtful + others)
    assert (result["resolved"], result["refused"]) == (3, 1)
    await world.finish()
    assert world.counts() == {"completed": 5}
    assert len(world.events("job.resolved")) == 3
