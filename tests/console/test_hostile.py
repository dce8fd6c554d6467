"""Strings from outside reach the screen as text: no markup, no escape sequence, no link, no crash."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model import SECOND
from tests.console.looking import looking, shown
from tests.console.world import NOON, UNKNOWN, RecordingLink, World
from tui.widgets.grid import Grid
from tui.widgets.lines import to_strip

HOSTILE = [
    "[/]",
    "[@click=app.quit]x[/]",
    "[bold red]loud[/bold red]",
    "\x1b[2J\x1b[31mred",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31mC1",
    "\u202egnp.exe",
    "a\u200bb\ufeffc\u2066d",
    "one\ntwo\rthree\tfour\x00five\x7f",
    "wide 漢字 and e\u0301",
    "x" * 3_000,
]
CONTROLS = {
    *map(chr, range(32)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u200b\u200e\u200f\u202a\u202b\u202d\u202e\u2066\ufeff",
}


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "bad", "cursor"])), max_size=4), st.integers(1, 100))
def test_a_drawn_row_has_exactly_its_width_and_no_control_character(spans: list[tuple[str, str]], width: int) -> None:
    strip = to_strip(tuple(spans), width)
    assert strip.cell_length == width
    assert not CONTROLS & set(strip.text)
    assert all(segment.control is None for segment in strip)


@pytest.fixture
def hostile_world(tmp_path: Path) -> World:
    """Names, addresses, reasons and replies replaced in the file itself, past every check."""
    world = World(tmp_path)
    world.clock.at = NOON
    world.campaign("letters", len(HOSTILE) * 2)
    world.send("smtp-eu-1", [UNKNOWN] * len(HOSTILE), step=2 * SECOND)
    world.clock.at = NOON
    world.close()
    with sqlite3.connect(world.database) as raw:
        for i, text in enumerate(HOSTILE):
            raw.execute(
                "UPDATE recipients SET address = ?, fields = json_object('k', ?) WHERE id = ?", (text, text, i + 1)
            )
            raw.execute("UPDATE jobs SET last_error = ?, message_id = ? WHERE id = ?", (text, text, i + 1))
            raw.execute("UPDATE attempts SET reply = ?, server = ? WHERE job_id = ?", (text, text, i + 1))
        raw.execute("UPDATE events SET text = ?", (HOSTILE[1] + HOSTILE[3],))
        raw.execute("UPDATE queues SET reason = ?, state = 'needs_attention'", (HOSTILE[4],))
        raw.execute("UPDATE campaigns SET name = ?", (HOSTILE[1] + HOSTILE[7],))
        raw.execute("UPDATE failure_hours SET sample = ?", (HOSTILE[3] + HOSTILE[1],))
    raw.close()
    return world


PATHS = {
    "overview": (),
    "campaigns": ("2",),
    "failures": ("4",),
    "jobs": ("4", "enter"),
    "help": ("question_mark",),
    "dialog": ("2", "X"),
    "queue": ("P",),
}


@pytest.mark.parametrize("path", PATHS)
async def test_no_view_lets_a_hostile_string_act(hostile_world: World, link: RecordingLink, path: str) -> None:
    async with looking(hostile_world, link, size=(120, 40)) as (app, pilot):
        for key in PATHS[path]:
            await pilot.press(key)
            await shown(pilot)
        strips = app.screen._compositor.render_strips()
        text = "".join(segment.text for strip in strips for segment in strip if not segment.control)
        assert not CONTROLS & set(text)
        assert all(
            not (segment.style and (segment.style.link or segment.style.meta.get("@click")))
            for s in strips
            for segment in s
        )
        assert app.is_running


async def test_every_job_with_hostile_words_can_be_opened(hostile_world: World, link: RecordingLink) -> None:
    async with looking(hostile_world, link) as (app, pilot):
        await pilot.press("4", "enter")
        await shown(pilot)
        for row in range(len(HOSTILE)):
            app.screen.query_one(Grid).move_to(row)
            await pilot.press("enter")
            await shown(pilot)
            assert not CONTROLS & set(app.screen.query_one(Grid).text.replace("\n", ""))
            await pilot.press("escape")
            await shown(pilot)
