"""A retry of messages of several accounts and steps: each is planned by its own account's limits and its own step."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sequence_world import SequenceWorld, failed, slow_sequences

from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.counted import by_calendar
from tests.support.scripted import ACCEPT, NO_SUCH_USER
from tests.support.simulated import SimulatedClock
from tests.support.window_oracle import local

FAST: dict[str, Any] = {"mode": "steady", "rate": "60/min", "jitter": 0}
AGAIN: dict[str, Any] = {"subject": "Again", "text": "Hi", "wait": "1h"}
HUMAN: dict[str, Any] = {"mode": "human", "gap_min": "15m", "gap_max": "20m"}
OFFICE = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
NEVER_BOTH = {"hours": "sat 09:00-17:00", "zone": "Europe/Berlin"}


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SequenceWorld]:
    async with slow_sequences(tmp_path, clock, monkeypatch) as made:
        yield made


def fixed(world: SequenceWorld) -> list[tuple[int, str, int]]:
    return [(job["id"], job["state"], job["lease"]) for job in world.jobs() if job["state"] == "failed"]


def dues(world: SequenceWorld) -> dict[str, list[int]]:
    """Due times of what is pending, by account, in order."""
    names = {row["id"]: row["name"] for row in world.rows("SELECT id, name FROM queues")}
    found: defaultdict[str, list[int]] = defaultdict(list)
    for job in world.jobs():
        if job["state"] == "pending":
            found[names[job["queue_id"]]].append(job["due_at"])
    return {name: sorted(times) for name, times in found.items()}


def by_step(world: SequenceWorld) -> list[list[int]]:
    """Due times of what is pending, by step, in order."""
    pending = [job for job in world.jobs() if job["state"] == "pending"]
    return [sorted(job["due_at"] for job in pending if job["step_id"] == step)
            for step in sorted({job["step_id"] for job in pending})]  # fmt: skip


def gaps(times: list[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(times)]


async def test_every_account_plans_by_its_own_limits_from_the_same_moment(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {"min_gap": "10m"}}
    await world.start()
    await failed(world, 12, "one", "two", pacing=FAST)
    asked = world.clock.now()
    assert (await world.call("job.retry", seen=fixed(world)))["done"] == 12
    planned = dues(world)
    assert gaps(planned["one"]) == [SECOND] * 5
    assert gaps(planned["two"]) == [10 * MINUTE] * 5
    assert {times[0] - asked for times in planned.values()} == {SECOND}
    await world.finish()
    assert world.counts() == {"completed": 12}
    sent = world.scripted("two").times
    assert min(gaps(sent)) >= 10 * MINUTE
    assert max(world.scripted("one").times) < sent[1]


async def test_an_account_s_own_window_and_cap_hold_for_its_part_alone(world: SequenceWorld) -> None:
    world.set_clock("2026-11-23T08:00Z")
    world.accounts = {"one": {}, "two": {"window": OFFICE, "caps": ["4/day calendar"], "zone": "Europe/Berlin"}}
    await world.start()
    await failed(world, 6, "one", "two", pacing=FAST)
    world.set_clock("2026-11-24T18:00Z")
    await world.call("job.retry", seen=fixed(world))
    planned = dues(world)
    assert local(planned["one"][0], "Europe/Berlin") == "2026-11-24 19:00"
    assert {local(at, "Europe/Berlin") for at in planned["two"]} == {"2026-11-25 09:00"}
    await world.finish()
    assert world.counts() == {"completed": 6}
    starts = [start.at for start in world.scripted("two").begun]
    assert max(by_calendar(starts, DAY, "Europe/Berlin").values()) <= 4


async def test_a_spread_pacing_takes_the_cap_of_the_account_that_sends(world: SequenceWorld) -> None:
    world.accounts = {"one": {"caps": ["24/day"]}, "two": {"caps": ["48/day"]}}
    await world.start()
    await failed(world, 8, "one", "two", pacing={"mode": "steady", "spread": True, "jitter": 0})
    await world.call("job.retry", seen=fixed(world))
    planned = dues(world)
    assert (gaps(planned["one"]), gaps(planned["two"])) == ([HOUR] * 3, [HOUR // 2] * 3)


async def test_a_step_is_retried_by_its_own_pacing_behind_the_steps_before_it(world: SequenceWorld) -> None:
    await world.start()
    names = [f"c{n:04}@example.org" for n in range(8)]
    # Half of them fail at the first message, the others at the second.
    world.channel.script = {name: [NO_SUCH_USER] if n < 4 else [ACCEPT, NO_SUCH_USER] for n, name in enumerate(names)}
    people = await world.sequence(8, pacing=FAST, steps=[{**AGAIN, "pacing": HUMAN}])
    await world.clock.until(lambda: world.counts() == {"completed": 4, "failed": 8})
    await world.call("job.retry", seen=fixed(world))
    first, further = by_step(world)
    assert gaps(first) == [SECOND] * 3
    assert all(15 * MINUTE <= gap <= 20 * MINUTE for gap in gaps([first[-1], *further])) and len(further) == 4
    await world.finish()
    world.fill(people)
    assert {tuple(step for _, step, _ in one.got) for one in people} == {(1, 2)}


async def test_a_step_of_another_account_takes_that_account_s_limits(world: SequenceWorld) -> None:
    world.accounts = {"one": {"min_gap": "1h"}, "linked": {"channel": "unipile", "min_gap": "20m"}}
    await world.start()
    world.scripted("linked").answer = lambda message: NO_SUCH_USER
    await world.sequence(4, also=["linked"], pacing=FAST, steps=[{**AGAIN, "channel": "unipile", "pacing": FAST}])
    await world.clock.until(lambda: world.counts() == {"completed": 4, "failed": 4})
    world.scripted("linked").answer = None
    await world.call("job.retry", seen=fixed(world))
    assert {name: gaps(times) for name, times in dues(world).items()} == {"linked": [20 * MINUTE] * 3}
    await world.finish()
    assert world.counts() == {"completed": 8}
    assert min(gaps(world.scripted("linked").times)) >= 20 * MINUTE


async def test_the_parts_of_a_retry_follow_each_other_in_every_queue(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await failed(world, 12, "one", "two", pacing=HUMAN)
    seen, until = fixed(world), {}
    for at in (0, 6):
        answer = await world.call("job.retry", seen=seen[at : at + 6], offset=at, total=12, until=until)
        # As it comes back from a client: the keys of a JSON object are texts.
        until = json.loads(json.dumps(answer["until"]))
    for times in dues(world).values():
        assert len(times) == 6
        assert all(15 * MINUTE <= gap <= 20 * MINUTE for gap in gaps(times))


async def test_people_are_retried_in_the_hours_of_their_own_zone(world: SequenceWorld) -> None:
    world.set_clock("2026-11-23T09:00Z")
    world.accounts = {"one": {"window": {**OFFICE, "recipient_zone": "tz"}}, "two": {}}
    await world.start()
    await failed(world, 4, "one", "two", pacing=FAST, fields={"tz": "America/New_York"})
    world.set_clock("2026-11-24T09:00Z")
    await world.call("job.retry", seen=fixed(world))
    planned = dues(world)
    assert {local(at, "America/New_York") for at in planned["one"]} == {"2026-11-24 09:00"}
    assert {local(at, "UTC") for at in planned["two"]} == {"2026-11-24 09:00"}


async def test_a_retry_over_a_time_counts_it_in_open_time_and_is_taken_back_whole(world: SequenceWorld) -> None:
    world.set_clock("2026-11-23T08:00Z")
    world.accounts = {"one": {}, "two": {"window": OFFICE}}
    await world.start()
    await failed(world, 8, "one", "two", pacing=HUMAN)
    world.set_clock("2026-11-24T15:30Z")
    before = {job["id"]: (job["state"], job["queue_id"]) for job in world.jobs()}
    answer = await world.call("job.retry", seen=fixed(world), spread=2 * HOUR)
    planned = dues(world)
    assert sorted(gaps(planned["one"])) == [30 * MINUTE] * 3
    assert [local(at, "Europe/Berlin") for at in planned["two"]] == [
        "2026-11-24 16:30", "2026-11-25 09:00", "2026-11-25 09:30", "2026-11-25 10:00",
    ]  # fmt: skip
    assert (await world.call("job.undo", events=answer["events"]))["done"] == 8
    assert {job["id"]: (job["state"], job["queue_id"]) for job in world.jobs()} == before


async def test_what_is_overdue_of_a_retry_over_a_time_leaves_by_its_gaps(world: SequenceWorld) -> None:
    await world.start()
    await failed(world, 12, "one", pacing=HUMAN)
    await world.call("job.retry", seen=fixed(world), spread=HOUR)
    await world.restart(after=5 * HOUR)
    await world.finish()
    assert world.counts() == {"completed": 12}
    assert min(gaps(world.channel.times)) >= 5 * MINUTE


async def test_what_no_account_can_send_is_refused_and_the_others_are_retried(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}, "shut": {}}
    await world.start()
    await failed(world, 9, "one", "two", "shut", pacing=FAST, window=NEVER_BOTH)
    del world.accounts["two"]
    world.accounts["shut"] = {"window": OFFICE}
    await world.restart()
    answer = await world.call("job.retry", seen=fixed(world))
    assert (answer["done"], answer["refused"]) == (3, 6)
    assert {left["why"] for left in answer["left"]} == {
        "there is no account 'two'; there are: one, shut",
        "the window of campaign 'c' does not open within a year, or never while its queue's is open",
    }
    assert list(dues(world)) == ["one"]
