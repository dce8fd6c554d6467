"""What changes by a little: only that is made safe, made and drawn anew, and all of that."""

from __future__ import annotations

from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._context import visible_screen_stack
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.geometry import Region
from textual.strip import Strip

from tui.redrawing import Piece, RowCompositor, Shown
from tui.safe_rows import Cleaner, clean
from tui.widgets.columns import Column, Table
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, to_strip

READ = st.dictionaries(
    st.sampled_from(["rows", "error_key", "count\x1b"]),
    st.text(max_size=8) | st.lists(st.fixed_dictionaries({"id": st.integers(0, 3), "error": st.text(max_size=8)})),
)


def test_a_row_that_stays_as_it_was_is_made_safe_once() -> None:
    cleaner = Cleaner()
    rows = [{"id": n, "address": f"a{n}@example.org\x1b", "campaign": "letters"} for n in range(3)]
    first = cleaner.clean({"rows": rows, "count": "3"})
    # As read anew: other objects, of which one came to hold something else, also what is joined to it.
    again = [{**row} for row in rows]
    again[1]["campaign"] = "renamed\x07"
    second = cleaner.clean({"rows": again, "count": "3"})
    assert second == clean({"rows": again, "count": "3"})
    assert [a is b for a, b in zip(first["rows"], second["rows"], strict=True)] == [True, False, True]
    cleaner.clean({"rows": []})
    assert cleaner.clean({"rows": rows})["rows"][0] is not first["rows"][0], "what is out of sight is forgotten"


@given(READ, READ)
def test_what_is_remembered_is_as_safe_as_what_is_not(read: dict[str, Any], then: dict[str, Any]) -> None:
    cleaner = Cleaner()
    for reading in (read, then, read):
        assert cleaner.clean(reading) == clean(reading)


CELLS = st.lists(st.tuples(st.text("ab é\u4e2d", max_size=6), st.sampled_from(["", "bold", "bad"])), max_size=6)
FRAMES = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 2), CELLS.map(tuple)), st.sampled_from([0, 9, 10])), min_size=1, max_size=4
)
WIDTH, HEIGHT = 24, 3


def in_pieces(line: Line, cut: int) -> list[Piece]:
    strip = to_strip(line, WIDTH)
    return [(0, strip.crop(0, cut)), (cut, strip.crop(cut, WIDTH))] if cut else [(0, strip)]


@given(FRAMES, st.sets(st.integers(1, 3)))
def test_a_terminal_shows_every_cell_of_every_frame(
    frames: list[tuple[dict[int, Line], int]], others: set[int]
) -> None:
    """Compared with a terminal that each row is written to whole; before some frames something else was drawn. Rows
    are made of one piece or of two, which need not stay as long as they were."""
    shown, drawn = Shown(), pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(drawn)
    whole: dict[int, list[Piece]] = {}
    for number, (frame, cut) in enumerate(frames):
        rows = {y: in_pieces(line, cut) for y, line in sorted(frame.items())}
        if number in others:
            stream.feed("\x1b[H" + "#" * WIDTH * HEIGHT)
            shown.forget()
            rows = {**whole, **rows}
        whole |= rows
        stream.feed(shown.update(rows, WIDTH, ColorSystem.STANDARD))
    expected = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(expected).feed(Shown().update(whole, WIDTH, ColorSystem.STANDARD))
    assert all(drawn.buffer[y] == expected.buffer[y] for y in whole)


def test_more_styles_than_bytes_can_tell_apart_are_drawn_all_the_same() -> None:
    shown, drawn = Shown(), pyte.Screen(WIDTH, 1)
    stream = pyte.Stream(drawn)
    for red in range(600):
        strip = Strip([Segment("colour", Style(color=f"rgb({red % 256},{red // 256},0)")), Segment("  ", Style())])
        stream.feed(shown.update({0: [(0, strip.adjust_cell_length(WIDTH))]}, WIDTH, ColorSystem.TRUECOLOR))
        assert drawn.buffer[0][0].fg == f"{red % 256:02x}{red // 256:02x}00"


def test_behind_a_character_of_uncertain_width_all_is_drawn_anew() -> None:
    shown = Shown()
    beside = to_strip((("beside", ""),), 6)
    for text, again in (("ab", True), ("abc", False), ("\u4e2d", True), ("abc", True), ("ab", False)):
        written = shown.update({0: [(0, to_strip(((text, ""),), 6)), (6, beside)]}, 12, ColorSystem.STANDARD)
        assert ("beside" in written) is again, text


def test_only_the_cells_that_differ_are_written() -> None:
    shown = Shown()

    def written(text: str, style: str = "") -> str:
        return shown.update({4: [(0, to_strip(((text, style),), 30))]}, 30, ColorSystem.STANDARD)

    assert "first" in written("first                    one")
    assert written("first                    one") == ""
    assert written("FIRST                    two") == "\x1b[5;1HFIRST\x1b[20Ctwo"
    assert written("FIRST                    two", "bold").startswith("\x1b[5;1H\x1b[1mFIRST ")
    shown.forget()
    assert "FIRST" in written("FIRST                    two", "bold")


async def test_what_stands_over_other_widgets_is_what_a_row_shows() -> None:
    """The front one first, what it leaves open from behind it; as the toolkit itself composes a whole screen."""

    class Beside(App[None]):
        CSS = """
        Screen { layers: below above; }
        Horizontal { height: 3; }
        #left { height: 3; }
        #right { width: 6; height: 3; }
        #over { layer: above; width: 5; offset: 3 1; }
        """

        def compose(self) -> ComposeResult:
            yield Horizontal(Lines(id="left"), Lines(id="right"))
            yield Lines(id="over")

    app = Beside()
    async with app.run_test(size=(20, 4)) as pilot:
        app.query_one("#left", Lines).show([((letter * 14, ""),) for letter in "abc"])
        app.query_one("#right", Lines).show([((letter * 6, ""),) for letter in "xyz"])
        app.query_one("#over", Lines).show([(("OVER!", ""),)])
        await pilot.pause()
        compositor = RowCompositor()
        compositor.reflow(app.screen, app.size)
        visible_screen_stack.set([])
        rows = ["".join(strip.text for _, strip in pieces) for pieces in compositor.rows(range(4)).values()]
        assert rows == [strip.text for strip in compositor.render_strips()]
        assert rows[1] == "bbbOVER!bbbbbbyyyyyy"


async def test_only_the_rows_that_changed_are_drawn_again() -> None:
    class Listing(App[None]):
        def compose(self) -> ComposeResult:
            yield Grid()

    def table(changed: str) -> Table:
        columns = [Column("ID", 8, lambda row: str(row["id"])), Column("ERROR", 0, lambda row: row["error"])]
        return Table(columns, [{"id": 1, "error": "x"}, {"id": 2, "error": changed}], lambda row: row["id"])

    app = Listing()
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.show(table("one"))
        await pilot.pause()
        asked: list[Region] = []
        refresh = grid.refresh
        grid.refresh = lambda *regions: asked.extend(regions) or refresh(*regions)  # type: ignore[method-assign]
        grid.show(table("other"))
        assert asked == [Region(0, 1, 40, 1)]
        await pilot.pause()
        assert grid.text.splitlines()[1].split() == ["2", "other"]
