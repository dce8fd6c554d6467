"""Text on the line API: rows of spans, of which only those that changed are drawn again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.format import fit, wrap
from tui.safe_text import safe_text
from tui.themes import STYLES

Span = tuple[str, str]
"""Text and the name of a style in `tui.themes.STYLES`."""
Line = tuple[Span, ...]

BLANK: Line = ()


def plain(text: str, style: str = "") -> Line:
    return ((text, style),)


def labelled(label: str, text: str, width: int, rows: int) -> list[Line]:
    """Text behind a label in exactly so many rows, the later ones below its beginning; what has no room is cut."""
    room = max(1, width - len(label) - 1)
    parts = wrap(text, room) if text else []
    shown = [*parts[: rows - 1], " ".join(parts[rows - 1 :])][:rows]
    lines: list[Line] = [
        ((label if not i else " " * len(label), "head"), (fit(part, room).rstrip(), "")) for i, part in enumerate(shown)
    ]
    return lines + [BLANK] * (rows - len(lines))


def width_of(line: Line) -> int:
    whole = "".join([text for text, _ in line])  # a tenth of the time of a sum over the spans
    return len(whole) if whole.isascii() else sum(cell_len(text) for text, _ in line)


def _in_pieces(line: Line) -> list[Span]:
    """The same with neighbours of one style in one piece: half the work of drawing, and no escape codes between."""
    pieces: list[Span] = []
    last = None
    for span in line:
        if span[1] == last:
            pieces[-1] = (pieces[-1][0] + span[0], last)
        else:
            pieces.append(span)
            last = span[1]
    return pieces


def to_strip(line: Line, width: int, over: Style | None = None) -> Strip:
    """A row of exactly `width` cells, all in the style `over` where that is given (the cursor's row).

    What cannot be printed never gets here; should it, it is made harmless.
    """
    segments = []
    cells = 0
    for text, name in _in_pieces(line) if over is None else [("".join([text for text, _ in line]), "")]:
        if not text.isprintable():
            text = safe_text(text, 2_000)
        cells += len(text) if text.isascii() else cell_len(text)
        segments.append(Segment(text, over or STYLES[name]))
    if cells < width:
        # Never without a style: the filter of NO_COLOR takes its colours away.
        segments.append(Segment(" " * (width - cells), over or STYLES[""]))
        cells = width
    strip = Strip(segments, cells)
    return strip if cells == width else strip.crop(0, width)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` and `right` at the two ends of a row; the right end goes first when both do not fit."""
    free = width - width_of(left) - width_of(right)
    return (*left, (" " * free, ""), *right) if free > 0 else left


class Rows(Widget):
    """A widget of rows that are drawn as they are. Without border and padding there is no need of the toolkit's way
    through them, links and opacity, which took a third of a frame in which every row changes."""

    def render_lines(self, crop: Region) -> list[Strip]:
        if any(self.styles.gutter):
            return super().render_lines(crop)
        strips = [self.render_line(y) for y in crop.line_range]
        if filters := self.get_line_filters():
            background = self.background_colors[1]
            for filter in filters:
                strips = [strip.apply_filter(filter, background) for strip in strips]
        start, end = crop.column_span
        return strips if (start, end) == (0, self.outer_size.width) else [strip.crop(start, end) for strip in strips]


class Lines(Rows):
    """Fixed rows of text. `show` redraws the rows that differ; with `over` the whole widget carries a style."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, over: str = "") -> None:
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._over = over
        self._strips: dict[int, tuple[Hashable, Strip]] = {}
        """Rows as they were drawn, each behind what it was made from."""

    @property
    def lines(self) -> tuple[Line, ...]:
        return self._lines

    @property
    def text(self) -> str:
        """What stands there, for tests and for dumps to a file."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def show(self, lines: Sequence[Line], *, over: str | None = None) -> None:
        new = tuple(lines)
        if over is not None and over != self._over:
            self._over = over
            self.refresh()
        old, self._lines = self._lines, new
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else BLANK
            after = new[y] if y < len(new) else BLANK
            if before != after:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else BLANK
        # Not `size`, which the toolkit reckons anew each time.
        width = self.outer_size.width - self.styles.gutter.width
        over = STYLES[self._over] if self._over else None
        made_from = (line, width, over, STYLES["cursor"], STYLES[""])
        if y not in self._strips or self._strips[y][0] != made_from:
            self._strips[y] = made_from, to_strip(line, width, over)
        return self._strips[y][1]
