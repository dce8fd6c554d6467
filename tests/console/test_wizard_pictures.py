"""The wizard's steps, the editor, preview and recipients as pictures, at 80x24 and 120x40: fixed store and time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from storage.model import MINUTE, SECOND
from tests.console.looking import SIZES, Compare, console, shown, until
from tests.console.world import NOON, RecordingLink, World
from tui.screens.editor import EditorScreen
from tui.screens.opening import OPENS
from tui.screens.preview import PreviewScreen
from tui.screens.view import ViewScreen
from tui.screens.wizard_check import CheckScreen
from tui.screens.wizard_letter import LetterScreen
from tui.screens.wizard_people import PeopleScreen
from tui.widgets.grid import Grid

TEXT = "Dear {{ first_name }},\n\nthe spring sale begins on Monday.\n\nYours,\nAna\n"
HTML = "<p>Dear {{ first_name }},</p><p>the <b>spring sale</b> begins on <a href='https://example.com/'>Monday</a>.</p>"
PLAN = {
    "queued": 40, "held": 2, "first_due": NOON, "last_due": NOON + 40 * SECOND,
    "estimated_completion": NOON + MINUTE, "estimate": "40 at 60/min takes 40s",
    "message": "38 messages would be scheduled, 2 held for a person: steady: 60/min",
}  # fmt: skip
PEOPLE = "E-mail,First Name,Company,Since\n" + "".join(
    f"{name}@example.org,{name.title()},{name.title()} Ltd,2024-0{number}-01\n"
    for number, name in enumerate(("ada", "ben", "kim", "max", "zoe"), 1)
) + "broken,No,One,\nADA@example.org,Ada again,X,\n"  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A draft with everything in it, and a running campaign."""
    world = World(tmp_path_factory.mktemp("wizard"))
    world.campaign("spring-sale", 40, account="smtp-eu-2", start=False)
    world.call("campaign.edit", name="spring-sale", subject="News for {{ first_name }}", text=TEXT, html=HTML)
    world.campaign("receipts", 12)
    (world.database.parent / "people.csv").write_text(PEOPLE)
    yield world
    world.close()


def opened(*ids: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    """Open the screen of each action in turn, as its key does."""

    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        for id in ids:
            row = await pilot.app.read_once(lambda reader, now: reader.campaign("spring-sale"))
            await pilot.app.push_screen(OPENS[id](row))
            await shown(pilot)
        await until(pilot, lambda: settled(pilot.app.screen))

    return before


def settled(screen: ViewScreen) -> bool:
    if isinstance(screen, LetterScreen):
        return screen._parts is not None
    if isinstance(screen, CheckScreen):
        return screen._checked is not None and screen._checked.found is not None and bool(screen._checked.plan)
    if isinstance(screen, PreviewScreen):
        return screen._seen is not None
    return screen.data is not None


@pytest.fixture
def link(made: World, monkeypatch: pytest.MonkeyPatch) -> RecordingLink:
    monkeypatch.setenv("VISUAL", "vi")
    link = RecordingLink()
    link.answers["campaign.start"] = PLAN
    link.answers["campaign.preflight"] = made.call("campaign.preflight", name="spring-sale")
    return link


STEPS = {
    "people": "recipients.import",
    "letter": "campaign.edit",
    "pacing": "campaign.pace",
    "check": "campaign.check",
    "continued": "campaign.continue",
    "preview": "campaign.preview",
    "recipients": "campaign.recipients",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS)
def test_step(made: World, link: RecordingLink, snap_compare: Compare, step: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(made, link), terminal_size=size, run_before=opened(STEPS[step]))


@pytest.mark.parametrize("size", SIZES)
def test_name(made: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await pilot.press("A")
        await until(pilot, lambda: pilot.app.view.prompt.is_open)
        await pilot.press(*"summer")

    assert snap_compare(console(made, link), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_people_checked(
    made: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.database.parent)

    async def before(pilot: Pilot[int]) -> None:
        await opened("recipients.import")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, PeopleScreen)
        screen._choose("people.csv")
        await until(pilot, lambda: screen.making.file.checked is not None and not screen.making.file.busy)
        await until(pilot, lambda: screen.query_one("#form", Grid).current[0] == "import")

    assert snap_compare(console(made, link), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_editor(made: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await opened("campaign.edit")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, LetterScreen)
        screen.chosen(("inside", "text"), None)
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        await until(pilot, lambda: "uses first_name" in pilot.app.screen.query_one("#message").text)

    assert snap_compare(console(made, link), terminal_size=size, run_before=before)


def test_recipient(made: World, link: RecordingLink, snap_compare: Compare) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await opened("campaign.recipients")(pilot)
        await pilot.press("j", "enter")
        await shown(pilot)

    assert snap_compare(console(made, link), terminal_size=(80, 24), run_before=before)


def test_production(made: World, link: RecordingLink, snap_compare: Compare, tmp_path: Path) -> None:
    app = console(made, link, environment="production")
    assert snap_compare(app, terminal_size=(80, 24), run_before=opened("campaign.check"))
