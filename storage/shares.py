"""How campaigns share a queue: by priority, which waiting raises, then by weight.

Each start moves its campaign's `turn` on by a round divided by its weight, and who has the least goes first: stride
scheduling (Waldspurger and Weihl 1995).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from storage.model import MINUTE

AGEING = 10 * MINUTE
"""A campaign that others go before gains one step of priority each time this passes, so that none starves."""
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


class Share(NamedTuple):
    """What decides when it is a campaign's turn in a queue. Times in microseconds; `started_at`: 0 for never."""

    priority: int
    turn: int
    last_start: int
    started_at: int
    id: int


def in_order(shares: Sequence[tuple[int, int, int, int, int]], last_start: int) -> list[int]:
    """The places of `shares` (each as `Share` has it) in the order in which they may begin, after the queue's
    `last_start` (us).

    Priority is raised by waiting, no further than that of a campaign that went before meanwhile: of equals the turn
    alone decides. How long each has waited is told at that start, not at the moment of asking: the order changes when
    something begins, so that whoever waits for a gap keeps its turn and a forecast knows whose it will be.
    """
    if len(shares) < 2:
        return list(range(len(shares)))
    # Who had nothing to send does not save its turns up: it catches up on a few.
    least = max([share[1] for share in shares]) - SAVED_ROUNDS * ROUND
    top = max([share[0] for share in shares])
    keys: list[tuple[int, int, int, int, int]] = []
    for place, (priority, turn, last, started_at, number) in enumerate(shares):
        if priority < top:
            since = last if last > started_at else started_at
            if since and (steps := (last_start - since) // AGEING) > 0:
                ahead = max((one[0] for one in shares if one[2] > since), default=0)
                priority = max(priority, min(priority + steps, ahead))
        keys.append((-priority, turn if turn > least else least, last, number, place))
    keys.sort()
    return [key[4] for key in keys]


def in_turn(lanes: Sequence[Any], last_start: int) -> list[Any]:
    """Lanes (rows with id, priority, last_start, started_at, turn) of a queue in that order."""
    shares = [
        Share(lane["priority"], lane["turn"], lane["last_start"], lane["started_at"] or 0, lane["id"]) for lane in lanes
    ]
    return [lanes[place] for place in in_order(shares, last_start)]


def keeps_turn(opens: Callable[[int], int], begins: int, gap: int, now: int) -> bool:
    """Whether a campaign whose hours are closed keeps its turn: one whose gap counts from the others' starts, so that a
    start of theirs now would take it past the end of the hours that come next.

    `begins`: when its gap since the last start has passed; `gap`: that gap; `opens`: when its hours are open, from a
    time on, 0 for at once. All in us. Without this a campaign of an hour a day, with gaps nearly as long, would begin
    never beside one that is always open; with it the others wait for it once a day, no longer than its gap.
    """
    first, from_now = opens(begins) or begins, now + gap
    return from_now >= first and opens(from_now) != 0 and opens(first) == 0
