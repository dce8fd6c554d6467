"""How campaigns share a queue: by priority, which waiting raises, then by weight.

Each start moves its campaign's `turn` on by a round divided by its weight, and who has the least goes first: stride
scheduling (Waldspurger and Weihl 1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.model import MINUTE

AGEING = 10 * MINUTE
"""A campaign that waits gains one step of priority each time this passes, so that none starves."""
HIGHEST = 10
ROUND = 840
"""What one start costs a campaign of weight 1 of its share (it divides by many weights without a rest)."""
SAVED_ROUNDS = 10
"""So many starts a campaign that had nothing to send may catch up on, no more."""
STARTED = (
    "UPDATE campaigns SET last_start = ?, turn = max(turn, (SELECT max(c.turn) FROM campaigns c "
    f"WHERE c.queue_id = campaigns.queue_id AND c.state = 'active') - {SAVED_ROUNDS * ROUND}) + ? * {ROUND} / weight "
    "WHERE id = ?"
)
"""When its last start was (us), and how many: a campaign pays when a start is granted, whatever was claimed and
refused."""


def in_turn(lanes: Sequence[Any], now: int) -> list[Any]:
    """Campaigns (rows with priority, last_start, started_at, turn) in the order in which they may begin at `now`."""
    # Who had nothing to send does not save its turns up: it catches up on a few.
    least = int(max(lane["turn"] for lane in lanes)) - SAVED_ROUNDS * ROUND

    def order(lane: Any) -> tuple[int, int, int, int]:
        waited = max(0, now - max(lane["last_start"], lane["started_at"] or now))
        priority = min(HIGHEST, lane["priority"] + waited // AGEING)
        return -priority, max(lane["turn"], least), lane["last_start"], lane["id"]

    return sorted(lanes, key=order)
