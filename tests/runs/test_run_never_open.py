"""People whose own hours never meet those of the queue: nobody waits for the year 38,000, and nobody is lost."""

from __future__ import annotations

from typing import Any

import pytest
from explain_world import ask
from run_world import World

from storage.errors import RefusedError, UsageError
from storage.model import DAY

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}


async def test_whose_window_never_opens_waits_for_a_person_and_leaves_once_it_is_mended(world: World) -> None:
    """Nine to twelve in New York is in the afternoon of a queue that is open in the morning."""
    world.set_clock("2026-01-05T05:00Z")
    await world.start(window={"hours": "daily 08:00-10:00", "zone": "Europe/Berlin"})
    hours = {"hours": "daily 09:00-12:00", "zone": "Europe/Berlin", "recipient_zone": "tz"}
    await world.campaign(people=0, start=False, window=hours, pacing=AT_ONCE)
    await world.people("c", ["near@example.org"], tz="Europe/Berlin")
    await world.people("c", ["far@example.org"], tz="America/New_York")
    started = await world.call("campaign.start", name="c")
    assert started["last_due"] - world.clock.now() < DAY
    await world.clock.run(3 * DAY)
    assert [start.recipient for start in world.channel.begun] == ["near@example.org"]
    far = world.jobs()[1]
    assert 0 < far["due_at"] - world.clock.now() <= DAY
    held = ask(world, far["id"]).holding
    assert held is not None and held.person
    both = "the windows of queue one and its person (America/New_York) never open at one time: change the hours of one"
    assert held.words == both
    await world.call("queue.tune", name="one", set={"window": {"hours": "daily 08:00-18:00", "zone": "Europe/Berlin"}})
    await world.clock.run(DAY)
    assert [start.recipient for start in world.channel.begun] == ["near@example.org", "far@example.org"]


async def test_a_window_that_would_shut_a_running_campaign_out_is_refused_and_nothing_is_changed(world: World) -> None:
    world.set_clock("2026-01-05T05:00Z")
    await world.start(window={"hours": "daily 08:00-18:00", "zone": "Europe/Berlin"})
    await world.campaign(people=5, window={"hours": "daily 09:00-12:00", "zone": "Europe/Berlin"}, pacing=AT_ONCE)
    evening = {"hours": "daily 19:00-22:00", "zone": "Europe/Berlin"}
    before = (world.jobs(), world.queue(), world.row())
    with pytest.raises(RefusedError, match="never while its queue's is open"):
        await world.call("queue.tune", name="one", set={"window": evening})
    with pytest.raises(RefusedError, match="never while its queue's is open"):
        await world.call("campaign.tune", name="c", window=evening)
    assert (world.jobs(), world.queue(), world.row()) == before
    await world.finish()
    assert world.counts() == {"completed": 5}


async def test_a_spread_without_a_cap_a_day_is_refused_and_nothing_is_changed(world: World) -> None:
    spread = {"mode": "steady", "spread": True}
    world.accounts = {"one": {}, "capped": {"daily_cap": 20}}
    await world.start()
    await world.campaign(people=5, pacing={"mode": "steady", "rate": "1/h"})
    await world.campaign("d", people=5, pacing=spread, account="capped")
    before = (world.jobs(), world.row(), world.jobs("d"), world.queue("capped"))
    with pytest.raises(UsageError, match="no cap per day to spread"):
        await world.call("campaign.pace", name="c", pacing=spread)
    with pytest.raises(UsageError, match="no cap per day to spread"):
        await world.call("queue.tune", name="capped", set={"caps": []})
    assert (world.jobs(), world.row(), world.jobs("d"), world.queue("capped")) == before
    await world.call("queue.tune", name="capped", set={"caps": ["40/day"]})
