"""View 5 with a real engine: 50 messages approved one by one, rejected with a reason, written anew, in sets, undone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from storage.model import DAY, HOUR
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, console, go, looking, until, walk
from tests.console.operating import Operator, operating
from tests.console.world import NOON, RecordingLink, World
from tui.cli.times import now_us
from tui.screens.approvals import ApprovalsScreen
from tui.screens.campaign import CampaignScreen
from tui.screens.editor import LetterArea
from tui.screens.job import JobScreen
from tui.screens.message import MessageScreen
from tui.screens.own_text import OwnTextScreen, parts_of
from tui.screens.wizard_check import CheckScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


def asking(world: World, people: int, *, approval: str = "message", name: str = "letters", **more: Any) -> None:
    """A started campaign whose messages wait for approval."""
    world.call(
        "campaign.new", name=name, account="smtp-eu-1", subject="Hello {{ first_name }}",
        text="Dear {{ first_name }},\n\nwe would like to show you what is new this spring.\n\nAna\n",
        seed=7, approval=approval, **{"pacing": {"mode": "blast", "concurrency": 5, "batch_delay": "1s"}, **more},
    )  # fmt: skip
    world.people(
        name, [f"{first}.{i:03d}@example.org" for i, first in enumerate(["ada", "ben", "kim"] * people)][:people]
    )
    world.call("campaign.live", name=name)
    world.call("campaign.start", name=name)


def decided(operator: Operator) -> list[dict[str, Any]]:
    return operator.rows("SELECT * FROM approvals WHERE decision <> '' ORDER BY job_id")


def states(operator: Operator) -> list[tuple[str, str]]:
    return [(row["state"], row["reason"]) for row in operator.rows("SELECT * FROM jobs ORDER BY id")]


def slow(world: World) -> None:
    """Three messages that leave hours apart once they are approved."""
    world.clock.at = now_us()
    asking(world, 3, pacing={"mode": "human", "gap_min": "5h", "gap_max": "6h"})


def fast(world: World, people: int = 3) -> None:
    world.clock.at = now_us()
    asking(world, people)


async def test_fifty_are_approved_one_by_one_in_at_most_55_keys(fresh: World) -> None:
    async with operating(fresh, lambda world: fast(world, 50)) as operator:
        keys = ["5", *["A"] * 50]
        assert len(keys) <= 55
        for key in keys:
            await operator.press(key)
        await operator.until(lambda: len(decided(operator)) == 50)
        assert {row["decision"] for row in decided(operator)} == {"approved"}
        await operator.until(lambda: len(operator.relay.deliveries) == 50)
        assert len({delivery.recipient for delivery in operator.relay.deliveries}) == 50


async def test_the_message_under_the_cursor_is_shown_as_it_will_be_sent(fresh: World) -> None:
    async with operating(fresh, fast) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.sees("Dear Ada,")
        assert "Hello Ada" in operator.screen
        assert "waits since" in operator.screen
        assert "expires in 6d" in operator.screen or "expires in 7d" in operator.screen


async def test_a_template_written_anew_is_shown_and_a_yes_is_to_what_was_shown(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        view = await operator.open(ApprovalsScreen, "5")
        await operator.sees("Dear Ada,")
        shown = view._message
        [target] = [target for target in view.targets() if target.scope == "approval"]
        assert target.row["looked_at"] == shown["looked_at"]
        for action, args in (("pause", {}), ("edit", {"text": "Quite another text."})):
            await asyncio.wrap_future(operator.app.link.call(f"campaign.{action}", {"name": "letters", **args}))
        await operator.sees("Quite another text.")
        assert "Dear Ada," not in operator.screen
        [target] = [target for target in view.targets() if target.scope == "approval"]
        assert target.row["looked_at"] > shown["looked_at"]


async def test_after_a_yes_the_cursor_is_on_the_next_one(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        grid = operator.view.query_one(Grid)
        first, second = grid.current["id"], grid.current["id"] + 1
        await operator.press("A")
        assert grid.current["id"] == second
        await operator.until(lambda: [row["job_id"] for row in decided(operator)] == [first])
        await operator.until(lambda: grid._source.count() == 2)
        assert grid.current["id"] == second


async def test_an_approval_is_taken_back_by_z_while_nothing_was_sent(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("A")
        await operator.told("1 approved")
        await operator.press("z")
        assert "approve job 1" in await operator.answer("y")
        await operator.until(lambda: decided(operator) == [])
        assert states(operator) == [("held", "approval")] * 3


async def test_a_rejection_asks_why_and_keeps_it(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("X")
        await operator.says("wrong tone")
        await operator.until(lambda: len(decided(operator)) == 1)
        (row,) = decided(operator)
        assert (row["decision"], row["note"], row["decided_by"]) == ("rejected", "wrong tone", "ana")
        assert states(operator)[0] == ("skipped", "rejected")


async def test_a_rejection_without_a_reason_changes_nothing(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("X")
        await operator.says(" ")
        await operator.told("nothing was changed")
        assert decided(operator) == []


async def test_a_text_that_was_written_anew_is_what_is_sent(fresh: World) -> None:
    async with operating(fresh, fast) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.open(OwnTextScreen, "e")
        area = operator.view.query_one(LetterArea)
        assert area.text.startswith("Subject: Hello Ada\n\nDear Ada,")
        area.load_text("Subject: Only for you\n\nDear {{ nobody }},\n")
        await operator.press("escape")
        await operator.answer("y")
        await operator.told("has its own text now")
        await operator.open(ApprovalsScreen)
        await operator.sees("own text by ana")
        await operator.press("A")
        await operator.until(lambda: len(operator.relay.deliveries) == 1)
        content = operator.relay.deliveries[0].content.decode()
        assert "Subject: Only for you" in content
        assert "Dear {{ nobody }}," in content


async def test_marked_ones_are_approved_after_a_question(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("space", "space", "A")
        text = await operator.answer("y")
        assert "Approve 2 messages" in text
        assert "pace" in text
        await operator.until(lambda: len(decided(operator)) == 2)


async def test_all_that_match_a_filter_are_rejected_with_one_reason_once_their_number_is_typed(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        operator.view.narrow("to:ada*")
        await operator.until(lambda: operator.view.query_one(Grid)._source.count() == 1)
        await operator.press("asterisk", "X")
        await operator.says("no reply expected")
        assert "because   no reply expected" in await operator.asked()
        await operator.press("1", "enter")
        await operator.until(lambda: len(decided(operator)) == 1)
        assert sorted(states(operator)) == [("held", "approval"), ("held", "approval"), ("skipped", "rejected")]


async def test_what_was_decided_says_by_whom(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("A")
        await operator.until(lambda: len(decided(operator)) == 1)
        operator.view.narrow("state:pending")
        await operator.sees("by ana")


async def test_enter_shows_all_of_a_message_and_it_can_be_approved_there(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.open(MessageScreen, "enter")
        await operator.sees("Subject: Hello Ada")
        assert "From: " in operator.screen
        await operator.press("A")
        await operator.until(lambda: len(decided(operator)) == 1)


async def test_a_campaign_as_a_whole_is_approved_by_the_key_that_lets_it_go_on(fresh: World) -> None:
    def whole(world: World) -> None:
        world.clock.at = now_us()
        asking(world, 3, approval="campaign")

    async with operating(fresh, whole) as operator:
        await operator.sees("waits for approval as a whole")
        await operator.press("5")
        await operator.sees("As a whole: letters")
        await operator.on_campaign()
        await operator.press("P")
        question = await operator.answer("y")
        assert "Approve letters as a whole" in question
        assert "as        Ana <ana@example.com> by smtp-eu-1" in question, question
        await operator.until(lambda: len(operator.relay.deliveries) == 3)


async def test_the_wizard_asks_who_approves_and_the_campaign_says_it(fresh: World) -> None:
    def draft(world: World) -> None:
        world.clock.at = now_us()
        world.campaign("letters", 2, start=False)

    async with operating(fresh, draft) as operator:
        await operator.on_campaign()
        await operator.open(CheckScreen, "b")
        await operator.sees("nobody has to approve it")
        await operator.choose("approval")
        await operator.sees("each message, within 7d")
        await operator.choose("approval")
        await operator.sees("the campaign as a whole")
        assert operator.campaign("letters")["approval"] == "campaign"
        await operator.press("escape")
        await operator.open(CampaignScreen, "enter")
        await operator.sees("approval the campaign as a whole")


async def test_the_command_line_of_the_console_decides_too(fresh: World) -> None:
    async with operating(fresh, slow) as operator:
        await operator.press("colon")
        await operator.says("approval approve 1")
        await operator.until(lambda: len(decided(operator)) == 1)
        await operator.press("colon")
        await operator.says("approval reject 2 --reason 'not now'")
        await operator.until(lambda: len(decided(operator)) == 2)


async def test_read_only_decides_nothing(fresh: World) -> None:
    async with operating(fresh, slow, read_only=True) as operator:
        await operator.open(ApprovalsScreen, "5")
        await operator.press("A")
        await operator.told("approve is off: read-only")
        assert operator.view.query_one(Grid).cursor == 0
        await operator.press("colon")
        await operator.says("approval approve 1")
        await operator.told("read-only")
        assert decided(operator) == []


async def test_what_waits_and_what_expires_soon_stands_among_the_needs(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(asking, world, 3, approval_time=5 * HOUR)
    async with looking(world, link) as (app, pilot):
        text = app.screen.query_one(Grid).text
        assert "3 msgs" in text
        assert "3 expire within 24h: approval in letters" in text
        await go(pilot, "enter")
        assert isinstance(app.screen, ApprovalsScreen)
        assert "campaign:letters" in app.screen.crumb()


async def test_what_is_held_for_another_reason_opens_as_a_job(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "5") as (app, pilot):
        assert "missing field: company" in app.screen.query_one(Grid).text
        await go(pilot, "enter")
        assert isinstance(app.screen, JobScreen)


def test_a_document_gives_back_its_parts() -> None:
    assert parts_of("Subject: Hi\n\nDear\n\nyou\n", "text") == {"subject": "Hi", "text": "Dear\n\nyou\n"}
    assert parts_of("a note", "text") == {"text": "a note"}


@pytest.fixture(scope="module")
def waiting_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Messages that wait, one with its own text, one that expires soon; one approved and one rejected."""
    made = World(tmp_path_factory.mktemp("approvals"))
    made.clock.at = NOON - 2 * DAY
    asking(made, 12, approval_time=9 * DAY)
    made.clock.at = NOON - HOUR
    asking(made, 2, name="urgent", approval_time=6 * HOUR)
    ids = [row["id"] for row in _rows(made, "SELECT id FROM jobs ORDER BY id")]
    made.call("approval.edit", job=ids[1], subject="Only for you", text="Dear Ben,\n\nas we said on Monday.\n\nAna\n")
    made.call("approval.approve", ids=ids[2:3])
    made.call("approval.reject", ids=ids[3:4], reason="already a customer")
    made.clock.at = NOON
    yield made
    made.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("5",), ("5", "j", "enter")], ids=["list", "message"])
def test_pictures(
    waiting_world: World, link: RecordingLink, snap_compare: Compare, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    async def rested(pilot: Pilot[int]) -> None:
        await walk(*keys)(pilot)
        await until(pilot, lambda: "made ..." not in _shown(pilot))

    assert snap_compare(console(waiting_world, link), terminal_size=size, run_before=rested)


def _rows(world: World, sql: str) -> list[dict[str, Any]]:
    with Reader(world.database) as reader:
        return reader.rows(sql)


def _shown(pilot: Pilot[int]) -> str:
    return "\n".join(lines.text for lines in pilot.app.screen.query(Lines))
