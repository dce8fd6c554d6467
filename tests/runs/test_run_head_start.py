"""Claim and intent in one commit where the server is near: fewer commits, and the same promises."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from engine.channels.channel import ChannelError, Message, Session
from engine.head_start import NEAR
from engine.sessions import SessionPool
from storage.model import DAY, SECOND
from tests.support.scripted import REFUSED

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}


def count_lone_intents(world: World) -> list[int]:
    """The jobs whose intent needed a commit of its own, as they come."""
    asked: list[int] = []
    store = world.engine.store
    begin = store.begin_attempt

    def noted(request: Any) -> Any:
        asked.append(request.job_id)
        return begin(request)

    store.begin_attempt = noted  # type: ignore[method-assign]
    return asked


async def test_near_a_server_only_the_first_intents_need_a_commit_of_their_own(world: World) -> None:
    await world.start()
    asked = count_lone_intents(world)
    await world.campaign(people=40, pacing=AT_ONCE)
    await world.finish()
    assert world.counts() == {"completed": 40}
    assert world.channel.twice == []
    assert len(asked) <= 5


async def test_far_from_a_server_every_intent_is_written_while_the_envelope_is_on_its_way(world: World) -> None:
    async def far(message: Message) -> None:
        await world.clock.sleep(NEAR)

    world.channel.during_prepare = far
    await world.start()
    asked = count_lone_intents(world)
    await world.campaign(people=40, pacing=AT_ONCE)
    await world.finish()
    assert world.counts() == {"completed": 40}
    assert len(asked) == 40


async def test_a_cap_holds_to_the_message_also_within_one_claim(world: World) -> None:
    await world.start(daily_cap=7)
    await world.campaign(people=20, pacing=AT_ONCE)
    await world.clock.run(DAY - SECOND)
    assert len(world.channel.deliveries) == 7
    await world.clock.run(DAY)
    assert len(world.channel.deliveries) == 14
    await world.finish()
    assert world.counts() == {"completed": 20}
    assert world.channel.twice == []


async def test_a_connection_that_is_gone_after_the_intent_burns_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, taken = SessionPool.take, 0

    async def refused_once(self: SessionPool) -> Session:
        nonlocal taken
        taken += 1
        if taken == 20:
            raise ChannelError(REFUSED)
        return await take(self)

    await world.start()
    monkeypatch.setattr(SessionPool, "take", refused_once)
    asked = count_lone_intents(world)
    await world.campaign(people=30, pacing=AT_ONCE)
    await world.finish()
    assert len(asked) <= 11, "the twentieth had its intent already"
    assert world.counts() == {"completed": 30}
    assert world.channel.twice == []
    [(job_id,)] = [
        (row["job_id"],) for row in world.rows("SELECT job_id FROM attempts WHERE outcome = 'route' ORDER BY id")
    ]
    assert world.rows("SELECT tries, attempts FROM jobs WHERE id = ?", job_id) == [{"tries": 1, "attempts": 2}]
    assert len(world.events("queue.cooling")) == 1


async def test_a_message_that_cannot_be_composed_is_held_with_its_reason(world: World) -> None:
    await world.start()
    await world.campaign(people=0, pacing=AT_ONCE, subject="hello {first_name}", start=False)
    people = [f"c{n:05d}@example.org" for n in range(12)]
    await world.people("c", people[:8], first_name="Kim")
    await world.people("c", people[8:])
    await world.call("campaign.start", name="c")
    await world.finish()
    assert world.counts() == {"completed": 8, "held": 4}
