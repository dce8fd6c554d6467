"""The gap per recipient domain: a crowded one is passed, its line keeps its order, and nobody in it is lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from run_world import World

from engine.channels.channel import Message
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import NO_SUCH_USER, Delivery

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
CROWDED = "crowded.example"


def to(domain: str, n: int) -> list[str]:
    return [f"p{i:04d}@{domain}" for i in range(n)]


def sent_to(world: World, domain: str) -> list[Delivery]:
    return [delivery for delivery in world.channel.begun if delivery.recipient.endswith(f"@{domain}")]


def gaps(deliveries: list[Delivery]) -> list[int]:
    return [later.mono - earlier.mono for earlier, later in itertools.pairwise(deliveries)]


def moves(world: World) -> int:
    return sum(row["n"] for row in world.rows("SELECT count(*) AS n FROM moves"))


async def count_moves(world: World) -> None:
    """Note every time that a job is moved to a place in line."""
    await world.engine.store.writer.submit(
        lambda tx: [
            tx.execute("CREATE TABLE moves (job_id INTEGER)"),
            tx.execute(
                "CREATE TRIGGER moved AFTER UPDATE OF due_at ON jobs WHEN NEW.reason = 'domain' "
                "AND NEW.due_at <> OLD.due_at BEGIN INSERT INTO moves VALUES (NEW.id); END"
            ),
        ]
    )


async def test_a_mixed_list_passes_a_crowded_domain(world: World) -> None:
    await world.start(domain_gap="10m")
    others = [f"q{i:03d}@d{i}.example" for i in range(50)]
    await world.campaign(people=to(CROWDED, 20) + others, pacing=AT_ONCE)
    await world.clock.run(MINUTE)
    assert sorted(world.channel.accepted) == sorted([f"p0000@{CROWDED}", *others])
    await world.finish()
    assert [delivery.recipient for delivery in sent_to(world, CROWDED)] == to(CROWDED, 20)
    assert min(gaps(sent_to(world, CROWDED))) >= 10 * MINUTE
    assert max(gaps(sent_to(world, CROWDED))) <= 10 * MINUTE + 2 * SECOND


@pytest.mark.parametrize(("n", "latency"), [(1_000, 0), (200, 300_000)], ids=["near server", "distant server"])
async def test_a_thousand_of_one_domain_are_moved_once_each_and_keep_their_order(
    world: World, n: int, latency: int
) -> None:
    """Each starts a little later than its place; that must not throw the line over."""

    async def compose(message: Message) -> None:
        await world.clock.sleep(latency)

    world.channel.service = (latency, latency)
    world.channel.during_prepare = compose if latency else None
    await world.start(domain_gap="1m")
    await count_moves(world)
    await world.campaign(people=to(CROWDED, n), pacing=AT_ONCE)
    await world.finish()
    assert [delivery.recipient for delivery in world.channel.begun] == to(CROWDED, n)
    assert min(gaps(world.channel.begun)) >= MINUTE
    assert max(gaps(world.channel.begun)) <= MINUTE + 2 * SECOND
    assert moves(world) == n - 1
    assert len(world.channel.offers) == n, "nobody is offered to the server before the turn of the domain"


async def test_one_intent_that_is_late_does_not_let_two_go_at_once(world: World) -> None:
    """Two of one domain wait for their place while a connection takes its time."""

    async def slow(message: Message) -> None:
        await world.clock.sleep(20 * SECOND)

    world.channel.during_prepare = slow
    await world.start(domain_gap="5s")
    await world.campaign(people=to(CROWDED, 30), pacing=AT_ONCE)
    await world.finish()
    intents = [row["intent_at"] for row in world.rows("SELECT intent_at FROM attempts ORDER BY intent_at")]
    assert len(intents) == 30
    assert all(later - earlier >= 5 * SECOND for earlier, later in itertools.pairwise(intents))


@pytest.mark.parametrize("how", ["sleep", "restart"])
async def test_a_line_that_is_overdue_goes_on_in_its_order(world: World, how: str) -> None:
    await world.start(domain_gap="1m")
    others = [f"q{i:03d}@d{i}.example" for i in range(10)]
    await world.campaign(people=to(CROWDED, 150), pacing=AT_ONCE)
    await world.clock.run(20 * MINUTE)
    if how == "sleep":
        world.clock.step_wall(2 * HOUR)
    else:
        await world.restart(after=2 * HOUR)
    await world.campaign("late", others, pacing=AT_ONCE)
    await world.clock.run(2 * MINUTE)
    assert set(others) <= set(world.channel.accepted), "they do not wait behind the line of another domain"
    await world.finish()
    assert [delivery.recipient for delivery in sent_to(world, CROWDED)] == to(CROWDED, 150)
    at = [delivery.at for delivery in sent_to(world, CROWDED)]
    waits = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert min(waits) >= MINUTE
    assert max(waits[25:]) <= MINUTE + 5 * SECOND


async def test_the_gap_holds_over_campaigns_restarts_and_refusals(world: World) -> None:
    world.channel.script = {f"p{i:04d}@{CROWDED}": [NO_SUCH_USER] for i in range(0, 20, 3)}
    await world.start(domain_gap="2m")
    await world.campaign("a", to(CROWDED, 20), pacing=AT_ONCE)
    await world.campaign("b", [f"b{i}@{CROWDED.upper()}" for i in range(20)], pacing=AT_ONCE)
    for after in (0, MINUTE, 3 * MINUTE):
        await world.clock.run(7 * MINUTE)
        await world.restart(after=after)
    await world.finish()
    intents = [row["intent_at"] for row in world.rows("SELECT intent_at FROM attempts ORDER BY intent_at")]
    assert len(intents) == 40
    assert all(later - earlier >= 2 * MINUTE for earlier, later in itertools.pairwise(intents))


async def test_a_clock_set_back_does_not_open_the_gap_of_a_domain(world: World) -> None:
    await world.start(domain_gap="10m")
    await world.campaign(people=to(CROWDED, 6), pacing=AT_ONCE)
    await world.clock.run(25 * MINUTE)
    world.clock.step_wall(-HOUR)
    await world.finish()
    assert [delivery.recipient for delivery in world.channel.begun] == to(CROWDED, 6)
    assert min(gaps(world.channel.begun)) >= 10 * MINUTE


async def test_a_line_that_nobody_waits_in_any_more_holds_nobody(world: World) -> None:
    """Its campaign was cancelled: the next one does not stand behind empty places."""
    await world.start(domain_gap="10m")
    await world.campaign("a", to(CROWDED, 100), pacing=AT_ONCE)
    await world.clock.run(5 * MINUTE)
    await world.call("campaign.cancel", name="a")
    await world.clock.run(MINUTE)
    await world.campaign("b", [f"b{i}@{CROWDED}" for i in range(3)], pacing=AT_ONCE)
    await world.clock.run(31 * MINUTE)
    assert world.state("b") == "completed"


async def test_a_shorter_gap_holds_for_those_who_wait_already(world: World) -> None:
    await world.start(domain_gap="2h")
    await world.campaign(people=to(CROWDED, 30), pacing=AT_ONCE)
    await world.clock.run(MINUTE)
    await world.call("queue.tune", name="one", set={"domain_gap": "1m"})
    await world.clock.run(35 * MINUTE)
    assert world.state() == "completed"
    assert [delivery.recipient for delivery in world.channel.begun] == to(CROWDED, 30)
    assert min(gaps(world.channel.begun)) >= MINUTE
