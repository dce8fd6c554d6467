"""What ends half-way: plans, imports and retries that are cut short, and people who act meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.socket_client import ControlClient
from storage.acts import Acted
from storage.errors import DamagedStoreError, PacelineError, RefusedError, StoreError
from storage.sqlite import SqliteStore
from tests.runs.run_world import ANA, World
from tests.support.scripted import NO_SUCH_USER

BLAST = {"mode": "blast", "concurrency": 5, "batch_delay": "1m"}


def failing(store: SqliteStore, name: str, turn: int, error: Exception) -> None:
    """Let the `turn`-th call of a store's method fail."""
    real = getattr(store, name)
    calls = 0

    async def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == turn:
            raise error
        return await real(*args, **kwargs)

    setattr(store, name, call)


@pytest.mark.parametrize(
    "where", [("add_jobs", 2), ("unplanned", 3), ("activate_campaign", 1)], ids=["writing", "reading on", "at the end"]
)
async def test_a_start_that_fails_half_way_is_taken_back_and_can_be_made_again(
    world: World, where: tuple[str, int]
) -> None:
    await world.start()
    await world.campaign(people=2_500, start=False, pacing=BLAST)
    failing(world.engine.store, *where, StoreError("the store is locked"))
    with pytest.raises(StoreError):
        await world.call("campaign.start", name="c")
    assert world.counts() == {}
    assert world.rows("SELECT id FROM jobs UNION ALL SELECT id FROM batches") == []
    answer = await world.call("campaign.start", name="c")
    assert answer["queued"] == 2_500
    await world.restart()
    assert sum(world.counts().values()) == 2_500


async def test_a_batch_that_a_dead_start_left_is_removed_before_the_next_one(world: World) -> None:
    await world.start()
    await world.campaign(people=10, start=False, pacing=BLAST)
    store = world.engine.store
    campaign = await store.get_campaign("c")
    await store.begin_batch(campaign.id, "start", "dead", "ana")
    with pytest.raises(RefusedError, match="unfinished start"):
        await store.activate_campaign(campaign.id, None)
    await world.call("campaign.start", name="c")
    await world.finish()
    assert world.counts() == {"completed": 10}


async def test_a_pause_pressed_while_a_retry_is_planned_stays(world: World) -> None:
    world.channel.script = {"c00000@example.org": [NO_SUCH_USER]}
    await world.start()
    await world.campaign(people=50, pacing=BLAST)
    await world.clock.until(lambda: world.counts().get("failed") == 1)
    store = world.engine.store
    real = store.retry_jobs

    async def retry_jobs(*args: Any) -> Acted:
        acted = await real(*args)
        await world.call("campaign.pause", name="c")
        return acted

    store.retry_jobs = retry_jobs  # type: ignore[method-assign]
    answer = await world.retry("c", which="all")
    assert (answer["done"], answer["notes"]) == (1, ["c is paused: they wait for its resume"])
    assert world.state() == "paused"


@pytest.mark.parametrize("turn", [1, 2], ids=["before its jobs are planned", "between two slices of them"])
async def test_a_cancel_pressed_while_a_retry_is_planned_leaves_nothing_open(
    world: World, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.control.jobs.SLICE", 2)
    world.channel.answer = lambda message: NO_SUCH_USER
    await world.start()
    await world.campaign(people=4, pacing=BLAST)
    await world.clock.until(lambda: world.counts() == {"failed": 4})
    await world.clock.until(lambda: world.state() == "completed")
    await world.people("c", ["later@example.org"])
    store = world.engine.store
    real = store.retry_jobs
    calls = 0

    async def retry_jobs(*args: Any) -> Acted:
        nonlocal calls
        calls += 1
        if calls == turn:
            await world.call("campaign.cancel", name="c")
        return await real(*args)

    store.retry_jobs = retry_jobs  # type: ignore[method-assign]
    answer = await world.retry("c", which="all")
    assert (answer["done"], answer["refused"]) == ((turn - 1) * 2, 4 - (turn - 1) * 2)
    await world.clock.run(60_000_000)
    counts = world.counts()
    assert counts["failed"] == 4 - (turn - 1) * 2 and set(counts) == {"failed", "skipped"}
    assert world.state() == "cancelled"


@pytest.mark.parametrize(("method", "turn"), [("retry_jobs", 2), ("activate_campaign", 1)])
async def test_a_retry_that_is_cut_short_is_gone_on_with_and_can_be_asked_for_again(
    world: World, method: str, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.control.jobs.SLICE", 2)
    world.channel.script = {f"c0000{n}@example.org": [NO_SUCH_USER] for n in range(4)}
    await world.start()
    await world.campaign(people=6, pacing=BLAST)
    await world.clock.until(lambda: world.state() == "completed")
    failing(world.engine.store, method, turn, StoreError("the store is locked"))
    with pytest.raises(StoreError):
        await world.retry("c", which="all")
    left = world.counts()["pending"]
    assert left == (2 if method == "retry_jobs" else 4)
    await world.restart(after=60_000_000)
    await world.clock.until(lambda: world.state() == "completed")
    assert world.counts().get("failed", 0) == 4 - left
    await world.retry("c", which="all")
    await world.finish()
    assert world.counts() == {"completed": 6}
    assert world.channel.twice == []


async def test_an_import_whose_client_is_gone_is_taken_back(world: World) -> None:
    await world.start()
    await world.campaign(people=1, start=False, pacing=BLAST)

    def begin_and_die() -> None:
        client = ControlClient(world.engine.server.path, timeout=20)
        begun = client.call("recipients.begin", {"campaign": "c", "source": "x.csv"}, ANA)
        rows = [(2, "lost@example.org", "lost@example.org", {})]
        client.call("recipients.rows", {"import_id": begun["import_id"], "rows": rows}, ANA)
        client.close()

    await world.clock.drive(asyncio.to_thread(begin_and_die))
    await world.clock.run(1_000_000)
    answer = await world.people("c", ["lost@example.org"])
    assert answer["imported"] == 1


async def test_two_imports_into_one_campaign_do_not_mix(world: World) -> None:
    await world.start()
    await world.campaign(people=1, start=False, pacing=BLAST)
    await world.call("recipients.begin", campaign="c", source="one.csv")
    with pytest.raises(RefusedError, match="under way"):
        await world.call("recipients.begin", campaign="c", source="two.csv")


async def test_a_store_that_turns_out_damaged_ends_the_engine(world: World) -> None:
    await world.start()
    await world.campaign(people=5, start=False, pacing=BLAST)
    await world.call("campaign.start", name="c")
    failing(world.engine.store, "claim", 1, DamagedStoreError("the store is damaged", hint="restore"))
    world.running = False
    with pytest.raises(PacelineError, match="damaged"):
        await world.clock.drive(world.engine.run())
    world._open = False
