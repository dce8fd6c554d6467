"""SIGKILL at every point of a message's way: the relay's ledger is the judge.

`make crash` is the long form of what stands here.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.crash.crash_world import RelayProcess, World, wait_for
from tests.support.child import end_child, start_child
from tests.support.crashpoints import ALONE, POINTS, RECOVERY

TELLING = ("before the intent's commit", "after the intent's commit", "after the 250", "after the outcome's commit")
"""Either side of the two commits; `make crash` has one connection die at every point."""


def die(world: World, point: str, at: int) -> frozenset[str]:
    """Run a child until it kills itself there; returns who was inside the send window."""
    code, err = end_child(start_child(world.database, world.config, point=point, at=at))
    assert code == -signal.SIGKILL, f"{point} was passed fewer than {at} times: {err}"
    return world.in_window()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_nobody_and_mails_nobody_twice(point: str, relay: RelayProcess, tmp_path: Path) -> None:
    world = World(tmp_path, relay, 60)
    inside = die(world, point, at=4)
    assert len(inside) <= world.concurrency
    world.restart()
    assert world.judge(uncertain=inside).problems == ()


@pytest.mark.parametrize("point", TELLING)
def test_one_connection_leaves_exactly_what_its_point_says(point: str, relay: RelayProcess, tmp_path: Path) -> None:
    world = World(tmp_path, relay, 6, concurrency=1)
    inside = die(world, point, at=3)
    least, most = ALONE[point]
    assert least <= len(inside) <= most
    world.restart()
    assert world.judge(uncertain=inside).problems == ()


def test_a_kill_in_the_recovery_is_recovered_from(relay: RelayProcess, tmp_path: Path) -> None:
    world = World(tmp_path, relay, 60)
    inside = die(world, "after the 250", at=12)
    assert die(world, RECOVERY, at=1) == inside
    world.restart()
    assert world.judge(uncertain=inside).problems == ()


def test_kills_at_random_times_one_after_another(relay: RelayProcess, tmp_path: Path) -> None:
    world = World(tmp_path, relay, 150)
    rng = random.Random(3)
    inside: set[str] = set()
    for _ in range(2):
        have = sum(world.accepted().values())
        child = start_child(world.database, world.config)
        wait_for(lambda have=have: sum(world.accepted().values()) > have)
        time.sleep(rng.uniform(0, 0.04))
        child.kill()
        end_child(child)
        now_inside = world.in_window()
        assert len(now_inside) <= world.concurrency
        inside |= now_inside
    world.restart()
    assert world.judge(uncertain=frozenset(inside)).problems == ()
