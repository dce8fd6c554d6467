"""When the connections are asked for: three times a day, never by the clock, never oftener after a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.channels.unipile.acceptance import A_DAY, next_poll
from storage.model import DAY, HOUR, SECOND

NOON = 1_767_268_800 * SECOND


def polls(seed: str, days: int) -> list[int]:
    found, now = [], NOON
    while now < NOON + days * DAY:
        now = next_poll(seed, now)
        found.append(now)
    return found


@given(st.text(max_size=10), st.integers(0, 400 * DAY))
def test_a_restart_at_any_moment_asks_no_more_often(seed: str, later: int) -> None:
    at = next_poll(seed, NOON + later)
    assert 0 < at - (NOON + later) <= 2 * DAY // A_DAY
    assert next_poll(seed, at - 1) == at
    assert next_poll(seed, at) > at


def test_it_is_asked_three_times_a_day_at_moments_that_differ() -> None:
    found = polls("ana", 30)
    assert 3 * 30 - 1 <= len(found) <= 3 * 30 + 1
    assert len({at % DAY // HOUR for at in found}) > 12
    assert polls("ana", 30) == found
    assert polls("bob", 30) != found
