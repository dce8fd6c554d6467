"""What changes by a little: only that is made safe, made and drawn anew, and all of that."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from tui.safe_rows import Cleaner, clean
from tui.widgets.columns import Column, Table
from tui.widgets.grid import Grid, changed_to
from tui.widgets.lines import Line, to_strip

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


CELLS = st.lists(st.tuples(st.text("ab é\u4e2d", max_size=6), st.sampled_from(["", "bold"])), max_size=6).map(tuple)


@given(CELLS, CELLS, st.integers(1, 30), st.integers(0, 6))
def test_nothing_that_changed_is_left_out_of_what_is_drawn_again(old: Line, new: Line, width: int, shared: int) -> None:
    """Also where the ends of both are the same, as those of two rows of one table."""
    new = (*new, *old[len(old) - min(shared, len(old)) :])
    end = changed_to((old, False), (new, False), width)
    before, after = cells(to_strip(old, width)), cells(to_strip(new, width))
    assert 0 <= end <= width
    assert before[end:] == after[end:]


def cells(strip: Strip) -> list[tuple[str, Style | None]]:
    """What each cell shows; the second one of a wide character is empty."""
    found: list[tuple[str, Style | None]] = []
    for segment in strip:
        for char in segment.text:
            found += [(char, segment.style), ("", segment.style)][: cell_len(char)]
    return found


async def test_only_the_cells_up_to_the_last_change_are_drawn_again() -> None:
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
        assert asked == [Region(0, 1, len("  2        other"), 1)]
        await pilot.pause()
        assert grid.text.splitlines()[1].split() == ["2", "other"]
