"""The prompt of row 23: it edits, completes, remembers, and gives the keys back."""

from __future__ import annotations

from pathlib import Path

from textual.events import Paste
from textual.pilot import Pilot

from tests.console.looking import console, shown
from tests.console.world import RecordingLink, World
from tui.console import PacelineApp
from tui.history import KEPT, History
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines
from tui.widgets.prompt import Prompt

WORDS = ["campaign pause", "campaign resume", "engine pause"]


class Asked:
    """What a prompt told its owner."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.changes: list[str] = []
        self.left = 0

    def leave(self) -> None:
        self.left += 1


async def opened(pilot: Pilot[int], initial: str = "", history: History | None = None) -> tuple[Prompt, Asked]:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await shown(pilot)
    assert app.view is not None
    asked = Asked()
    app.view.prompt.open(
        ":", initial, on_submit=asked.kept.append, on_change=asked.changes.append, on_cancel=asked.leave,
        completer=lambda text: [word for word in WORDS if word.startswith(text)], history=history,
    )  # fmt: skip
    await pilot.pause()
    return app.view.prompt, asked


async def test_every_key_is_text_until_enter_gives_the_keys_back(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        prompt, asked = await opened(pilot)
        await pilot.press(*"qpE", "space", "2", "left", "left", "backspace", "x")
        assert prompt.text == " :qpx 2"
        await pilot.press("enter")
        assert asked.kept == ["qpx 2"]
        assert asked.changes[:2] == ["q", "qp"]
        assert link.calls == []
        assert isinstance(app.focused, Grid)
        await pilot.press("2")
        assert app.current_mode == "campaigns"


async def test_esc_ctrl_c_and_backspace_on_nothing_leave_it(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        for times, key in enumerate(("escape", "ctrl+c", "backspace"), start=1):
            prompt, asked = await opened(pilot)
            await pilot.press(key)
            assert not prompt.is_open
            assert (asked.kept, asked.left) == ([], 1), times
        assert app.is_running


async def test_tab_takes_what_is_common_then_goes_through_the_rest(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        prompt, _ = await opened(pilot)
        await pilot.press("c")
        assert prompt.text == " :campaign pause"
        assert prompt.value == "c"
        await pilot.press("tab")
        assert prompt.value == "campaign "
        await pilot.pause()
        assert app.screen.query_one("#hints", Lines).text.split() == ["pause", "resume"]
        await pilot.press("tab")
        assert prompt.value == "campaign pause"
        await pilot.press("tab")
        assert prompt.value == "campaign resume"
        await pilot.press("ctrl+u", "e", "right")
        assert prompt.value == "engine pause"
        await pilot.press("ctrl+w")
        assert prompt.value == "engine "


async def test_up_and_down_go_through_what_was_typed(busy_world: World, link: RecordingLink) -> None:
    history = History()
    for line in ("one", "two", "one"):
        history.add(line)
    assert history.lines == ["two", "one"]
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        prompt, _ = await opened(pilot, "draft", history)
        seen = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            seen.append(prompt.value)
        assert seen == ["one", "two", "two", "one", "draft"]


async def test_what_is_pasted_is_one_harmless_line(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        prompt, asked = await opened(pilot)
        app.post_message(Paste("a\x1b[2Jb\nenter"))
        await pilot.pause()
        assert prompt.value == "a?[2Jb"
        assert asked.kept == []
        await pilot.press(*("x" * 200))
        assert len(prompt.text) <= 80


def test_a_history_is_kept_between_runs_private_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "state" / "commands"
    history = History(path)
    for i in range(KEPT + 20):
        history.add(f"line {i}")
    again = History(path)
    assert again.lines == [f"line {i}" for i in range(20, KEPT + 20)]
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"good\n\x1b[2J bad\n\xff\n")
    assert "good" in History(path).lines
    assert all(line.isprintable() for line in History(path).lines)


def test_a_history_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "commands")
    history.add("engine pause")
    assert history.lines == ["engine pause"]
