"""What each guard prevents, made to happen with all guards on. `make crash PROVE=1` switches them off one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crash_guards import SCENARIOS
from tests.crash.crash_world import RelayProcess


@pytest.mark.parametrize("guard", SCENARIOS)
def test_nothing_gets_past_it(guard: str, relay: RelayProcess, tmp_path: Path) -> None:
    assert SCENARIOS[guard](tmp_path, relay, "") == []


def test_without_the_intent_people_are_mailed_twice_and_the_ledger_shows_it(
    relay: RelayProcess, tmp_path: Path
) -> None:
    assert any("accepted 2 times" in said for said in SCENARIOS["intent gate"](tmp_path, relay, "intent gate"))
