"""Connections cut at one phase of the conversation, by a proxy that remembers whose message it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crash_cut import cut_at
from tests.crash.crash_world import RelayProcess


@pytest.mark.parametrize("phase", ["RCPT reply", "DATA", "354"])
def test_a_cut_up_to_the_354_is_retried_and_nothing_is_uncertain(
    phase: str, relay: RelayProcess, tmp_path: Path
) -> None:
    world, cut = cut_at(phase, tmp_path, relay, n=20, at=(4,))
    assert len(cut) == 1
    assert world.judge(uncertain=frozenset()).problems == ()
    assert sum(world.accepted().values()) == world.n
    assert world.rows("SELECT max(tries) AS n FROM jobs")[0]["n"] == 1, "the line's trouble is nobody's retry"


def test_a_cut_inside_the_content_leaves_exactly_its_messages_uncertain(relay: RelayProcess, tmp_path: Path) -> None:
    world, cut = cut_at("inside the content", tmp_path, relay, n=20, at=(4, 9))
    assert world.judge(uncertain=cut).problems == ()
    assert len(cut) == 2 and not cut & world.accepted().keys()


def test_a_lost_reply_leaves_exactly_its_messages_uncertain(relay: RelayProcess, tmp_path: Path) -> None:
    world, cut = cut_at("250", tmp_path, relay, n=20, at=(4, 9))
    assert world.judge(uncertain=cut).problems == ()
    assert len(cut) == 2 and cut <= world.accepted().keys()
