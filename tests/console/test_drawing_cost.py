"""What drawing and starting must not do twice, or too soon. Speed itself is measured in `benchmarks/`, not here."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from storage.model import MINUTE
from tests.console.looking import looking, shown
from tests.console.world import NOON, RecordingLink, World
from tui.console import RESTS_AFTER, SnapshotRead
from tui.safe_rows import clean
from tui.themes import STYLES
from tui.widgets.columns import Column, Table
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, to_strip

HEAVY = (
    "aiosmtplib", "aiosqlite", "email_validator", "engine.composer", "engine.config", "engine.control",
    "engine.planning.windows", "engine.service", "jinja2", "plotille", "pydantic", "storage.writer", "tenacity",
    "storage.campaigns", "storage.dispatch", "storage.filter_terms", "storage.schedules", "storage.tasks", "tui.bulk",
    "tui.commands", "tui.embedded", "tui.screens.diagnosis", "tui.screens.failures", "tui.screens.help",
    "tui.screens.wizard",
)  # fmt: skip


def test_the_first_frame_waits_for_no_engine_and_no_other_view() -> None:
    asked = "from tui.cli.session import Session; s = Session(); s.db, s.config_file"
    program = f"{asked}; import sys, tui.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SPANS = st.lists(st.tuples(st.text("ab é\u4e2d", max_size=6), st.sampled_from(["", "bold", "bad", "good"])), max_size=8)


@given(SPANS.map(tuple), st.integers(1, 40))
def test_a_row_keeps_every_cell_and_its_style_in_the_fewest_pieces(line: Line, width: int) -> None:
    strip = to_strip(line, width)
    assert strip.cell_length == width
    styled = [(char, STYLES[name]) for text, name in line for char in text]
    shown = [(char, segment.style) for segment in strip for char in segment.text]
    # A wide character that is cut in half at the edge becomes a blank.
    whole = len(shown) if not shown or shown[: len(styled)] == styled[: len(shown)] else len(shown) - 1
    assert shown[:whole][: len(styled)] == styled[:whole]
    runs = len([name for name, _ in groupby(name for text, name in line)])
    assert len(strip._segments) <= runs + 1


class Counting(Table):
    """A table that counts the lines it makes."""

    made = 0

    def line(self, index: int, width: int) -> Line:
        self.made += 1
        return super().line(index, width)


async def test_moving_the_cursor_makes_no_line_anew() -> None:
    class Listing(App[None]):
        def compose(self) -> ComposeResult:
            yield Grid()

    app = Listing()
    async with app.run_test(size=(40, 10)) as pilot:
        rows = [{"id": n} for n in range(100)]
        source = Counting([Column("ID", 8, lambda row: str(row["id"]))], rows, lambda row: row["id"])
        grid = app.query_one(Grid)
        grid.show(source)
        await pilot.pause()
        before = source.made
        assert before == 10
        for step in ("down", "down", "up"):
            grid.action_move(step)
            await pilot.pause()
        grid.mark({1})
        await pilot.pause()
        assert source.made == before
        assert grid.text.splitlines()[1].startswith(">*1")


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


ROWS = st.recursive(
    st.none() | st.integers() | st.booleans() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(ROWS)
def test_no_string_of_a_row_gets_past_the_door_at_any_depth(row: Any) -> None:
    texts = strings(clean(row))
    assert all(text.isprintable() for text in texts if text.isascii())
    assert not any(char in text for text in texts for char in "\x1b\x9b\n\r\x00\u202e")


def test_what_is_safe_already_stays_as_it_is() -> None:
    row = {"id": 1, "error": None, "address": "ann@example.org", "fields": {"first_name": "Ann"}, "hours": [(1, 2)]}
    assert clean(row) == row


def test_a_named_tuple_is_made_safe_and_keeps_its_kind() -> None:
    class Run(NamedTuple):
        name: str
        took: int

    assert clean({"runs": (Run("a\x1b[31m", 3),), "of": ["b\x07"]}) == {"runs": (Run("a?[31m", 3),), "of": ["b?"]}


async def test_rows_put_before_the_cursor_move_nothing_on_the_screen() -> None:
    class Listing(App[None]):
        def compose(self) -> ComposeResult:
            yield Grid()

    def table(first: int) -> Table:
        rows = [{"id": n} for n in range(first, 200)]
        return Table([Column("ID", 8, lambda row: str(row["id"]))], rows, lambda row: row["id"])

    app = Listing()
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.show(table(100))
        await pilot.pause()
        grid.move_to(50)
        await pilot.pause()
        before = grid.text
        grid.show(table(0))
        await pilot.pause()
        assert grid.text == before
        grid.show(table(120))
        await pilot.pause()
        assert grid.text == before


async def test_a_screen_at_rest_is_drawn_in_larger_steps_and_with_the_minute(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with looking(busy_world, RecordingLink()) as (app, pilot):
        await shown(pilot)
        drawn: list[int] = []
        assert app.view is not None
        assert app._snapshot is not None
        monkeypatch.setattr(app.view, "redraw", lambda: drawn.append(app._still))
        app.on_snapshot_read(SnapshotRead(replace(app._snapshot, data=None)))
        drawn.clear()
        for _ in range(20):
            app._tick()
        # Not at the first tick: the snapshot was drawn a moment ago.
        assert drawn == [*range(2, RESTS_AFTER + 1), 15, 20]
        app.now = lambda: NOON + MINUTE
        app._tick()
        assert drawn[-1] == 21
