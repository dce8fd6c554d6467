"""SIGKILL to an engine with a campaign and background jobs under way: neither costs the other anything.

`make crash` is the long form of what stands here.
"""

from __future__ import annotations

from pathlib import Path

from tests.crash.crash_beside import KINDS, Beside
from tests.crash.crash_world import RelayProcess


def test_a_kill_with_a_campaign_and_jobs_under_way_loses_and_repeats_neither(
    relay: RelayProcess, tmp_path: Path
) -> None:
    world = Beside(tmp_path, relay)
    world.die("running, nothing done", at=3)
    world.die("items are kept", at=1)
    assert world.under_way.keys() == set(KINDS)
    world.restart()
    messages, jobs = world.judge()
    assert (messages.problems, jobs.problems) == ((), ())
    assert 0 < messages.accepted <= messages.recipients
