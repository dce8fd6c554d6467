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
ACTIVE_LANES = (
    "FROM campaigns c INDEXED BY campaigns_active CROSS JOIN lanes l ON l.queue_id = ? AND l.campaign_id = c.id "
    "WHERE c.state = 'active'"
)
"""The lanes of a queue whose campaigns are active, by way of the few active campaigns: a queue keeps the lanes of all
that it ever sent."""
ACTIVE_CAMPAIGNS = (
    "SELECT c.name FROM campaigns c JOIN lanes l ON l.campaign_id = c.id JOIN queues q ON q.id = l.queue_id "
    "WHERE q.name = ? AND c.state = 'active' "
    "ORDER BY c.id"
)
"""The names of a queue's active campaigns, by the queue's name, the oldest first."""
STARTED = (
    "UPDATE lanes SET last_start = ?, turn = max(turn, COALESCE((SELECT max(o.turn) FROM campaigns c "
    "INDEXED BY campaigns_active CROSS JOIN lanes o ON o.queue_id = lanes.queue_id AND o.campaign_id = c.id "
    f"WHERE c.state = 'active'), 0) - {SAVED_ROUNDS * ROUND}) "
    f"+ ? * {ROUND} / (SELECT weight FROM campaigns WHERE id = lanes.campaign_id) "
    "WHERE queue_id = ? AND campaign_id = ?"
)
"""When the last start of a lane was (us), and how many: a campaign pays its queue when a start is granted, whatever was
claimed and refused."""


def in_turn(lanes: Sequence[Any], now: int) -> list[Any]:
    """Lanes (rows with priority, last_start, started_at, turn) in the order in which they may begin at `now`."""
    # Who had nothing to send does not save its turns up: it catches up on a few.
    least = int(max(lane["turn"] for lane in lanes)) - SAVED_ROUNDS * ROUND

    def order(lane: Any) -> tuple[int, int, int, int]:
        waited = max(0, now - max(lane["last_start"], lane["started_at"] or now))
        priority = min(HIGHEST, lane["priority"] + waited // AGEING)
        return -priority, max(lane["turn"], least), lane["last_start"], lane["id"]

    return sorted(lanes, key=order)
