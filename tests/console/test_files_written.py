"""`w` writes rows, `:dump` the screen: whole files, for their owner alone, never over another one."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

from storage.errors import PacelineError
from storage.reader import Reader
from tests.console.looking import console, message, shown, until
from tests.console.world import RecordingLink, World
from tui.console import PacelineApp
from tui.exporting.writer import Format, write_rows
from tui.writing import target_of


def kept_in(folder: Path) -> dict[str, int]:
    """The files of a folder with their rights."""
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def line(pilot: Pilot[int], text: str) -> None:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await pilot.press("colon")
    assert app.view is not None
    app.view.prompt._insert(text)
    await pilot.press("enter")


async def on(pilot: Pilot[int], key: str) -> PacelineApp:
    await shown(pilot)
    await pilot.press(key)
    await shown(pilot)
    assert isinstance(pilot.app, PacelineApp)
    return pilot.app


async def test_w_writes_all_that_the_filter_lets_through(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with console(busy_world, link).run_test(size=(120, 40)) as pilot:
        app = await on(pilot, "3")
        assert app.view is not None
        app.view.narrow("state:failed")
        await shown(pilot)
        target = tmp_path / "failed.csv"
        await line(pilot, f"write {target}")
        await until(pilot, lambda: target.exists() and "written" in message(app))
        with target.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        with Reader(busy_world.database) as reader:
            assert len(rows) == reader.counts()["failed"] > 0
        assert {row["state"] for row in rows} == {"failed"}
        assert kept_in(tmp_path) == {"failed.csv": 0o600}


async def test_w_asks_for_a_name_and_keeps_what_exists(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    async with console(busy_world, link).run_test(size=(160, 40)) as pilot:
        app = await on(pilot, "2")
        target = tmp_path / "all.jsonl"
        assert app.view is not None
        await pilot.press("w", "ctrl+u")
        assert app.view.prompt.text.startswith(" write to")
        app.view.prompt._insert(str(target))
        await pilot.press("enter")
        await until(pilot, lambda: target.exists() and "written: 6 rows" in message(app))
        names = [json.loads(text)["name"] for text in target.read_text().splitlines()]
        assert "newsletter-38" in names
        before = target.read_text()
        await line(pilot, f"write {target}")
        await until(pilot, lambda: "exists and stays as it is" in message(app))
        assert target.read_text() == before


async def test_a_filter_that_does_not_parse_writes_nothing(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with console(busy_world, link).run_test(size=(160, 40)) as pilot:
        app = await on(pilot, "3")
        assert app.view is not None
        app.view.narrow("state:nonsense")
        await line(pilot, f"write {tmp_path / 'x.csv'}")
        await until(pilot, lambda: "nothing is written" in message(app))
        assert kept_in(tmp_path) == {}


@pytest.mark.parametrize("name", ["x", "x.txt", ""])
def test_only_files_of_a_known_kind_are_written(name: str) -> None:
    with pytest.raises(PacelineError, match=r"only \.csv, \.jsonl, \.xlsx can be written"):
        target_of(name)


def test_cells_are_text_to_spreadsheets_and_terminals(tmp_path: Path) -> None:
    rows = [{"name": "=1+1", "note": "\x1b[2J", "fields": {"a": [1]}}]
    target = tmp_path / "x.csv"
    assert write_rows(target, rows, Format.CSV) == 1
    with target.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["name", "note", "fields"], ["'=1+1", "?[2J", '{"a": [1]}']]


def test_a_write_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    def told(n: int) -> None:
        raise PacelineError("the console ended")

    with pytest.raises(PacelineError):
        write_rows(tmp_path / "x.csv", ({"n": n} for n in range(20_000)), Format.CSV, told=told)
    assert list(tmp_path.iterdir()) == []


async def test_dump_writes_what_stands_on_the_screen(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    async with console(busy_world, link).run_test(size=(100, 30)) as pilot:
        app = await on(pilot, "2")
        await line(pilot, f"dump {tmp_path / 'screen'}")
        await until(pilot, lambda: "written" in message(app))
        text = (tmp_path / "screen.txt").read_text()
        picture = (tmp_path / "screen.svg").read_text()
        assert "newsletter-38" in text
        assert text.splitlines()[2].startswith(" Campaigns")
        assert "\x1b" not in text
        drawn = "".join(html.unescape(part) for part in re.findall(r"<text[^>]*>([^<]*)</text>", picture))
        assert _squeezed(text) == _squeezed(drawn).removeprefix("Paceline")
        assert kept_in(tmp_path) == {"screen.txt": 0o600, "screen.svg": 0o600}
        await line(pilot, f"dump {tmp_path / 'screen'}")
        await until(pilot, lambda: "exists and stays as it is" in message(app))


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)
