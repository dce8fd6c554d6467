"""What the feed reads, and what it has no need to read."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import pytest

from storage.model import SECOND
from storage.reader import Reader
from tests.console.looking import looking
from tests.console.world import RecordingLink, World
from tui.feed import Feed, Snapshot
from tui.link import ATTACHED, LinkState

SOON = 30.0
"""Seconds after which what was waited for is taken as not coming."""


class Reading:
    """A feed over a world; tells of each read, and of each look that found nothing to read."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reads: queue.Queue[int] = queue.Queue()
        self.published: queue.Queue[Snapshot] = queue.Queue()
        self.feed = Feed(
            world.database, now=world.clock.now, look=lambda now: LinkState(ATTACHED), publish=self.published.put
        )

    def __enter__(self) -> Reading:
        self.feed.watch("view", self._load)
        self.feed.start()
        self.reads.get(timeout=SOON)
        return self

    def __exit__(self, *_: object) -> None:
        self.feed.stop()

    def _load(self, reader: Reader, now: int) -> dict[str, Any]:
        self.reads.put(reader.engine()["heartbeat_at"])
        return {}

    def look_twice(self) -> None:
        """Return when what was written before has been looked at: what is asked for is answered once a look."""
        for _ in range(2):
            answered: queue.Queue[Any] = queue.Queue()
            self.feed.ask(lambda reader, now: {}, answered.put)
            answered.get(timeout=SOON)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    made.campaign("letters", 5)
    yield made
    made.close()


def test_a_heartbeat_alone_is_not_read_for(world: World) -> None:
    with Reading(world) as reading:
        for _ in range(3):
            world.clock.at += SECOND
            world.run(world.store.heartbeat("running"))
            reading.look_twice()
        assert reading.reads.empty()


def test_what_is_done_between_two_heartbeats_is_read(world: World) -> None:
    with Reading(world) as reading:
        world.run(world.store.heartbeat("running"))
        reading.look_twice()
        world.call("campaign.pause", name="letters")
        world.clock.at += SECOND
        world.run(world.store.heartbeat("running"))
        assert reading.reads.get(timeout=SOON)


def test_a_heartbeat_hides_nothing_that_waits_to_be_read(world: World) -> None:
    with Reading(world) as reading:
        world.run(world.store.writer.submit(lambda tx: tx.execute("UPDATE jobs SET due_at = due_at + 1")))
        assert reading.reads.get(timeout=SOON), "not even a change that no counter tells of"


async def test_a_tick_while_the_console_ends_finds_no_screen_and_draws_nothing(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link) as (app, _):
        pass
    assert app.screen_stack == []
    app._tick()
    assert not app.held
