"""SIGKILL at every point of a background job's way: a record outside the store is the judge."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.crash.crash_work import AT_ONCE, ITEMS, POINTS, TAKES, WorkWorld
from tests.crash.crash_world import wait_for
from tests.support.child import end_child

KEPT_EVERY = 0.25
"""Seconds between two writings of items (`RunContext.map`)."""


def die(world: WorkWorld, point: str, at: int) -> frozenset[str]:
    """Run an engine until it kills itself there; which jobs may have run that must not run twice."""
    code, err = end_child(world.start("--point", point, "--at", str(at)))
    assert code == -signal.SIGKILL, f"{point} was passed fewer than {at} times: {err}"
    return world.open_intents()


def restart(world: WorkWorld) -> None:
    code, err = end_child(world.start(), seconds=60)
    assert code == 0, err


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_no_job_and_repeats_none_that_must_not_be(point: str, tmp_path: Path) -> None:
    world = WorkWorld(tmp_path)
    for kind, n in (("once", 12), ("again", 12), ("many", 2), ("staged", 4)):
        world.add(kind, n)
    uncertain = die(world, point, at=3)
    restart(world)
    assert world.problems(uncertain=uncertain) == []


def test_a_pipeline_goes_on_at_its_stage(tmp_path: Path) -> None:
    world = WorkWorld(tmp_path)
    world.add("staged", 1)
    die(world, "a stage is done", at=2)
    restart(world)
    assert world.problems(uncertain=frozenset()) == []
    assert world.done() == {"stage staged-0 first": 1, "stage staged-0 second": 2, "stage staged-0 third": 1}


def test_items_that_were_kept_are_not_done_again(tmp_path: Path) -> None:
    world = WorkWorld(tmp_path)
    world.add("many", 1)
    die(world, "an item is done", at=ITEMS - 2)
    kept = {row["key"] for row in world.rows("SELECT key FROM task_items WHERE done = 1")}
    assert kept
    restart(world)
    assert world.problems(uncertain=frozenset()) == []
    again = {what.split()[2] for what, times in world.done().items() if times > 1}
    assert not again & kept
    assert len(again) <= AT_ONCE * (1 + KEPT_EVERY / TAKES)


def test_a_job_that_ends_its_engine_fails_after_three_rescues(tmp_path: Path) -> None:
    world = WorkWorld(tmp_path)
    world.add("deadly", 1)
    world.add("again", 3)
    for _ in range(3):
        code, _ = end_child(world.start())
        assert code == -signal.SIGKILL
    restart(world)
    assert world.done()["deadly deadly-0"] == 3
    assert set(world.states().values()) == {"completed", "failed"}
    assert world.states()["deadly-0"] == "failed"


def test_an_engine_that_stood_still_records_nothing_of_what_it_lost(tmp_path: Path) -> None:
    """Stopped for longer than its leases: what comes back is decided by the store, and an old end changes nothing."""
    world = WorkWorld(tmp_path)
    world.add("once", 10)
    child = world.start("--lease", "0.3")
    wait_for(lambda: len(world.open_intents()) == 10)
    child.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    child.send_signal(signal.SIGCONT)
    code, err = end_child(child)
    assert code == 0, err
    states, done = world.states(), world.done()
    assert set(states.values()) <= {"completed", "uncertain"}
    assert all(done[f"once {name}"] == 1 for name in states)
    assert world.problems(uncertain=frozenset(n for n, state in states.items() if state == "uncertain")) == []


def test_a_drain_by_a_signal_gives_back_what_may_be_begun_again(tmp_path: Path) -> None:
    world = WorkWorld(tmp_path)
    world.add("again", 300)
    child = world.start()
    wait_for(lambda: len(world.done()) > 20)
    child.terminate()
    code, err = end_child(child)
    assert code == 0, err
    assert "processing" not in world.states().values()
    restart(world)
    assert world.problems(uncertain=frozenset()) == []
    assert all(times == 1 for times in world.done().values())
