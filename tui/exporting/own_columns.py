"""The columns that are put beside an operator's own, and what is said in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

COLUMNS = ("paceline_status", "paceline_at", "paceline_reason")


class Said(NamedTuple):
    """What stands beside one person, in the order of `COLUMNS`."""

    status: str
    at: str
    reason: str


class Beside:
    """What is said of the rows, asked for by number in ascending order."""

    def __init__(self, said: Iterable[tuple[int, Said | None]]) -> None:
        self._said = iter(said)
        self._next = next(self._said, None)

    def of(self, number: int) -> Said | None:
        """None for a blank row, and for one in which nothing is to change."""
        while self._next is not None and self._next[0] < number:
            self._next = next(self._said, None)
        return self._next[1] if self._next is not None and self._next[0] == number else None


def places(columns: tuple[str, ...]) -> tuple[int, ...]:
    """Where each of `COLUMNS` stands: where the header names it, else behind the last."""
    new = iter(range(len(columns), len(columns) + len(COLUMNS)))
    return tuple(columns.index(name) if name in columns else next(new) for name in COLUMNS)
