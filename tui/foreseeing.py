"""When running campaigns end by the forecast of their queue, for the ETA of lists that are read again and again.

Queues that share campaigns are sent in the mind together, once for all, and anew when one of them or a campaign has
changed or a minute has passed. Those with more open messages than `CHEAP` are left to the estimate of `tui.pace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from storage.errors import PacelineError
from storage.forecast_facts import changes, linked_queues
from storage.reader import Reader

Row = dict[str, Any]

CHEAP = 2_000
"""Open messages up to which a forecast takes less than a twentieth of a second."""


class Foresight:
    """For one screen; used in the reader's thread."""

    def __init__(self) -> None:
        self._kept: dict[frozenset[int], tuple[tuple[Any, ...], dict[int, int]]] = {}

    def add(self, reader: Reader, campaigns: Iterable[Row], now: int) -> None:
        """Give each active campaign (as `Reader.campaigns` has it) `foreseen`: its end (us), None where it is not
        known."""
        active = [row for row in campaigns if row["state"] == "active"]
        wanted = {row["queue_id"] for row in active}
        groups = [group for group in linked_queues(reader) if group & wanted] if wanted else []
        for group in groups:
            ends = self._ends(reader, group, now)
            for row in active:
                if row["queue_id"] in group:
                    row["foreseen"] = ends.get(row["id"])

    def adding(self, name: str, load: Callable[[Reader, int], Row]) -> Callable[[Reader, int], Row]:
        """`load` with `foreseen` in the campaign, or the campaigns, that it reads under this name."""

        def loaded(reader: Reader, now: int) -> Row:
            data = load(reader, now)
            found = data[name]
            self.add(reader, found if isinstance(found, list) else [found], now)
            return data

        return loaded

    def _ends(self, reader: Reader, group: frozenset[int], now: int) -> dict[int, int]:
        counts = [reader.counts("queue", queue_id) for queue_id in group]
        if not 0 < sum(one["pending"] + one["processing"] for one in counts) <= CHEAP:
            return {}
        state = tuple(changes(reader, queue_id, now) for queue_id in sorted(group))
        kept = self._kept.get(group)
        if kept is None or kept[0] != state:
            kept = self._kept[group] = (state, _foreseen(reader, group, now))
        return kept[1]


def _foreseen(reader: Reader, group: frozenset[int], now: int) -> dict[int, int]:
    from engine.queue_forecast import campaign_ends  # loaded by the first list that has something to foresee

    try:
        return campaign_ends(reader, group, now=now)
    except PacelineError:
        return {}  # such as a window that cannot be read: explain says so
