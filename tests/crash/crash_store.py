"""The store in trouble under a running engine: locked by another program, and a disk that fills up."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.crash.crash_row import Row
from tests.crash.crash_world import Receiver, World, wait_for
from tests.support.child import end_child, start_child
from tests.support.disks import fill, small_disk


def locked(folder: Path, receiver: Receiver, seconds: float) -> Row:
    """Another program holds the write lock for longer than a commit waits, with all connections busy."""
    row = Row(f"store locked {seconds:.0f} s by another program", "0, and it goes on by itself")
    world = World(folder, receiver, 400)
    child = start_child(world.database, world.config)
    wait_for(lambda: len(world.accepted()) > 50)
    with closing(sqlite3.connect(world.database, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(1)
        had = sum(world.accepted().values())
        time.sleep(max(0, seconds - 1))
        if sum(world.accepted().values()) != had:
            row.problems.append("messages left while no intent could be written")
        other.execute("ROLLBACK")
    code, err = end_child(child, seconds=60)
    row.problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
    row.add(world.judge(uncertain=frozenset()))
    return row


def full(folder: Path, receiver: Receiver) -> Row:
    """The disk fills up with all connections busy, and has room again later."""
    row = Row("disk full, then room again", "0, and it goes on by itself")
    with small_disk(folder / "small", megabytes=12) as disk:
        world = World(disk, receiver, 400)
        child = start_child(world.database, world.config)
        wait_for(lambda: len(world.accepted()) > 50)
        big = fill(disk)
        wait_for(lambda: "full" in _trouble(world), why="nobody told that the disk is full")
        wait_for(lambda: _recorded(world) == sum(world.accepted().values()), why="what had left was not recorded")
        big.unlink()
        code, err = end_child(child, seconds=60)
        row.problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
        row.add(world.judge(uncertain=frozenset()))
    return row


def _trouble(world: World) -> str:
    return str(world.call("engine.status")["store_trouble"])


def _recorded(world: World) -> int:
    return sum(state == "completed" for state in world.states().values())
