"""After a power cut at any moment every acknowledged intent and outcome is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.crash.crash_power import checkpoint_cuts, live, power_cuts, problems_of
from tests.crash.crash_world import RelayProcess, World


def test_a_log_cut_anywhere_after_a_commit_holds_what_was_acknowledged(relay: RelayProcess, tmp_path: Path) -> None:
    tried, found = power_cuts(World(tmp_path, relay, 24), tmp_path)
    assert tried > 100
    assert found == []


def test_a_cut_during_a_checkpoint_loses_nothing_either(relay: RelayProcess, tmp_path: Path) -> None:
    tried, found = checkpoint_cuts(World(tmp_path, relay, 24), tmp_path)
    assert tried > 20
    assert found == []


def test_a_log_that_ends_before_its_commit_is_noticed(relay: RelayProcess, tmp_path: Path) -> None:
    moment = asyncio.run(live(World(tmp_path, relay, 5), checkpoint_pages=0))[-1]
    assert problems_of(tmp_path, moment.database, moment.wal, moment.told) == []
    assert problems_of(tmp_path, moment.database, moment.wal[:-1], moment.told) != []
