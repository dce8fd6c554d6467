"""How many starts each cap certainly has room for, between two counts of them.

A cap of 100,000 a day asks how many of the last day's starts there were: counting them for every message would cost
more than sending it. Starts only leave a period by growing old, so the room found by one count shrinks by no more than
the starts granted since; only when that is used up they are counted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.limits import Ceiling, frees_at

if TYPE_CHECKING:
    from storage.tx import Tx

_USED = (
    "SELECT count(*) AS n FROM (SELECT 1 FROM attempts WHERE queue_id = ? AND counted_at IS NOT NULL "
    "AND counted_at >= ? LIMIT ?)"
)
_NTH = (
    "SELECT counted_at FROM attempts WHERE queue_id = ? AND counted_at IS NOT NULL "
    "ORDER BY counted_at DESC LIMIT 1 OFFSET ?"
)


class CapRoom:
    """Belongs to the Writer, which is the only one who grants. Forgotten when a transaction is taken back, and when
    the clock is set back: starts that had left a period are in it again."""

    def __init__(self) -> None:
        self._left: dict[tuple[int, Ceiling], int] = {}
        self._at = 0

    def left(self, queue_id: int, cap: Ceiling, now: int) -> int:
        """How many may certainly begin; 0: count them."""
        if now < self._at:
            self._left.clear()
        self._at = now
        return self._left.get((queue_id, cap), 0)

    def counted(self, queue_id: int, cap: Ceiling, used: int) -> None:
        """So many are used; what older caps of the queue's earlier periods had left is of no use any more."""
        if len(self._left) > 1_000:
            self._left.clear()
        self._left[queue_id, cap] = cap.n - used

    def started(self, queue_id: int) -> None:
        """One more began in this queue."""
        for key, left in self._left.items():
            if key[0] == queue_id:
                self._left[key] = left - 1

    def forget(self) -> None:
        self._left.clear()


def room(tx: Tx, queue_id: int, cap: Ceiling, now: int, *, beyond: int = 0) -> int:
    """How many more starts a cap certainly allows at `now` (us), by those that are written; 0: it is full. What is
    remembered does where it is more than `beyond`; else they are counted."""
    left = tx.room.left(queue_id, cap, now)
    if left > beyond:
        return left
    used = int(tx.one(_USED, (queue_id, cap.since if cap.until else now - cap.period + 1, cap.n))["n"])
    if used < cap.n:
        tx.room.counted(queue_id, cap, used)
    return cap.n - used


def opens(tx: Tx, queue_id: int, cap: Ceiling, now: int) -> int:
    """When a cap allows one more start (us); 0 while it has room."""
    if room(tx, queue_id, cap, now) > 0:
        return 0
    return frees_at(cap, tx.one(_NTH, (queue_id, cap.n - 1))["counted_at"], now)
