"""Whose turn it is: by priority, which waiting raises as far as that of those who went before, then by turn."""

from __future__ import annotations

import random

from storage.model import HOUR, MINUTE
from storage.shares import AGEING, ROUND, SAVED_ROUNDS, Share, in_order

NOON = 1_800_000_000_000_000


def share(number: int, priority: int = 5, turn: int = 0, waited: int = 0) -> Share:
    """A campaign that last began so long (us) before noon, the queue's last start."""
    return Share(priority, turn, NOON - waited, NOON - 100 * HOUR, number)


def test_of_equals_the_turn_decides_however_long_one_has_waited() -> None:
    assert in_order([share(1, turn=840, waited=5 * HOUR), share(2, turn=280)], NOON) == [1, 0]
    assert in_order([share(7, turn=280), share(2, turn=280)], NOON) == [1, 0], "the older campaign first"
    assert in_order([share(7, turn=280, waited=MINUTE), share(2, turn=280)], NOON) == [0, 1], "or who began earlier"


def test_waiting_raises_a_campaign_as_far_as_those_who_went_before_it() -> None:
    high = share(1, priority=7, turn=10 * ROUND)
    for waited, first in ((AGEING, 0), (2 * AGEING - 1, 0), (2 * AGEING, 1), (9 * AGEING, 1)):
        assert in_order([high, share(2, priority=5, waited=waited)], NOON)[0] == first
    # Raised to 7 and no further: then it is its turn that it has had.
    assert in_order([high, share(2, priority=5, turn=20 * ROUND, waited=9 * AGEING)], NOON) == [0, 1]


def test_a_high_campaign_that_sends_nothing_raises_nobody() -> None:
    idle = share(1, priority=9, waited=50 * HOUR)
    waits, beside = share(2, turn=3 * ROUND, waited=HOUR), share(3, turn=ROUND)
    assert in_order([idle, waits, beside], NOON) == [0, 2, 1]


def test_what_was_not_used_is_saved_for_a_few_rounds_only() -> None:
    busy = share(1, turn=100 * ROUND)
    late, later = share(2, turn=0), share(3, turn=(100 - SAVED_ROUNDS) * ROUND, waited=MINUTE)
    assert in_order([busy, late, later], NOON) == [2, 1, 0], "both count as the same turn"


def test_one_that_never_began_waits_since_its_campaign_began() -> None:
    high = share(1, priority=6)
    assert in_order([high, Share(5, 0, 0, NOON - AGEING, 2)], NOON) == [1, 0]
    assert in_order([high, Share(5, 0, 0, NOON - AGEING + 1, 2)], NOON) == [0, 1]
    assert in_order([high, Share(5, 0, 0, 0, 2)], NOON) == [0, 1], "it has not begun at all"


def test_every_campaign_of_a_queue_has_its_turn_in_the_end() -> None:
    """Whatever priorities and weights: nobody waits for ever beside those who always have something to send."""
    rng = random.Random(5)
    for _ in range(20):
        shares = [Share(rng.randint(0, 10), 0, 0, NOON, n) for n in range(rng.randint(2, 6))]
        weights = [rng.choice([1, 3, 10]) for _ in shares]
        now, begun = NOON, [0] * len(shares)
        for _ in range(600):
            first = in_order(shares, now)[0]
            now += 2 * MINUTE
            least = max(one.turn for one in shares) - SAVED_ROUNDS * ROUND
            turn = max(shares[first].turn, least) + ROUND // weights[first]
            shares[first] = shares[first]._replace(turn=turn, last_start=now)
            begun[first] += 1
        assert min(begun) >= 3, (shares, begun)
