"""Making a campaign in the console, by keys only, with a real engine: from a name to messages at the relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.operating import Operator, operating
from tests.console.world import World
from tui.screens.campaign import CampaignScreen
from tui.screens.campaigns import CampaignsScreen
from tui.screens.editor import EditorScreen
from tui.screens.wizard_check import CheckScreen
from tui.screens.wizard_letter import LetterScreen
from tui.screens.wizard_name import NameScreen
from tui.screens.wizard_pacing import PacingScreen
from tui.screens.wizard_people import PeopleScreen

PEOPLE = """\
E-mail,First Name,Company
ada@example.com,Ada,Alder
ben@example.org,Ben,
broken,No,One
ada@example.com,Ada again,X
"""


@pytest.fixture
def fresh(fresh: World, tmp_path: Path) -> World:
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "letter.txt").write_text("Subject: Hi {{ first_name }}\n\nDear {{ first_name }}\n")
    return fresh


async def begun(operator: Operator, name: str = "spring", account: str = "smtp-eu-2") -> None:
    """A draft with a name and an account, made by keys."""
    await operator.open(NameScreen, "A")
    await operator.says(name)
    await operator.choose(("account", account))
    await operator.open(PeopleScreen)


async def imported(operator: Operator) -> None:
    await operator.press("enter")
    await operator.says(str(operator.database.with_name("people.csv")))
    await operator.sees("4 rows = 2 to import + 1 rejected + 1 duplicate")
    await operator.until(lambda: operator.view.query_one("#form").current[0] == "import")
    await operator.press("enter")
    await operator.told("ok: 2 imported into spring")


async def from_file(operator: Operator) -> None:
    await operator.open(LetterScreen)
    await operator.sees("FROM FILE")
    await operator.choose("file")
    await operator.says(str(operator.database.with_name("letter.txt")))
    await operator.told("it uses first_name")


async def test_from_a_name_to_messages_at_the_relay(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator)
        assert operator.campaign("spring")["state"] == "draft"
        await imported(operator)
        await operator.press("tab")
        await from_file(operator)
        await operator.open(PacingScreen, "tab")
        await operator.choose(("way", 1))
        await operator.told("10 at once, 2s between rounds (recommended)")
        await operator.open(CheckScreen, "tab")
        await operator.sees("the campaign is not live, and 2 addresses")
        await operator.press("P")
        await operator.told("not live and 2 of its addresses are not on the allow-list")
        assert operator.relay.deliveries == []
        await operator.press("L")
        await operator.answer("y")
        await operator.sees("nothing is in the way")
        await operator.sees("first ")
        await operator.choose("start")
        assert "2 messages would be scheduled" in await operator.answer("y")
        await operator.open(CampaignScreen)
        await operator.until(lambda: len(operator.relay.deliveries) == 2)
    assert sorted(delivery.recipient for delivery in operator.relay.deliveries) == [
        "ada@example.com",
        "ben@example.org",
    ]
    rejects = operator.database.with_name("people.csv.rejects.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in rejects] == ["reject_row", "4", "5"]


async def test_enter_at_a_question_starts_nothing(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator, account="smtp-eu-1")
        await imported(operator)
        await operator.press("tab")
        await from_file(operator)
        await operator.open(CheckScreen, "tab", "tab")
        await operator.sees("nothing is in the way")
        for width in (60, 70, 80, 90, 100):
            assert len("".join(text for text, _ in operator.view.hints(width)).rstrip()) <= width
        await operator.press("P")
        await operator.answer("enter")
        await operator.told("nothing was changed")
        assert operator.campaign("spring")["state"] == "draft"


async def test_esc_goes_back_a_step_and_the_draft_is_continued_where_it_stood(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator)
        await imported(operator)
        await operator.open(LetterScreen, "tab")
        await operator.open(PeopleScreen, "escape")
        await operator.sees("2 of 4 rows")
        await operator.open(NameScreen, "escape")
        await operator.press("escape")
        await operator.told("spring stays a draft")
        await operator.open(CampaignsScreen, "2")
        await operator.open(LetterScreen, "C")
        assert operator.campaign("spring")["recipients"] == 2


async def test_nothing_is_made_before_name_and_account(fresh: World) -> None:
    async with operating(fresh) as operator:
        await operator.open(NameScreen, "A")
        await operator.says("spring")
        await operator.press("tab")
        await operator.told("give it a name and an account first")
        await operator.press("escape")
        assert operator.names() == []


async def test_a_name_that_cannot_be_is_said_and_asked_for_again(fresh: World) -> None:
    async with operating(fresh, lambda world: world.campaign("taken", 1, start=False)) as operator:
        for name, words in (("taken", "is taken"), ("no good", "cannot be used")):
            await operator.open(NameScreen, "A")
            await operator.says(name)
            await operator.choose(("account", "smtp-eu-1"))
            await operator.told(words)
            await operator.press("escape")
        assert operator.names() == ["taken"]


async def test_a_draft_takes_another_name_and_account(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator)
        await operator.open(NameScreen, "escape")
        await operator.choose("name")
        await operator.says("summer")
        await operator.told("ok: it is called summer")
        await operator.choose(("account", "smtp-eu-1"))
        await operator.open(PeopleScreen)
        await operator.until(lambda: operator.campaign("summer")["account"] == "smtp-eu-1")
        assert operator.names() == ["summer"]


async def test_a_column_is_mapped_by_hand_where_no_address_is_recognised(fresh: World) -> None:
    fresh.database.with_name("odd.csv").write_text("who;name\nada@example.com;Ada\n")
    async with operating(fresh) as operator:
        await begun(operator)
        await operator.press("enter")
        await operator.says(str(operator.database.with_name("odd.csv")))
        await operator.sees("No column of the file looks like e-mail addresses.")
        await operator.sees("semicolon")
        await operator.choose(("column", "who"))
        await operator.says("email")
        await operator.sees("1 row = 1 to import")
        await operator.choose("import")
        await operator.told("ok: 1 imported")
        person = operator.rows("SELECT address, fields FROM recipients")[0]
        assert person == {"address": "ada@example.com", "fields": '{"email": "ada@example.com", "name": "Ada"}'}


async def test_a_file_that_cannot_be_read_is_a_sentence(fresh: World) -> None:
    fresh.database.with_name("empty.csv").write_text("")
    async with operating(fresh) as operator:
        await begun(operator)
        for name, words in (("nowhere.csv", "there is no such file"), ("empty.csv", "the file is empty")):
            await operator.choose("file")
            await operator.says(str(operator.database.with_name(name)))
            await operator.sees(words)


async def test_an_import_of_a_draft_is_taken_back_by_z_and_by_x(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator)
        await imported(operator)
        await operator.press("z")
        assert "import of people.csv into spring" in await operator.answer("y")
        await operator.until(lambda: operator.campaign("spring")["recipients"] == 0)
        await operator.sees("Nobody is in it yet.")
        await imported(operator)
        number = operator.campaign("spring")["imports"][0]["id"]
        await operator.sees("X takes one back")
        await operator.on(("import", number))
        await operator.press("X")
        assert "2, who came by people.csv" in await operator.answer("y")
        await operator.until(lambda: operator.campaign("spring")["recipients"] == 0)


async def test_the_message_is_written_here_and_kept_only_when_it_can_be_sent(fresh: World) -> None:
    async with operating(fresh) as operator:
        await begun(operator)
        area = await operator.write("text", "tab")
        assert area.text == "Subject: \n\n"
        await operator.press(*"Hi ", *(["left_curly_bracket"] * 2), *"oops")
        await operator.told("text, line 3")
        await operator.press("escape")
        assert "text, line 3" in await operator.answer("y")
        await operator.press("n")
        assert isinstance(operator.app.screen, EditorScreen)
        assert operator.campaign("spring")["steps"][0]["text"] == ""
        area.text = "Subject: To {{ first_name }}\n\nHi {{ first_name }}\n"
        await operator.told("ok: it uses first_name")
        await operator.press("escape")
        await operator.answer("y")
        await operator.open(LetterScreen)
        await operator.until(lambda: operator.campaign("spring")["steps"][0]["text"] == "Hi {{ first_name }}\n")
        assert operator.campaign("spring")["steps"][0]["subject"] == "To {{ first_name }}"


async def test_changes_of_a_message_can_be_thrown_away(fresh: World) -> None:
    async with operating(fresh, lambda world: world.campaign("letters", 1, start=False)) as operator:
        await operator.write("text", "2", "m", "e")
        await operator.press("x", "escape")
        await operator.answer("d")
        await operator.told("the changes were thrown away")
        assert operator.campaign("letters")["steps"][0]["text"] == "Hi {{ first_name }}"


async def test_without_an_engine_of_its_own_a_read_only_console_makes_nothing(fresh: World) -> None:
    async with operating(fresh, read_only=True) as operator:
        await operator.press("A")
        await operator.told("read-only")
        assert operator.names() == []
