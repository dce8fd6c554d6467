"""Nobody is invited twice and nobody is lost, whatever the service does and however often the engine ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from linkedin_world import LinkedInWorld
from run_world import slow_heart

from engine import service
from storage.model import DAY, HOUR, MINUTE
from tests.support.simulated import SimulatedClock, inline_store
from tui.demo.unipile_rules import Answer

INVITES = [
    Answer(500, "errors/provider_error", sent=True),
    Answer(500, "errors/provider_error"),
    Answer(504, "errors/request_timeout", sent=True),
    Answer(how="cut", sent=True),
    Answer(how="cut"),
    Answer(how="odd", sent=True),
    Answer(503, "errors/no_client_session"),
    Answer(429, "errors/too_many_requests", retry_after="1800"),
    Answer(422, "errors/limit_exceeded"),
    Answer(422, "errors/cannot_resend_yet"),
    Answer(422, "errors/user_unreachable"),
    Answer(422, "errors/already_connected"),
    Answer(401, "errors/disconnected_account"),
    Answer(403, "errors/account_restricted"),
    Answer(400, "errors/invalid_parameters"),
    Answer(418, "errors/brand_new"),
    Answer(usage=95),
    Answer(usage=90),
]
LOOK_UPS = [
    Answer(500, "errors/provider_error"),
    Answer(503, "errors/network_down"),
    Answer(404, "errors/resource_not_found"),
    Answer(429, "errors/too_many_requests", retry_after="600"),
]
UNSENT = ("failed", "skipped", "held")


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LinkedInWorld]:
    inline_store(monkeypatch)
    slow_heart(monkeypatch, HOUR)
    monkeypatch.setattr(service, "IDLE_LOOK", 2 * MINUTE)
    made = LinkedInWorld(tmp_path, clock, monkeypatch)
    yield made
    await made.stop()
    made.check()
    await made.stop_serving()


async def _cut_at_some_moment(world: LinkedInWorld, rng: random.Random) -> None:
    """As a second SIGTERM does, while time flows: also between a question and its answer."""
    flow = asyncio.ensure_future(world.clock.run(rng.randrange(6 * HOUR)))
    for _ in range(rng.randrange(1, 400)):
        await asyncio.sleep(0)
    flow.cancel()
    await asyncio.gather(flow, return_exceptions=True)
    await world.cut()
    await world.start()


async def _go_on(world: LinkedInWorld) -> None:
    """What a person does who only ever resumes."""
    if world.queue()["state"] in ("needs_attention", "restricted", "paused"):
        await world.call("queue.resume", name="one")
    if world.state() == "paused":
        await world.call("campaign.resume", name="c")


@pytest.mark.parametrize("seed", range(4))
async def test_the_ledger_holds_nobody_twice_and_the_books_say_who_is_in_it(world: LinkedInWorld, seed: int) -> None:
    rng = random.Random(seed)
    people = [f"person-{n:02}" for n in range(24)]
    await world.serve(
        seed=seed,
        connected=0.05,
        invited=0.05,
        invites={profile: rng.choices(INVITES, k=rng.randrange(3)) for profile in people},
        look_ups={profile: rng.choices(LOOK_UPS, k=rng.choice((0, 0, 0, 1, 2))) for profile in people},
    )
    world.accounts["one"] = {"min_gap": "1m", "daily_cap": 200, "caps": [], "look_ups": "200/day"}
    await world.start()
    await world.campaign(people=people, pacing={"mode": "human", "gap_min": "1m", "gap_max": "9m"})
    for _ in range(12):
        await _go_on(world)
        if rng.random() < 0.5:
            await _cut_at_some_moment(world, rng)
        await world.clock.run(rng.randrange(8 * HOUR))
    for _ in range(20):
        await _go_on(world)
        await world.clock.run(DAY)
    assert set(world.sent.values()) <= {1}
    states = {profile: world.job_of(profile)["state"] for profile in people}
    assert set(states.values()) <= {"completed", "uncertain", *UNSENT}, states
    for profile, state in states.items():
        if state == "completed":
            assert world.sent.get(profile) == 1, f"{profile} counts as invited and was not"
        if state in UNSENT:
            assert profile not in world.sent, f"{profile} was invited and counts as {state}"
        if state == "uncertain":
            assert profile not in world.sent, f"{profile} was sent, and looked for in vain"
