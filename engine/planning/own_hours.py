"""When messages are through that keep other hours than their plan does: each person's own clock, or campaign and queue
together. Reckoned in parts, not drawn: a hundred thousand take some hundredths of a second. Pure; microseconds UTC.

A message becomes due in its plan. It leaves when its own window is open and the queue is free, in the order of the due
times among those whose windows are open; behind each one the queue waits for a gap. So what a closed window has kept
back leaves from the opening on, and never as a burst.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.planning.opening import NEVER, opens
from engine.planning.windows import Window

PARTS = 200
"""Parts that a plan is cut into: each person is one, up to so many; of more, an end is right to half a percent."""

Spans = Callable[[int], tuple[int, int] | None]
"""The [opens, closes) that holds a time, or the next one; None: none within a year."""


class OwnHours(NamedTuple):
    """`order`: whose hours each message keeps, in the order of the plan; `spans`: when those are open."""

    order: Sequence[str]
    spans: Callable[[str], Spans]


class Part(NamedTuple):
    """Messages of a plan that follow each other: the places of the first and the last (from 1), and how many keep which
    hours."""

    first: int
    last: int
    whose: Counter[str]


class Through(NamedTuple):
    """When the first and the last message leave (us; None where none does), and for how many that is never."""

    first: int | None
    last: int | None
    never: int


def joint_spans(windows: Sequence[Window]) -> Spans:
    """When all of these windows are open."""
    every = list(windows)

    def spans(at: int) -> tuple[int, int] | None:
        opened = opens(every, at)
        if opened >= NEVER:
            return None
        found = [window.span(opened) for window in every]
        return opened, min((span[1] for span in found if span is not None), default=NEVER)

    return spans


def parts_of(order: Sequence[str]) -> list[Part]:
    size = max(1, -(-len(order) // PARTS))
    return [
        Part(begin + 1, min(begin + size, len(order)), Counter(order[begin : begin + size]))
        for begin in range(0, len(order), size)
    ]


def through(parts: Sequence[Part], spans: Callable[[str], Spans], dues: Sequence[tuple[int, int]], gap: int) -> Through:
    """When the parts of a plan are through; `dues` are those (us) of each part's first and last message, `gap` (us) is
    what the queue keeps from one to the next."""
    lines: dict[str, deque[_Waiting]] = {}
    for part, (first, last) in zip(parts, dues, strict=True):
        for whose, n in part.whose.items():
            lines.setdefault(whose, deque()).append(_Waiting(n, first, last))
    return _Queue(lines, {whose: spans(whose) for whose in lines}, gap).run()


class _Waiting(NamedTuple):
    n: int
    first: int
    last: int


class _Queue:
    """Lines of people with the same hours, before a queue that takes one of them at a time."""

    def __init__(self, lines: dict[str, deque[_Waiting]], spans: dict[str, Spans], gap: int) -> None:
        self._lines = lines
        self._spans = spans
        self._gap = gap
        self._shut: list[tuple[int, int, str]] = []
        """When the head of a line can leave, when its window closes again, and whose line it is."""
        self._open: list[tuple[int, int, str]] = []
        """The due time of a head that can leave, when its window closes, and whose line it is."""
        self._never = 0

    def run(self) -> Through:
        first: int | None = None
        last = 0
        free = min((line[0].first for line in self._lines.values()), default=0)
        for whose in self._lines:
            self._line_up(whose, free)
        while self._open or self._shut:
            if not self._open:
                free = max(free, self._shut[0][0])
            while self._shut and self._shut[0][0] <= free:
                _, closes, whose = heapq.heappop(self._shut)
                heapq.heappush(self._open, (self._lines[whose][0].first, closes, whose))
            _, closes, whose = heapq.heappop(self._open)
            if closes > free:
                first = free if first is None else first
                left = self._take(whose, free, closes)
                last, free = max(last, left), left + self._gap
                last = max(last, self._drop_done(whose))
            if self._lines[whose]:
                self._line_up(whose, free)
        return Through(first, last if first is not None else None, self._never)

    def _line_up(self, whose: str, free: int) -> None:
        line = self._lines[whose]
        at = max(free, line[0].first)
        span = self._spans[whose](at)
        if span is None:
            self._never += sum(waiting.n for waiting in line)
        else:
            heapq.heappush(self._shut, (max(span[0], at), span[1], whose))

    def _take(self, whose: str, free: int, closes: int) -> int:
        """Send what of a line's head fits in before the window closes; when the last one of it leaves."""
        line = self._lines[whose]
        fits = min(line[0].n, (closes - 1 - free) // self._gap + 1 if self._gap else line[0].n)
        line[0] = line[0]._replace(n=line[0].n - fits)
        return free + (fits - 1) * self._gap

    def _drop_done(self, whose: str) -> int:
        """Take an emptied head away; not before what time (us) its last message can have left."""
        line = self._lines[whose]
        if line[0].n:
            return 0
        due = line.popleft().last
        span = self._spans[whose](due)
        return max(span[0], due) if span is not None else 0
