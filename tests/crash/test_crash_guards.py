"""What each guard prevents, made to happen with all guards on. `make crash PROVE=1` switches them off one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crash_guards import SCENARIOS
from tests.crash.crash_world import RelayProcess, World, wait_for
from tests.support.child import end_child, start_child
from tests.support.proxy import running_proxy


@pytest.mark.parametrize("guard", SCENARIOS)
def test_nothing_gets_past_it(guard: str, relay: RelayProcess, tmp_path: Path) -> None:
    assert SCENARIOS[guard](tmp_path, relay, "") == []


def test_without_the_intent_people_are_mailed_twice_and_the_ledger_shows_it(
    relay: RelayProcess, tmp_path: Path
) -> None:
    assert any("accepted 2 times" in said for said in SCENARIOS["intent gate"](tmp_path, relay, "intent gate"))


def test_a_claim_whose_lease_ran_out_is_sent_without_waiting_for_its_holder(
    relay: RelayProcess, tmp_path: Path
) -> None:
    world = World(tmp_path, relay, 3, concurrency=3)
    with running_proxy(relay.port, hold={2: 60.0}) as proxy:
        world.connect(proxy.port)
        child = start_child(world.database, world.config, lease=0.3, until_idle=False)
        try:
            wait_for(lambda: len(world.accepted()) == 3, why="nobody looked again after the rescue")
        finally:
            child.kill()
            end_child(child)
