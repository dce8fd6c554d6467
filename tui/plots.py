"""Columns over time: the plots of view 8. The library that draws them is loaded with the first one.

It draws dots, four to the height of a cell; here they become the five characters of the spark lines, so that three
rows tell twelve heights in any terminal and any font.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tui.format import SPARK, fit
from tui.widgets.lines import Line

BRAILLE = 0x2800
_ROWS = (0x01 | 0x08, 0x02 | 0x10, 0x04 | 0x20, 0x40 | 0x80)
"""The two dots of each row of a cell, from the top (ISO/TR 11548-1)."""
DOTS = len(_ROWS)
GUTTER = 8
"""Cells for the labels on the left."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One value for each step of time, None where nothing was measured. `label` writes a value with its unit; `least`
    is what the axis reaches at least, so that small noise does not look like a mountain."""

    title: str
    values: Sequence[float | None]
    label: Callable[[float], str]
    least: float
    style: str = ""


def columns(plot: Plot, marks: Sequence[tuple[int, str]], width: int, rows: int) -> list[Line]:
    """The plot as `rows` + 2 lines of at most `width` cells: its title, the columns over their axis, the times below.

    `marks` are `(step, text)` for the time axis, in order.
    """
    from plotille import Canvas

    room = max(len(plot.values), width - GUTTER - 2)
    each = room / len(plot.values)
    known = [value for value in plot.values if value is not None]
    top = _round_up(max([plot.least, *known]))
    high = rows * DOTS
    canvas = Canvas(room, rows, xmin=0, xmax=room * 2, ymin=0, ymax=high)
    for step, value in enumerate(plot.values):
        if not value:
            continue
        first, last = round(step * each * 2), max(round(step * each * 2) + 1, round((step + 1) * each * 2) - 1)
        # One dot at least: a little is not nothing. A tenth of a dot keeps the library's rounding to even away.
        dots = max(1, round(value / top * high))
        for x in range(first, last):
            canvas.line(x + 0.1, 0.1, x + 0.1, dots - 0.9)
    picture = canvas.plot(linesep="\n").split("\n")
    lines: list[Line] = [((f" {plot.title}", "head"),)]
    for i, row in enumerate(picture):
        label = plot.label(top) if i == 0 else plot.label(0) if i == rows - 1 else ""
        lines.append(((f"{fit(label, GUTTER - 1, right=True)} |", ""), (reduced(row), plot.style)))
    lines.append(((" " * GUTTER + "+" + _axis(marks, each, room), "dim"),))
    return lines


def reduced(row: str) -> str:
    """A row of braille cells by their heights, in the five characters of the spark lines."""
    return "".join(SPARK[_height(ord(cell) - BRAILLE)] for cell in row)


def _height(dots: int) -> int:
    return next((len(_ROWS) - i for i, row in enumerate(_ROWS) if dots & row), 0)


def _axis(marks: Sequence[tuple[int, str]], each: float, room: int) -> str:
    axis = ["-"] * room
    free = 0
    for step, text in marks:
        at = min(round(step * each), room - len(text))
        if at >= free:
            axis[at : at + len(text)] = text
            free = at + len(text) + 1
    return "".join(axis)


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5, 7.5 times a power of ten."""
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value:
        size /= 10
    return next(size * step for step in (1, 1.5, 2, 3, 5, 7.5, 10) if size * step >= value * (1 - 1e-9))
