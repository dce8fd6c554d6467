"""What is kept between runs: read back as it was, private, and never a reason not to start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.console.looking import console, looking, shown
from tests.console.world import RecordingLink, World
from tui.format import Times
from tui.state import FILE, KeptState, ListShape


def test_what_is_kept_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "paceline" / "console.json"
    kept = KeptState(path)
    kept.keep_text("theme", "light")
    kept.keep_shape("jobs", ListShape("due", True, ("id", "state", "error")))
    again = KeptState(path)
    assert again.text("theme") == "light"
    assert again.shape("jobs") == ListShape("due", True, ("id", "state", "error"))
    assert again.shape("campaigns") == ListShape()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["console.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[1, 2]", b"null", b"[" * 100_000,
        b'{"theme": 7, "lists": 3}', b'{"theme": "\\u001b[2J", "lists": {"jobs": []}}',
        b'{"lists": {"jobs": {"sort": 1, "descending": "yes", "columns": [2]}}}',
    ],
)  # fmt: skip
def test_a_damaged_file_costs_only_the_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "console.json"
    path.write_bytes(content)
    kept = KeptState(path)
    assert kept.text("theme") == ""
    assert kept.shape("jobs") == ListShape()
    kept.keep_text("theme", "dark")
    kept.keep_shape("jobs", ListShape("due"))
    assert KeptState(path).text("theme") == "dark"
    assert KeptState(path).shape("jobs") == ListShape("due")


def test_two_consoles_keep_each_other_s_values(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    one, other = KeptState(path), KeptState(path)
    one.keep_text("theme", "dark")
    other.keep_text("times", "local")
    assert json.loads(path.read_text()) == {"theme": "dark", "times": "local"}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    kept = KeptState(tmp_path / "taken" / "console.json")
    kept.keep_text("theme", "dark")
    assert kept.text("theme") == "dark"


def test_without_a_folder_it_lasts_as_long_as_the_process() -> None:
    kept = KeptState()
    kept.keep_shape("jobs", ListShape(columns=("id",)))
    assert kept.shape("jobs").columns == ("id",)


async def test_the_console_opens_as_it_was_left(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    async with looking(busy_world, link, state=tmp_path) as (_, pilot):
        await pilot.press("6", "t", "t")
        await shown(pilot)
    again = console(busy_world, link, state=tmp_path)
    async with again.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert again.current_mode == "queues"
        assert again.kept.text("times") == Times.RELATIVE.value
        await pilot.press("t", "minus")
        await shown(pilot)
        assert again.current_mode == "overview"


async def test_a_state_file_that_names_nonsense_opens_the_overview(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text(json.dumps({"view": "wizardry", "times": "lunar", "theme": "pink"}))
    async with looking(busy_world, link, state=tmp_path) as (app, _):
        assert (app.current_mode, app.theme) == ("overview", "paceline-terminal")
