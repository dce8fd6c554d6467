"""What an operator makes of a list: which columns, what is seen sideways, in which order; all of it remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.console.looking import console, message, shown, until
from tests.console.world import RecordingLink, World
from tui.console import PacelineApp
from tui.screens.columns import ColumnsScreen
from tui.screens.job_columns import job_columns
from tui.widgets.columns import Column, Table, chosen, fitting, furthest, header, table_line
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines, width_of

ROW = {"a": "1", "b": "2", "c": "3", "d": "4"}


def column(title: str, width: int, **more: object) -> Column:
    return Column(title, width, lambda row: row[title], **more)  # type: ignore[arg-type]


FOUR = [column("a", 4, keep=True), column("b", 10, rank=1), column("c", 10, rank=2), column("d", 0, keep=True)]


def titles(columns: list[Column]) -> list[str]:
    return [column.title for column in columns]


def text(columns: list[Column], width: int, aside: int = 0) -> str:
    return "".join(part for part, _ in header(columns, width, aside=aside)).rstrip()


def test_a_narrow_screen_drops_the_least_important_columns_first_and_never_those_to_keep() -> None:
    assert titles(fitting(FOUR, 60)) == ["a", "b", "c", "d"]
    assert titles(fitting(FOUR, 30)) == ["a", "c", "d"]
    assert titles(fitting(FOUR, 20)) == ["a", "d"]
    assert titles(fitting(FOUR, 5)) == ["a", "d"]


def test_state_id_and_error_of_a_job_stay_on_the_narrowest_screen() -> None:
    assert titles(fitting(chosen(job_columns(0), None), 58)) == ["ID", "STATE", "RECIPIENT", "LAST ERROR"]
    assert titles(fitting(chosen(job_columns(0), ()), 30)) == ["ID", "STATE", "LAST ERROR"]


def test_what_is_chosen_asks_for_no_width_and_what_is_kept_is_always_there() -> None:
    wide = [column("a", 4, keep=True), column("b", 4, from_width=100), column("c", 4, extra=True)]
    assert titles(fitting(chosen(wide, None), 50)) == ["a"]
    assert titles(fitting(chosen(wide, ["b", "c"]), 50)) == ["a", "b", "c"]


@pytest.mark.parametrize(("width", "cells"), [(40, 10), (54, 10), (60, 13), (76, 21), (200, 24)])
def test_where_there_is_room_a_column_grows_and_what_takes_the_rest_keeps_as_much(width: int, cells: int) -> None:
    columns = [column("a", 4, keep=True), column("b", 10, most=24), column("c", 10), column("d", 0, keep=True)]
    line = text(columns, width)
    assert line.index("c") - line.index("b") == cells + 1
    assert line.index("d") - line.index("c") == 11


def test_the_most_important_column_grows_first() -> None:
    columns = [column("a", 4, keep=True), column("b", 10, most=30, rank=2), column("c", 10, most=20, rank=7)]
    line = text([*columns, column("d", 0, keep=True)], 80)
    assert (line.index("c") - line.index("b"), line.index("d") - line.index("c")) == (14, 21)


def test_a_table_whose_columns_all_have_a_width_grows_into_what_is_left_and_no_further() -> None:
    columns = [column("a", 4, keep=True, most=9), column("b", 10)]
    assert [text(columns, width).index("b") for width in (18, 19, 20, 22, 40)] == [7, 7, 8, 10, 12]


def test_scrolled_sideways_the_first_columns_stay_and_the_others_move() -> None:
    assert text(FOUR, 22).split() == ["a", "d"]
    assert text(FOUR, 22, aside=1).split() == ["a", "c", "d"]
    assert text(FOUR, 22, aside=2).split() == ["a", "d"]
    assert furthest(FOUR) == 2


def test_the_column_of_the_order_says_so() -> None:
    line = header(FOUR, 60, sorted_by="b", descending=True)
    assert "bv" in "".join(part for part, _ in line)
    assert "b^" in "".join(part for part, _ in header(FOUR, 60, sorted_by="b"))


@given(st.integers(20, 250), st.integers(0, 12))
def test_title_and_rows_stand_over_each_other_at_every_width(width: int, aside: int) -> None:
    columns = chosen(job_columns(0), None)
    aside = min(aside, furthest(columns))
    row = {
        "id": 1, "state": "failed", "attempts": 1, "updated_at": 0, "due_at": 0, "campaign": "c", "address": "a@b.c",
        "error": "no", "reason": "",
    }  # fmt: skip
    line = Table(columns, [row], lambda row: row["id"], aside=aside).line(0, width)
    assert width_of(line) + 2 == width_of(header(columns, width + 2, aside=aside))


def test_a_row_is_laid_out_as_its_table() -> None:
    assert table_line(FOUR, ROW, 60) == Table(FOUR, [ROW], lambda row: row["a"]).line(0, 60)


# in the console


async def opened(pilot: Pilot[int], key: str) -> PacelineApp:
    await shown(pilot)
    await pilot.press(key)
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await until(pilot, lambda: app.view is not None and app.view.data is not None and grid(app).current is not None)
    return app


def grid(app: PacelineApp) -> Grid:
    assert app.view is not None
    return app.view.query_one(Grid)


def head(app: PacelineApp) -> str:
    assert app.view is not None
    return app.view.query_one("#head", Lines).text


async def test_columns_are_chosen_in_a_dialog_and_remembered(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with console(busy_world, link, state=tmp_path).run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, "3")
        assert "RECIPIENT" in head(app)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ColumnsScreen))
        await pilot.press("space", "enter")
        await until(pilot, lambda: not isinstance(app.screen, ColumnsScreen))
        assert "ID" in head(app)
        await pilot.press("c", *"jjjjj", "space", *"jj", "space", "enter")
        await until(pilot, lambda: "QUEUE" in head(app))
        assert "RECIPIENT" not in head(app)
    async with console(busy_world, link, state=tmp_path).run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, "3")
        assert "QUEUE" in head(app)
        assert "RECIPIENT" not in head(app)
        await pilot.press("c", "0")
        await until(pilot, lambda: "RECIPIENT" in head(app))
        assert "QUEUE" not in head(app)


async def test_esc_leaves_the_columns_as_they_were(busy_world: World, link: RecordingLink) -> None:
    async with console(busy_world, link).run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, "3")
        before = head(app)
        await pilot.press("c", *"jjjjj", "space", "escape")
        await until(pilot, lambda: not isinstance(app.screen, ColumnsScreen))
        assert head(app) == before


async def test_h_and_l_scroll_a_list_sideways(busy_world: World, link: RecordingLink) -> None:
    async with console(busy_world, link).run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, "3")
        await pilot.press("h")
        assert "these are the first columns" in message(app)
        await pilot.press("l", "l")
        assert head(app).split()[:3] == ["ID^", "STATE", "CAMPAIGN"]
        await pilot.press(*"llll")
        assert head(app).split()[:3] == ["ID^", "STATE", "LAST"]
        assert "this is the last column" in message(app)
        await pilot.press(*"hhhh")
        assert head(app).split()[:3] == ["ID^", "STATE", "TRY"]


@pytest.mark.parametrize(("view", "title"), [("2", "FAIL"), ("4", "N")])
async def test_a_list_in_memory_is_sorted_by_the_column_that_is_chosen(
    busy_world: World, link: RecordingLink, tmp_path: Path, view: str, title: str
) -> None:
    async with console(busy_world, link, state=tmp_path).run_test(size=(120, 40)) as pilot:
        app = await opened(pilot, view)
        key = app.view.LIST  # type: ignore[union-attr]
        while app.kept.shape(key).sort != title:
            await pilot.press("greater_than_sign")
        assert f"{title}^" in head(app) or f"^{title}" in head(app)
        await pilot.press("S")
        assert app.kept.shape(key).descending
        numbers = [row["n"] if view == "4" else row["counts"]["failed"] for row in grid(app).in_sight]
        assert numbers == sorted(numbers, reverse=True)
        assert len(set(numbers)) > 1
        await pilot.press("less_than_sign")
        assert app.kept.shape(key).sort != title


async def test_the_order_of_the_jobs_is_remembered(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    for press in (("s", "S"), ()):
        async with console(busy_world, link, state=tmp_path).run_test(size=(80, 24)) as pilot:
            app = await opened(pilot, "3")
            await pilot.press(*press)
            await until(pilot, lambda app=app: "by due down" in app.view.crumb_right)


async def test_the_cursor_stays_in_sight_when_the_screen_shrinks(busy_world: World, link: RecordingLink) -> None:
    async with console(busy_world, link).run_test(size=(120, 40)) as pilot:
        app = await opened(pilot, "3")
        await pilot.press(*"jjjjjjjjjjjjjjjjjjjjjjjjj")
        row = grid(app).current
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.size.height == 24 and grid(app).size.height < 20)
        assert grid(app).current == row
        assert f">  {row['id']} " in grid(app).text or f">{' '}{row['id']} " in grid(app).text
