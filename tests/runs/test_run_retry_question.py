"""How long a retry takes, as its question tells it, judged by the retry: several accounts, steps and clocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sequence_world import SequenceWorld, failed, slow_sequences

from engine.channels.channel import Message
from storage.fixed_set import Act, FixedSet, of_ids
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, NO_SUCH_USER, Reply
from tests.support.simulated import SimulatedClock
from tui.bulk import paces

HOURLY: dict[str, Any] = {"mode": "human", "gap_min": "1h", "gap_max": "1h"}
QUICK: dict[str, Any] = {"mode": "steady", "rate": "60/min", "jitter": 0}
AGAIN: dict[str, Any] = {"subject": "Again", "text": "Hi", "wait": "1h"}
THEIRS = {"hours": "daily 09:00-17:00", "zone": "Europe/Berlin", "recipient_zone": "tz"}


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SequenceWorld]:
    async with slow_sequences(tmp_path, clock, monkeypatch) as made:
        yield made


def every(world: SequenceWorld) -> FixedSet:
    return world.read(lambda reader: of_ids(reader, Act.RETRY, [job["id"] for job in world.jobs()]))


def question(world: SequenceWorld) -> str:
    return world.read(lambda reader: paces(reader, every(world), world.clock.now()))


async def retried(world: SequenceWorld) -> int:
    """Do it; how long it took (us) until the last message left."""
    begin, fixed = world.clock.now(), every(world)
    await world.call("job.retry", seen=fixed.jobs.part(0, len(fixed.jobs)))
    await world.clock.until(lambda: set(world.counts()) == {"completed"})
    return max(row["intent_at"] for row in world.rows("SELECT intent_at FROM attempts")) - begin


async def test_two_accounts_take_half_the_time_of_one(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await failed(world, 12, "one", "two", pacing=HOURLY)
    assert question(world) == "c: 12 through 2 accounts at 1h takes 6h"
    assert 6 * HOUR <= await retried(world) <= 6 * HOUR + MINUTE


async def test_the_account_with_the_longer_gap_says_when_it_ends(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {"min_gap": "2h"}}
    await world.start()
    await failed(world, 12, "one", "two", pacing=QUICK)
    await world.clock.run(2 * HOUR)
    assert question(world) == "c: 12 through 2 accounts at 60/min takes 10h (the account's limits)"
    assert 10 * HOUR <= await retried(world) <= 10 * HOUR + MINUTE


async def test_an_account_that_is_in_the_campaign_no_more_sends_through_another(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await failed(world, 12, "one", "two", pacing=HOURLY)
    await world.call("campaign.edit", name="c", also=[])
    assert question(world) == "c: 12 at 1h takes 12h"
    assert 12 * HOUR <= await retried(world) <= 12 * HOUR + MINUTE


async def test_people_are_told_by_their_own_clocks(world: SequenceWorld) -> None:
    world.set_clock("2026-01-05T08:00Z")
    await world.start()
    await failed(world, 4, "one", pacing=QUICK, window=THEIRS, fields={"tz": "America/New_York"})
    world.set_clock("2026-01-06T08:00Z")
    assert question(world) == "c: 4 at 60/min takes 6h"
    assert 6 * HOUR <= await retried(world) <= 6 * HOUR + MINUTE


async def test_steps_with_paces_of_their_own_go_one_behind_the_other(world: SequenceWorld) -> None:
    """Of four the first two failed at the first step, the others at the second, which goes by hours."""
    await world.start()
    came: Counter[str] = Counter()

    def answer(message: Message) -> Reply:
        came[message.recipient] += 1
        refused = message.recipient < "c0002" or came[message.recipient] == 2
        return NO_SUCH_USER if refused else ACCEPT

    world.scripted("one").answer = answer
    await world.sequence(4, pacing=QUICK, steps=[{**AGAIN, "pacing": HOURLY}])
    await world.clock.until(lambda: world.counts() == {"failed": 4, "completed": 2})
    world.scripted("one").answer = None
    assert question(world) == "c: 4 of several steps takes 2h"
    begin = world.clock.now()
    await world.call("job.retry", seen=every(world).jobs.part(0, 4))
    dues = sorted(job["due_at"] - begin for job in world.jobs() if job["state"] == "pending")
    assert [round(due / SECOND) for due in dues] == [1, 2, 3602, 7202]


async def test_a_window_that_never_opens_is_told_instead_of_a_time(world: SequenceWorld) -> None:
    await world.start()
    await failed(world, 3, "one", pacing=QUICK, window={"hours": "daily 09:00-12:00", "zone": "Europe/Berlin"})
    await world.call("queue.tune", name="one", set={"window": {"hours": "daily 13:00-17:00", "zone": "Europe/Berlin"}})
    assert question(world) == "c: 3 at 60/min: their windows never open"
