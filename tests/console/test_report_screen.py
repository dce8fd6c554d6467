"""The report of a campaign on the screen."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path

import pytest
from textual.pilot import Pilot

from storage.model import MINUTE
from tests.console.looking import SIZES, Compare, console, cursor_on, go, looking, message, shown, until
from tests.console.world import NOON, SENT, RecordingLink, World
from tui.link import LOST, LinkState
from tui.screens import report
from tui.screens.report import ReportScreen
from tui.widgets.grid import Grid


def text(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one(Grid).text


async def opened(pilot: Pilot[int], name: str = "newsletter-38") -> None:
    await go(pilot, "2")
    await cursor_on(pilot, name)
    await pilot.press("percent_sign")
    await until(pilot, lambda: isinstance(pilot.app.screen, ReportScreen) and "messages" in text(pilot))


@pytest.mark.parametrize("size", SIZES)
def test_picture(busy_world: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await opened(pilot)

    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=before)


async def test_it_says_of_how_many_and_can_be_read_to_its_end(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, size=(80, 24)) as (_, pilot):
        await opened(pilot)
        assert "49 of 120 (40.8 %)" in text(pilot)
        await pilot.press("G")
        await until(pilot, lambda: "campaign resolve newsletter-38" in pilot.app.screen.query_one(Grid).text)


async def test_the_prompt_opens_it_too_also_of_a_draft(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, size=(120, 40)) as (_, pilot):
        await pilot.press("colon")
        await pilot.press(*"campaign report reminder-q3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReportScreen) and "draft" in text(pilot))
        assert "RATES" not in text(pilot)


@pytest.mark.parametrize("options", [{"read_only": True}, {}], ids=["read-only", "lost"])
async def test_it_needs_neither_an_engine_nor_the_right_to_change(busy_world: World, options: dict[str, bool]) -> None:
    link = RecordingLink(LinkState(LOST, 4120, "mail-1", NOON, 5, NOON, "its lock is free"))
    async with looking(busy_world, link, **options) as (_, pilot):
        await opened(pilot)
        assert "RATES" in text(pilot)


async def test_figures_follow_what_is_sent(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    async with looking(world, link, size=(120, 40)) as (_, pilot):
        await opened(pilot, "letters")
        assert "0 of 3 (0.0 %)" in text(pilot)
        await asyncio.to_thread(world.send, "smtp-eu-1", [SENT], step=MINUTE)
        await until(pilot, lambda: "1 of 3 (33.3 %)" in text(pilot))


async def test_w_writes_every_figure_with_what_it_is_a_part_of(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    target = tmp_path / "figures.csv"
    async with looking(busy_world, link, size=(120, 40)) as (app, pilot):
        await opened(pilot)
        await pilot.press("colon")
        await pilot.press(*f"write {target}", "enter")
        await until(pilot, lambda: "written" in message(app))
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = {(row["part"], row["name"], row["figure"]): row for row in csv.DictReader(file)}
    sent = rows["campaign", "newsletter-38", "sent"]
    assert (sent["n"], sent["of"], sent["percent"]) == ("49", "120", "40.8")
    assert rows["domain", "example.org", "failed"]["n"] == "8"
    assert rows["reason", "connection lost", "messages"]["n"] == "1"


async def test_a_long_campaign_is_told_in_part(
    busy_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST", 30)
    async with looking(busy_world, link, size=(120, 40)) as (_, pilot):
        await opened(pilot)
        assert "of the first 30 messages" in text(pilot)
