"""The list of who must not be contacted, by keys and `:`; what is asked, what is done, and how it is taken back."""

from __future__ import annotations

import pytest

from storage.model import DAY, HOUR
from tests.console.looking import SIZES, Compare, asked, console, looking, message, until, walk
from tests.console.world import NOON, RecordingLink, World


def listed(world: World) -> None:
    """A campaign that is planned, and a list with one of each kind."""
    world.campaign("letters", 6, account="smtp-eu-2")
    world.clock.at = NOON - 3 * DAY
    world.call(
        "suppression.add", source="crm-2026.csv",
        entries=[
            {"value": "ana@example.net", "reason": "unsubscribed", "note": "asked by phone"},
            {"value": "@example.com", "list_name": "news", "expires_at": NOON + 87 * DAY},
            {"value": "linkedin.com/in/ana-lopez", "reason": "withdrawn", "expires_at": NOON - HOUR},
        ],
    )  # fmt: skip
    world.clock.at = NOON
    world.call("suppression.add", entries=[{"value": "bo@example.net", "reason": "dead"}], source="answer")


@pytest.fixture
def filled(fresh: World) -> World:
    listed(fresh)
    return fresh


@pytest.mark.parametrize("size", SIZES)
def test_picture(filled: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console(filled, link), terminal_size=size, run_before=walk("2", "O", "j", "j", "j"))


def test_picture_of_the_question(filled: World, link: RecordingLink, snap_compare: Compare) -> None:
    async def before(pilot):  # type: ignore[no-untyped-def]
        await walk("2", "O", "G", "X")(pilot)
        await asked(pilot)

    assert snap_compare(console(filled, link), terminal_size=(80, 24), run_before=before)


async def test_read_only_shows_the_list_and_refuses_to_change_it(filled: World, link: RecordingLink) -> None:
    async with looking(filled, link, "O", read_only=True) as (app, pilot):
        for key in ("A", "X"):
            await pilot.press(key)
            assert "read-only" in message(app)
    assert not [call for call in link.calls if call[0].startswith("suppression")]


async def test_whoever_asked_for_it_is_taken_off_only_by_typing_them(filled: World, link: RecordingLink) -> None:
    async with looking(filled, link, "O", "G", "X") as (_, pilot):
        text = await asked(pilot)
        assert "this was the person's own wish" in text
        assert "Type ana@example.net to confirm" in text
        await pilot.press("y", "escape")
    assert not [call for call in link.calls if call[0].startswith("suppression")]


async def test_what_is_added_at_the_prompt_is_asked_about_done_and_can_be_taken_back(
    filled: World, link: RecordingLink
) -> None:
    link.answers["suppression.add"] = {"message": "1 open message will not be sent", "ids": [9]}
    async with looking(filled, link, "O", "A") as (app, pilot):
        assert app.view is not None
        app.view.prompt._set("@example.org", 12)
        await pilot.press("enter")
        text = await asked(pilot)
        assert "campaigns letters" in text
        assert "6, 6 open messages are skipped when their turn comes" in text
        await pilot.press("y")
        await until(pilot, lambda: "1 open message will not be sent" in message(app))
        (undo,) = app.undos.open(NOON)
        assert (undo.control, undo.args) == ("suppression.remove", {"ids": [9]})
    calls = [call for call in link.calls if call[0] == "suppression.add"]
    assert calls == [("suppression.add", {"entries": [{"value": "@example.org"}], "source": "console"})]
