"""Only cells that differ from what the terminal shows are written to it.

The toolkit's own partial update (`textual._compositor`, 8.2.8) makes every widget between the first and the last change
anew and writes each changed row from its widget's left edge. Here only the rows that changed are asked for, and each is
compared with what was written last: 40 changing rows of 200 cells take 0.9 KB instead of 5.9 KB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import Compositor, CompositorUpdate
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from textual._compositor import LayoutUpdate

BRIDGE = 6
"""Cells that are written again although they are the same: to jump over them takes as many bytes."""
_CHANGED = re.compile(rb"[^\0]+(?:\0{1,%d}[^\0]+)*" % BRIDGE)
MOST_STYLES = 255
"""Styles that one byte a cell can tell apart."""


Piece = tuple[int, Strip]
"""A part of a row: its first cell, and what stands from there on."""


class Drawn(NamedTuple):
    """A piece as it was written. `text` and `styles`: a byte for each cell's character and one for its style, both as
    big-endian numbers; -1 where bytes cannot say it: a character may take none or two cells."""

    x: int
    strip: Strip
    text: int
    styles: int


class Shown:
    """What the terminal shows, as far as that is known."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Drawn]] = {}
        self._width = 0
        self._numbers: dict[Style | None, int] = {}

    def forget(self) -> None:
        """Something else may have been drawn."""
        self._rows.clear()

    def update(self, rows: Mapping[int, Sequence[Piece]], width: int, colors: ColorSystem) -> str:
        """What has to be written so that these rows show these pieces, which fill `width` cells each."""
        if width != self._width or len(self._numbers) > MOST_STYLES // 2:
            self.forget()
            self._numbers.clear()
            self._width = width
        written: list[str] = []
        for y, pieces in rows.items():
            known: Sequence[Drawn | None] = self._rows.get(y, ())
            if len(known) != len(pieces) or any(
                old is None or old.x != x or old.strip.cell_length != strip.cell_length
                for old, (x, strip) in zip(known, pieces, strict=True)
            ):
                known = [None] * len(pieces)
            row = []
            for at, (x, strip) in enumerate(pieces):
                old = known[at]
                if old is not None and old.strip is strip:
                    row.append(old)
                    continue
                now = self._cells(x, strip)
                row.append(now)
                runs = _runs(old, now)
                if runs and (now.text < 0 or (old is not None and old.text < 0)):
                    # Terminals differ in how many cells such a character takes: what stands behind it may have moved.
                    known = [None] * len(pieces)
                written += _drawn(strip, runs, y, x, colors)
            self._rows[y] = row
        return "".join(written)

    def _cells(self, x: int, strip: Strip) -> Drawn:
        text, width = strip.text, strip.cell_length
        if not text.isascii() or len(text) != width:
            return Drawn(x, strip, -1, -1)
        numbers = self._numbers
        if len(numbers) > MOST_STYLES - len(strip._segments):
            return Drawn(x, strip, -1, -1)  # until the next update begins
        styles = b"".join(
            [bytes((numbers.setdefault(style, len(numbers)),)) * len(part) for part, style, _ in strip._segments]
        )
        return Drawn(x, strip, int.from_bytes(text.encode(), "big"), int.from_bytes(styles, "big"))


def _runs(before: Drawn | None, now: Drawn) -> list[tuple[int, int]]:
    """Where two contents of a piece differ: the first cell, and the one behind the last, of each stretch."""
    width = now.strip.cell_length
    if before is None or before.text < 0 or now.text < 0:
        return [(0, width)]
    differing = (before.text ^ now.text) | (before.styles ^ now.styles)
    return [found.span() for found in _CHANGED.finditer(differing.to_bytes(width, "big"))] if differing else []


def _drawn(strip: Strip, runs: list[tuple[int, int]], y: int, x: int, colors: ColorSystem) -> Iterator[str]:
    """The stretches of one piece, each behind the move to where it begins."""
    if runs == [(0, strip.cell_length)]:
        yield f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
        for text, style, _ in strip._segments:
            yield Strip.render_style(style, text, colors) if style is not None else text
        return
    segments = iter(strip._segments)
    part, at, end = Segment(""), 0, 0
    reached = -1
    for first, last in runs:
        yield f"\x1b[{first - reached}C" if reached >= 0 else f"\x1b[{y + 1};{x + first + 1}H"
        reached = last
        while first < last:
            while end <= first:
                part, at = next(segments), end
                end += len(part.text)
            text = part.text[first - at : last - at]
            yield Strip.render_style(part.style, text, colors) if part.style is not None else text
            first += len(text)


class RowsUpdate(CompositorUpdate):
    """These rows of the screen, of which what differs is written."""

    def __init__(self, shown: Shown, rows: dict[int, list[Piece]], width: int) -> None:
        self._shown = shown
        self._rows = rows
        self._width = width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for pieces in self._rows.values():
            for _, strip in pieces:
                yield from strip
            yield Segment.line()

    def render_segments(self, console: Console) -> str:
        colors = console._color_system or ColorSystem.TRUECOLOR
        return self._shown.update(self._rows, self._width, colors)


class RowCompositor(Compositor):
    """The toolkit's compositor with partial updates by row. Whoever gives the terminal to another screen tells
    `shown` to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        self.shown.forget()
        return super().render_full_update(simplify)

    def render_partial_update(self) -> RowsUpdate | None:  # type: ignore[override]
        width, height = self.size
        rows = {y for region in self._dirty_regions for y in range(max(0, region.y), min(height, region.bottom))}
        self._dirty_regions.clear()
        return RowsUpdate(self.shown, self.rows(sorted(rows)), width) if rows else None

    def rows(self, rows: Sequence[int]) -> dict[int, list[Piece]]:
        """Rows of the screen (ascending), each out of the pieces that its widgets show of it, from left to right.

        Neighbours that show the same widgets are asked for at once."""
        found: dict[int, list[Piece]] = {y: [] for y in rows}
        layers = self.layers_visible
        for (_, layer), group in groupby(enumerate(rows), key=lambda at: (at[1] - at[0], layers[at[1]])):
            ys = [y for _, y in group]
            for place, first, last in _in_sight(layer, self.size.width):
                for y, strip in zip(ys, _strips(place, ys, first, last), strict=True):
                    found[y].append((first, strip))
        return found


Place = tuple[Widget, Region, Region]
"""A widget, the part of the screen that shows it, and the part that it would take."""


def _in_sight(layer: Sequence[Place], width: int) -> list[tuple[Place | None, int, int]]:
    """Which cells [first, last) of a row show which widget, from left to right; the front ones come first in `layer`.
    None: the cells that no widget takes."""
    found: list[tuple[Place | None, int, int]] = []
    open_parts = [(0, width)]
    for place in layer:
        left, right = place[1].column_span
        still: list[tuple[int, int]] = []
        for start, end in open_parts:
            first, last = max(start, left), min(end, right)
            if first >= last:
                still.append((start, end))
                continue
            found.append((place, first, last))
            still += [gap for gap in ((start, first), (last, end)) if gap[0] < gap[1]]
        open_parts = still
    found += [(None, start, end) for start, end in open_parts]
    return sorted(found, key=lambda part: part[1])


def _strips(place: Place | None, ys: Sequence[int], first: int, last: int) -> list[Strip]:
    """The cells [first, last) of neighbouring rows, as a widget shows them; blank where it gives none."""
    if place is None:
        return [Strip.blank(last - first)] * len(ys)
    widget, visible, region = place
    given = widget.render_lines(Region(visible.x - region.x, ys[0] - region.y, visible.width, len(ys)))
    lines = [*given[: len(ys)], *[Strip.blank(visible.width)] * (len(ys) - len(given))]
    whole = (first, last) == visible.column_span
    return lines if whole else [line.crop(first - visible.x, last - visible.x) for line in lines]
