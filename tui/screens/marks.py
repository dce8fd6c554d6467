"""Which jobs are marked: some by id, or all that match. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class Marks:
    """Marks follow ids, through every change of the list."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.all = False
        self._from: int | None = None
        self._before: set[int] = set()

    @property
    def any(self) -> bool:
        return self.all or bool(self.ids)

    @property
    def ranging(self) -> bool:
        return self._from is not None

    def flip(self, id: int) -> None:
        self.all = False
        self.ids ^= {id}

    def turn(self, in_sight: Iterable[int]) -> None:
        """All that match, then the rows in sight, then none."""
        sight = set(in_sight)
        if self.all:
            self.all, self.ids = False, sight
        elif self.ids and self.ids == sight:
            self.ids = set()
        else:
            self.all, self.ids = True, set()
        self._from = None

    def done(self, ids: set[int], kept: set[int]) -> None:
        """Only what was done loses its mark; what was refused is marked by id from now on."""
        self.ids = set(kept) if self.all else (self.ids | kept) - ids
        self.all = False

    def clear(self) -> None:
        self.ids, self.all, self._from = set(), False, None

    def begin_range(self, id: int) -> None:
        self.all, self._from, self._before = False, id, set(self.ids)
        self.ids = self.ids | {id}

    def reach(self, rows: Sequence[dict[str, Any]], cursor: int) -> None:
        """Let an open range end at the cursor. A beginning that has left the window leaves what it marked."""
        if self._from is None or not 0 <= cursor < len(rows):
            return
        start = next((i for i, row in enumerate(rows) if row["id"] == self._from), None)
        if start is None:
            self.ids = self.ids | {rows[cursor]["id"]}
            return
        low, high = sorted((start, cursor))
        self.ids = self._before | {row["id"] for row in rows[low : high + 1]}

    def end_range(self) -> None:
        self._from = None
