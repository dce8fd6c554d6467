"""One person in two campaigns, on simulated time: `overlap = "wait"` holds whatever became of the plan."""

from __future__ import annotations

import pytest
from run_world import World

from engine.explain.asking import Asking
from engine.explain.facts import EngineFacts
from engine.explain.model import Explanation
from storage.model import DAY, HOUR, MINUTE
from storage.reader import Reader

ADA = ["ada@example.org"]
SLOW = {"mode": "human", "gap_min": "2h", "gap_max": "2h"}
WAITS = {"overlap": "wait"}


def times(world: World) -> list[int]:
    return sorted(delivery.at for delivery in world.channel.deliveries)


async def explain(world: World, name: str) -> Explanation:
    facts = EngineFacts.told(world.engine.status(), runs=True, paused=False)

    def look(reader: Reader) -> Explanation:
        return Asking(reader, world.clock.now(), facts).campaign(name)

    explained: Explanation = world.read(look)
    return explained


async def test_a_resume_that_plans_anew_does_not_bring_two_messages_within_three_days(world: World) -> None:
    await world.start()
    await world.campaign("first", ADA, pacing=SLOW)
    await world.campaign("c", ADA, pacing=SLOW, settings=WAITS)
    assert world.jobs("c")[0]["due_at"] == world.jobs("first")[0]["due_at"] + 3 * DAY
    await world.call("campaign.pause", name="c")
    await world.call("campaign.resume", name="c")
    await world.finish()
    one, other = times(world)
    assert other >= one + 3 * DAY


async def test_a_campaign_that_another_one_overtakes_waits_for_it(world: World) -> None:
    """Nobody else was planned when the first one was; both mind."""
    await world.start()
    await world.campaign("first", ADA, pacing={**SLOW, "gap_min": "5h", "gap_max": "5h"}, settings=WAITS)
    await world.campaign("c", ADA, pacing=SLOW)
    await world.finish()
    one, other = times(world)
    assert 3 * DAY <= other - one <= 3 * DAY + 5 * HOUR


@pytest.mark.parametrize("asked_after", [0, 6 * HOUR])
async def test_what_waits_for_another_campaign_says_so(world: World, asked_after: int) -> None:
    """Before its turn has come, and after the gate has turned it away."""
    await world.start()
    await world.campaign("first", ADA, pacing={**SLOW, "gap_min": "5h", "gap_max": "5h"}, settings=WAITS)
    await world.campaign("c", ADA)
    await world.clock.run(MINUTE + asked_after)
    held = {gate.name: gate for gate in (await explain(world, "first")).gates if not gate.open}
    (sent,) = times(world)
    assert abs(held["another campaign"].opens_at - 3 * DAY - sent) < MINUTE
    assert held["another campaign"].words == "campaign c wrote to the same person"
    if asked_after:
        assert held["due"].words == "keeps its distance from another campaign's message to the same person"
        assert held["due"].opens_at == held["another campaign"].opens_at
