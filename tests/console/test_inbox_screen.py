"""What came back, by keys and `:`: the list, one entry, and the message and the person whom it is about."""

from __future__ import annotations

import pytest

from storage.inbox import Returned
from storage.model import HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, console, go, looking, message, shown, until, walk
from tests.console.world import NOON, SENT, RecordingLink, World
from tui.console import PacelineApp
from tui.screens.inbox import InboxScreen
from tui.screens.job import JobScreen
from tui.screens.recipient import RecipientScreen
from tui.screens.returned import ReturnedScreen
from tui.widgets.grid import Grid


def returned(world: World) -> list[str]:
    """A campaign of which three messages left, and one of each sort that came back; the addresses of the three."""
    world.clock.at = NOON - 6 * HOUR
    world.campaign("letters", 6)
    world.send("smtp-eu-1", [SENT] * 3, step=2 * SECOND)
    with Reader(world.database) as reader:
        rows = reader.rows(
            "SELECT r.address, r.id AS recipient_id FROM jobs j JOIN recipients r ON r.id = j.recipient_id "
            "WHERE j.state = 'completed' ORDER BY j.id"
        )
    first, second, third = ((row["address"], row["recipient_id"]) for row in rows[:3])
    at = world.clock.at + HOUR
    world.clock.at = at + 5 * MINUTE
    items = [
        Returned(
            "1", "bounce", at, "bounces.mbox", recipient_id=first[1], addresses=(first[0],), code=550, enhanced="5.1.1",
            diagnostic="550 5.1.1 User unknown in virtual mailbox table", subject="Undelivered Mail Returned to Sender",
            text="This is the mail system.\n\nYour message could not be delivered.",
        ),
        Returned("2", "reply", at + MINUTE, "imap replies", addresses=(second[0],), subject="Re: Hello", text="Yes."),
        Returned("3", "out_of_office", at + 2 * MINUTE, "imap replies", recipient_id=third[1], subject="Away"),
        Returned("4", "unknown", at + 3 * MINUTE, "imap replies", addresses=("news@example.net",), subject="Offers",
                 raw=b"From: news@example.net\n\nBuy\n"),
    ]  # fmt: skip
    world.run(world.store.take_returned(items))
    world.clock.at = NOON
    return [first[0], second[0], third[0]]


@pytest.fixture
def filled(fresh: World) -> World:
    try:
        returned(fresh)
    finally:
        fresh.close()
    return fresh


def kinds(app: PacelineApp) -> list[str]:
    assert isinstance(app.view, InboxScreen)
    return [row["kind"] for row in app.view.data["rows"]]


def text(app: PacelineApp) -> str:
    """All rows of the open page."""
    assert app.view is not None
    grid = app.view.query_one(Grid)
    return "\n".join(grid.render_line(y).text for y in range(grid.size.height))


@pytest.mark.parametrize("size", SIZES)
def test_picture(filled: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console(filled, link), terminal_size=size, run_before=walk("2", "B", "j", "j", "j"))


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_one(filled: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console(filled, link), terminal_size=size, run_before=walk("2", "B", "G", "enter"))


def test_picture_of_its_message(filled: World, link: RecordingLink, snap_compare: Compare) -> None:
    assert snap_compare(console(filled, link), terminal_size=(80, 24), run_before=walk("B", "G", "enter", "enter"))


def test_picture_of_an_empty_one(fresh: World, link: RecordingLink, snap_compare: Compare) -> None:
    fresh.close()
    assert snap_compare(console(fresh, link), terminal_size=(80, 24), run_before=walk("2", "B"))


async def test_the_newest_stands_first_and_enter_leads_to_the_entry_to_its_message_and_back(
    filled: World, link: RecordingLink
) -> None:
    async with looking(filled, link, "B") as (app, pilot):
        assert kinds(app) == ["unknown", "out_of_office", "reply", "bounce"]
        await go(pilot, "G", "enter")
        assert isinstance(app.view, ReturnedScreen)
        shows = text(app)
        for words in ("550 5.1.1", "found by its token", "counts as bounced", "Your message could not be delivered."):
            assert words in shows
        await go(pilot, "enter")
        assert isinstance(app.view, JobScreen)
        assert app.view.data["state"] == "bounced"
        assert "bounce 550 5.1.1 User unknown" in text(app)
        await go(pilot, "G", "enter")
        assert isinstance(app.view, ReturnedScreen)
        await go(pilot, "escape", "escape", "escape")
        assert isinstance(app.view, InboxScreen)


async def test_the_page_of_a_person_says_what_came_back(filled: World, link: RecordingLink) -> None:
    async with looking(filled, link, "2", "r", "enter", size=(120, 60)) as (app, pilot):
        assert isinstance(app.view, RecipientScreen)
        (row,) = app.view.data["came_back"]
        assert f"{row['kind']} " in text(app)
        await go(pilot, "G", "enter")
        assert isinstance(app.view, ReturnedScreen)
        assert app.view.data["recipient_id"] == row["recipient_id"]


@pytest.mark.parametrize(
    ("narrowed", "left"),
    [
        ("kind:bounce,reply", ["reply", "bounce"]),
        ("state:unmatched", ["unknown"]),
        ("-state:unmatched -kind:out_of_office", ["reply", "bounce"]),
        ("virtual mailbox", ["bounce"]),
        ("campaign:let* effect:stopped", ["reply"]),
        ("code:5.1.*", ["bounce"]),
        ("to:*@example.net", ["unknown"]),
        ("source:imap* since:1d", ["unknown", "out_of_office", "reply"]),
        ("age:>1d", []),
        ('"no such words"', []),
    ],
)
async def test_the_filter_narrows_as_the_command_does(
    filled: World, link: RecordingLink, narrowed: str, left: list[str]
) -> None:
    async with looking(filled, link, "B", "slash") as (app, pilot):
        assert app.view is not None
        app.view.prompt._set(narrowed, len(narrowed))
        await pilot.press("enter")
        await until(pilot, lambda: app.view is not None and app.view.data is not None and kinds(app) == left)
        assert message(app).strip() in ("", "ok")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("inbox", ["unknown", "out_of_office", "reply", "bounce"]),
        ("inbox kind:reply", ["reply"]),
        ("inbox list --kind bounce --kind reply -c letters", ["reply", "bounce"]),
        ("inbox list --unmatched", ["unknown"]),
    ],
)
async def test_the_commands_own_words_open_it(filled: World, link: RecordingLink, line: str, left: list[str]) -> None:
    async with looking(filled, link, "3") as (app, pilot):
        await said(app, pilot, line)
        await until(pilot, lambda: isinstance(app.view, InboxScreen) and app.view.data is not None)
        assert kinds(app) == left


async def test_one_is_shown_by_its_number_and_one_that_is_not_there_says_so(filled: World, link: RecordingLink) -> None:
    async with looking(filled, link) as (app, pilot):
        await said(app, pilot, "inbox show 99")
        await until(pilot, lambda: "nothing of number 99" in message(app))
        await said(app, pilot, "inbox show 4")
        await until(pilot, lambda: isinstance(app.view, ReturnedScreen) and app.view.data is not None)
        assert "none of ours was found" in text(app)
        assert "paceline inbox show 4 --raw" in text(app)
        await pilot.press("enter")
        assert "no message of ours was found" in message(app)
        await said(app, pilot, "inbox read box")
        await until(pilot, lambda: "is for the command line" in message(app))


async def test_a_read_only_console_has_it_too(filled: World, link: RecordingLink) -> None:
    async with looking(filled, link, "B", "i", read_only=True) as (app, pilot):
        await shown(pilot)
        assert '"kind": "unknown"' in text(app)


async def said(app: PacelineApp, pilot, line: str) -> None:  # type: ignore[no-untyped-def]
    await pilot.press("colon")
    assert app.view is not None
    app.view.prompt._set(line, len(line))
    await pilot.press("enter")
