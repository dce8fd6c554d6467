"""People whose own hours never meet those of the queue: nobody waits for the year 38,000, and nobody is lost."""

from __future__ import annotations

from typing import Any

from explain_world import ask
from run_world import World

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
    assert held is not None and held.person and "never opens" in held.words
    await world.call("queue.tune", name="one", set={"window": {"hours": "daily 08:00-18:00", "zone": "Europe/Berlin"}})
    await world.clock.run(DAY)
    assert [start.recipient for start in world.channel.begun] == ["near@example.org", "far@example.org"]
