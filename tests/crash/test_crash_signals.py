"""Signals to the real program: the first drains, the second cuts, and neither loses or repeats a message."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.crash.crash_signals import drained
from tests.crash.crash_world import RelayProcess


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_nothing_stays_in_flight(
    number: signal.Signals, relay: RelayProcess, tmp_path: Path
) -> None:
    world, code, err = drained(tmp_path, relay, number)
    assert code == 0, err
    assert "processing" not in world.states().values()
    assert 0 < len(world.accepted()) < world.n
    assert world.judge(uncertain=frozenset(), ended=False).problems == ()
    world.restart()
    assert world.judge(uncertain=frozenset()).problems == ()


def test_a_second_signal_cuts_and_says_what_may_have_left(relay: RelayProcess, tmp_path: Path) -> None:
    world, code, err = drained(tmp_path, relay, signal.SIGTERM, again=True)
    assert code == 1, err
    assert "processing" not in world.states().values()
    verdict = world.judge(ended=False)
    assert verdict.problems == ()
    assert 0 < len(verdict.uncertain) <= world.concurrency
    world.restart()
    assert world.judge(uncertain=verdict.uncertain).problems == ()
