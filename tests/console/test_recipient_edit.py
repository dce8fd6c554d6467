"""One person corrected by keys, with a real engine: the other side's ledger says who got the message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.console.operating import Operator, operating
from tests.console.world import FIELD, SENT, UNKNOWN, World
from tui.screens.job import JobScreen
from tui.screens.jobs import AllJobsScreen
from tui.screens.recipient import RecipientScreen
from tui.screens.recipient_edit import RecipientEditScreen
from tui.screens.recipients import RecipientsScreen

WRONG, RIGHT = "wrong@example.org", "right@example.org"


def letters(*outcomes: dict[str, Any], start: bool = True, **fields: Any) -> Callable[[World], None]:
    """A campaign for `WRONG`, whose messages ended in this way."""

    def fill(world: World) -> None:
        world.call(
            "campaign.new", name="letters", account="smtp-eu-1", subject="Hello {{ first_name }}", text="Hi", seed=7
        )
        world.people("letters", [WRONG, "other@example.org"], **fields)
        world.call("campaign.live", name="letters")
        if start:
            world.call("campaign.start", name="letters")
            world.send("smtp-eu-1", list(outcomes))
            world.run(world.store.settle())

    return fill


async def on_job(operator: Operator, state: str) -> None:
    await operator.open(AllJobsScreen, "3")
    await operator.row(state=state)


async def corrected(operator: Operator, key: Any, text: str) -> None:
    await operator.open(RecipientEditScreen, "e")
    await operator.choose(key)
    await operator.says(text)


def person(operator: Operator) -> dict[str, Any]:
    row = operator.rows("SELECT address, fields FROM recipients ORDER BY id")[0]
    return {"address": row["address"], **json.loads(row["fields"])}


async def test_a_refused_address_is_corrected_and_retried_and_gets_the_message_once(fresh: World) -> None:
    async with operating(fresh, letters(UNKNOWN, SENT)) as operator:
        before = operator.rows("SELECT id, message_id FROM jobs ORDER BY id")[0]
        await on_job(operator, "failed")
        await operator.open(JobScreen, "enter")
        await corrected(operator, "address", RIGHT)
        assert f"Retry now to {RIGHT} on dev?" in await operator.answer("y")
        await operator.until(lambda: operator.campaign("letters")["counts"]["completed"] == 2)
        assert [(found.recipient, found.message_id) for found in operator.relay.deliveries] == [
            (RIGHT, before["message_id"])
        ]
        assert [found.recipient for found in operator.relay.offers] == [RIGHT]
        events = operator.rows("SELECT kind, actor, via FROM events WHERE kind IN ('recipients.edited', "
                               "'campaign.retried') ORDER BY id")  # fmt: skip
        assert [tuple(event.values()) for event in events] == [
            ("recipients.edited", "ana", "console"), ("campaign.retried", "ana", "console"),
        ]  # fmt: skip
        # Now it was sent: it says why nothing of the person changes any more.
        await operator.open(JobScreen, "escape")
        await operator.sees("+ sent")
        await operator.press("e")
        await operator.told("what was sent keeps its address")


async def test_no_is_no_retry_and_z_takes_the_correction_back(fresh: World) -> None:
    async with operating(fresh, letters(UNKNOWN, SENT)) as operator:
        await on_job(operator, "failed")
        await corrected(operator, "address", RIGHT)
        await operator.answer("enter")
        await operator.told(f"changed the address of {WRONG} to {RIGHT}")
        assert person(operator)["address"] == RIGHT
        await operator.press("z")
        assert f"edit of {WRONG}" in await operator.answer("y")
        await operator.until(lambda: person(operator)["address"] == WRONG)
        assert operator.relay.offers == []


async def test_a_missing_field_of_a_held_message_is_filled_in(fresh: World) -> None:
    async with operating(fresh, letters(FIELD, SENT, company="")) as operator:
        await on_job(operator, "held")
        await corrected(operator, ("field", "company"), "Alder")
        assert "changed company" in await operator.answer("y")
        await operator.until(lambda: [found.recipient for found in operator.relay.deliveries] == [WRONG])
        assert person(operator)["company"] == "Alder"


async def test_a_person_of_a_draft_is_corrected_from_the_list_and_nothing_is_asked(fresh: World) -> None:
    async with operating(fresh, letters(start=False)) as operator:
        await operator.on_campaign()
        await operator.open(RecipientsScreen, "r")
        await operator.open(RecipientScreen, "enter")
        for text, words in (
            ("nobody", "-sign"), ("OTHER@example.org", "already a recipient"), (RIGHT, f"to {RIGHT} in"),
        ):  # fmt: skip
            await corrected(operator, "address", text)
            await operator.told(words if text != RIGHT else f"to {RIGHT}")
            await operator.open(RecipientScreen, "escape")
        await operator.sees(RIGHT)
        assert person(operator)["address"] == RIGHT


async def test_a_line_names_the_person_and_says_who_is_not_there(fresh: World) -> None:
    async with operating(fresh, letters(start=False)) as operator:
        await operator.press("colon")
        await operator.says("recipients edit zoe@example.org -c letters")
        await operator.told("zoe@example.org is not in this campaign")
        await operator.press("colon")
        await operator.says(f"recipients edit {WRONG.upper()} -c letters")
        await operator.open(RecipientEditScreen)
        await operator.sees(WRONG)


async def test_what_a_line_cannot_show_is_not_edited_blindly(fresh: World) -> None:
    async with operating(fresh, letters(start=False, note="one\ntwo\x1b[31m")) as operator:
        await operator.on_campaign()
        await operator.open(RecipientsScreen, "r")
        await operator.open(RecipientEditScreen, "e")
        await operator.choose(("field", "note"))
        await operator.told("note holds what a line cannot show")
        assert not operator.view.prompt.is_open


async def test_a_read_only_console_changes_nobody(fresh: World) -> None:
    async with operating(fresh, letters(UNKNOWN, SENT), read_only=True) as operator:
        await on_job(operator, "failed")
        await operator.press("e")
        await operator.told("read-only")
        assert isinstance(operator.app.screen, AllJobsScreen)
