"""What changes by a little: only that is made safe, made and drawn anew, and all of that."""

from __future__ import annotations

from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from textual._context import visible_screen_stack
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.geometry import Region
from textual.strip import Strip

from tui.redrawing import RowCompositor, Shown
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
FRAMES = st.lists(st.dictionaries(st.integers(0, 2), CELLS.map(tuple)), min_size=1, max_size=4)
WIDTH, HEIGHT = 24, 3


@given(FRAMES, st.sets(st.integers(1, 3)))
def test_a_terminal_shows_every_cell_of_every_frame(frames: list[dict[int, Line]], others: set[int]) -> None:
    """Compared with a terminal that each row is written to whole; before some frames something else was drawn."""
    shown, drawn = Shown(), pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(drawn)
    whole: dict[int, Strip] = {}
    for number, frame in enumerate(frames):
        strips = {y: to_strip(line, WIDTH) for y, line in sorted(frame.items())}
        if number in others:
            stream.feed("\x1b[H" + "#" * WIDTH * HEIGHT)
            shown.forget()
            strips = {**whole, **strips}
        whole |= strips
        stream.feed(shown.update(strips, WIDTH, ColorSystem.STANDARD))
    expected = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(expected).feed(Shown().update(whole, WIDTH, ColorSystem.STANDARD))
    assert all(drawn.buffer[y] == expected.buffer[y] for y in whole)


def test_only_the_cells_that_differ_are_written() -> None:
    shown = Shown()

    def written(text: str, style: str = "") -> str:
        return shown.update({4: to_strip(((text, style),), 30)}, 30, ColorSystem.STANDARD)

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
        rows = [strip.text for strip in compositor.rows(range(4)).values()]
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
