"""When running campaigns end by the forecast of their queue, for the ETA of lists that are read again and again.

A queue is sent in the mind once, for all its campaigns, and anew when one of them or the queue has changed or a minute
has passed. One with more open messages than `CHEAP` is left to the estimate of `tui.pace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from storage.errors import PacelineError
from storage.forecast_facts import changes
from storage.reader import Reader

Row = dict[str, Any]

CHEAP = 2_000
"""Open messages of a queue up to which its forecast takes less than a twentieth of a second."""


class Foresight:
    """For one screen; used in the reader's thread."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Any, ...], dict[int, int]]] = {}

    def add(self, reader: Reader, campaigns: Iterable[Row], now: int) -> None:
        """Give each active campaign (as `Reader.campaigns` has it) `foreseen`: its end (us), None where it is not
        known."""
        active = [row for row in campaigns if row["state"] == "active"]
        for queue_id in {row["queue_id"] for row in active}:
            ends = self._ends(reader, queue_id, now)
            for row in active:
                if row["queue_id"] == queue_id:
                    row["foreseen"] = ends.get(row["id"])

    def adding(self, name: str, load: Callable[[Reader, int], Row]) -> Callable[[Reader, int], Row]:
        """`load` with `foreseen` in the campaign, or the campaigns, that it reads under this name."""

        def loaded(reader: Reader, now: int) -> Row:
            data = load(reader, now)
            found = data[name]
            self.add(reader, found if isinstance(found, list) else [found], now)
            return data

        return loaded

    def _ends(self, reader: Reader, queue_id: int, now: int) -> dict[int, int]:
        counts = reader.counts("queue", queue_id)
        if not 0 < counts["pending"] + counts["processing"] <= CHEAP:
            return {}
        state = changes(reader, queue_id, now)
        kept = self._kept.get(queue_id)
        if kept is None or kept[0] != state:
            kept = self._kept[queue_id] = (state, _foreseen(reader, queue_id, now))
        return kept[1]


def _foreseen(reader: Reader, queue_id: int, now: int) -> dict[int, int]:
    from engine.queue_forecast import queue_ends  # loaded by the first list that has something to foresee

    try:
        return queue_ends(reader, queue_id, now=now)
    except PacelineError:
        return {}  # such as a window that cannot be read: explain says so
