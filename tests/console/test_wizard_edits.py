"""Editing, looking at and deciding on a campaign that exists, by keys, with a real engine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key, Paste

from storage.errors import UsageError
from tests.console.operating import operating
from tests.console.world import DOUBT, SENT, World
from tui.screens.campaign import CampaignScreen
from tui.screens.external_editor import editor_command, write_in
from tui.screens.jobs import AllJobsScreen
from tui.screens.letter_parts import unshown_line
from tui.screens.preview import PreviewScreen
from tui.screens.recipient import RecipientScreen
from tui.screens.recipients import RecipientsScreen
from tui.screens.wizard_check import CheckScreen
from tui.screens.wizard_letter import LetterScreen
from tui.screens.wizard_name import NameScreen
from tui.screens.wizard_pacing import PacingScreen
from tui.screens.wizard_people import PeopleScreen

SLOW = {"mode": "steady", "rate": "1/h"}


def letters(people: int, **options: Any) -> Callable[[World], None]:
    """A campaign for so many people, as `World.campaign` makes it."""
    return lambda world: world.campaign("letters", people, **options)


# pacing


async def test_the_pacing_of_a_running_campaign_is_changed_and_z_takes_it_back(fresh: World) -> None:
    async with operating(fresh, letters(4, pacing=SLOW)) as operator:
        await operator.on_campaign()
        await operator.open(PacingScreen, "e")
        await operator.choose(("way", 5))
        await operator.says("30/h")
        await operator.told("steady: 30/h")
        assert operator.campaign("letters")["pacing"]["rate"] == "30/h"
        dues = [row["due_at"] for row in operator.rows("SELECT due_at FROM jobs WHERE state = 'pending' ORDER BY 1")]
        assert max(b - a for a, b in itertools.pairwise(dues)) < 3 * 60_000_000
        await operator.press("z")
        assert "pacing of letters" in await operator.answer("y")
        await operator.until(lambda: operator.campaign("letters")["pacing"]["rate"] == "1/h")


async def test_rests_and_the_spread_of_a_cap_are_typed_and_what_has_no_figure_stays(fresh: World) -> None:
    shaped = {"mode": "human", "distribution": "lognormal"}
    async with operating(fresh, letters(1, start=False, pacing=shaped)) as operator:
        await operator.on_campaign()
        await operator.open(PacingScreen, "e")
        for way, text, words in (
            (6, "20m 60m 5 30m", "human: one every 20-60 min, log-normal, 30m more after every 5"),
            (6, "20m 60m", "human: one every 20-60 min, log-normal"),
            (5, "spread", "steady: the day's cap over the open time"),
            (5, "30/h", "steady: 30/h"),
        ):
            await operator.choose(("way", way))
            await operator.says(text)
            await operator.told(words)
        assert operator.campaign("letters")["pacing"]["spread"] is False


async def test_figures_that_are_none_change_nothing(fresh: World) -> None:
    async with operating(fresh, letters(1, start=False)) as operator:
        await operator.on_campaign()
        await operator.open(PacingScreen, "e")
        for way, text, words in (
            (6, "15m", "is not two values"),
            (6, "2h 1h", "gap_max"),
            (6, "1h 2h x 1h", "is no number"),
            (5, "fast", "pacing.rate"),
        ):
            await operator.choose(("way", way))
            await operator.says(text)
            await operator.told(words)
        assert operator.campaign("letters")["pacing"]["rate"] == "60/min"


# people


async def test_people_for_a_running_campaign_are_asked_about_and_then_sent_to(fresh: World) -> None:
    fresh.database.with_name("more.csv").write_text("email,first_name\nzoe@example.org,Zoe\n")
    async with operating(fresh, letters(1, account="smtp-eu-2")) as operator:
        await operator.on_campaign()
        await operator.open(PeopleScreen, "I")
        await operator.press("enter")
        await operator.says(str(fresh.database.with_name("more.csv")))
        await operator.sees("1 to import")
        for answer, words in (("n", "nothing was changed"), ("y", "1 imported and scheduled")):
            await operator.choose("import")
            assert "planned at once" in await operator.asked()
            await operator.press(answer)
            await operator.told(words)
        await operator.until(lambda: "zoe@example.org" in [found.recipient for found in operator.relay.deliveries])


# the message


async def test_a_running_campaign_says_why_its_message_stands(fresh: World) -> None:
    async with operating(fresh, letters(2, pacing=SLOW)) as operator:
        await operator.on_campaign()
        await operator.open(PreviewScreen, "m")
        await operator.press("e")
        await operator.told("letters is running: p pauses it")
        await operator.press("p")
        await operator.until(lambda: operator.campaign("letters")["state"] == "paused")
        await operator.sees("Hi ")
        await operator.open(LetterScreen, "e")
        await operator.sees("SUBJECT")
        await operator.choose("subject")
        await operator.says("News")
        await operator.told("changed the message")
        await operator.open(PreviewScreen, "escape")
        await operator.sees("Subject: News")
        await operator.press("z")
        await operator.answer("y")
        await operator.sees("Subject: Hello ")


async def test_what_cannot_be_seen_is_not_edited_blindly(fresh: World) -> None:
    def fill(world: World) -> None:
        world.campaign("letters", 1, start=False)
        world.call("campaign.edit", name="letters", text="fine\nhid\u200bden\n")

    async with operating(fresh, fill) as operator:
        await operator.on_campaign()
        await operator.write("text", "m", "e")
        await operator.told("line 4 holds a character that a screen cannot show")
        await operator.press("x", "escape")
        await operator.told("nothing was changed")
        assert operator.campaign("letters")["steps"][0]["text"] == "fine\nhid\u200bden\n"


@pytest.mark.parametrize(("text", "line"), [("a\n\tb", 0), ("a\n\x1b[2Jb", 2), ("\u202eabc", 1), ("ok", 0)])
def test_the_line_that_cannot_be_shown_is_named(text: str, line: int) -> None:
    assert unshown_line(text) == line


async def test_what_is_pasted_holds_no_control_character(fresh: World) -> None:
    async with operating(fresh, letters(1, start=False)) as operator:
        await operator.on_campaign()
        area = await operator.write("html", "m", "e")
        operator.app.post_message(Paste("<p>\x1b]52;c;aGk=\x07x\r\ny</p>"))
        await operator.until(lambda: "</p>" in area.text)
        assert area.text == "<p>?]52;c;aGk=?x\ny</p>"


async def test_keys_that_come_in_one_burst_keep_their_order(fresh: World) -> None:
    async with operating(fresh, letters(1, start=False)) as operator:
        await operator.on_campaign()
        area = await operator.write("html", "m", "e")
        for key, character in (("a", "a"), ("left", None), ("b", "b"), ("end", None), ("c", "c")):
            operator.app.post_message(Key(key, character))
        await operator.until(lambda: len(area.text) == 3)
        assert area.text == "bac"


# the operator's own editor


class Terminal:
    """Stands for the app: `write_in` only suspends it."""

    def __init__(self) -> None:
        self.suspended = 0

    @contextmanager
    def suspend(self) -> Iterator[None]:
        self.suspended += 1
        yield


def script(folder: Path, body: str) -> str:
    path = folder / "editor.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return str(path)


def test_the_own_editor_changes_the_text_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv("VISUAL", script(tmp_path, f'echo "$1" > {told}; stat -c %a "$1" >> {told}; echo more >> "$1"'))
    terminal: Any = Terminal()
    assert write_in(terminal, "line\n", ".txt") == "line\nmore\n"
    path, rights = told.read_text().split()
    assert (terminal.suspended, rights, path.endswith(".txt")) == (1, "600", True)
    assert not os.path.exists(path)  # noqa: PTH110


@pytest.mark.parametrize(
    ("body", "words"),
    [("exit 3", "ended with 3"), (r'printf "\377" > "$1"', "no UTF-8"), ('rm "$1"', "cannot be read")],
)
def test_an_editor_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    monkeypatch.setenv("VISUAL", script(tmp_path, body))
    terminal: Any = Terminal()
    with pytest.raises(UsageError, match=words):
        write_in(terminal, "line\n", ".txt")


def test_no_editor_is_a_sentence_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(UsageError) as raised:
        editor_command()
    assert "EDITOR=nano" in raised.value.hint
    monkeypatch.setenv("EDITOR", "no-such-editor -w")
    terminal: Any = Terminal()
    with pytest.raises(UsageError, match="no-such-editor cannot be run"):
        write_in(terminal, "", ".txt")


# preview and test


async def test_each_person_is_looked_at_in_turn(fresh: World) -> None:
    def fill(world: World) -> None:
        world.campaign("letters", 0, start=False)
        world.people("letters", ["ada@example.org", "ben@example.org", "zoe@example.org"])
        world.call("campaign.edit", name="letters", html="<p>Dear <b>{{ first_name }}</b></p><ul><li>one</ul>")

    async with operating(fresh, fill) as operator:
        await operator.on_campaign()
        await operator.open(PreviewScreen, "m")
        await operator.sees("To: ada@example.org")
        await operator.press("right_square_bracket")
        await operator.sees("Hello Ben")
        await operator.press("tab")
        await operator.sees("Message-ID: <")
        await operator.press("tab")
        await operator.sees("- one")
        assert "Dear Ben" in operator.screen
        await operator.press("slash")
        await operator.says("ZOE@example.org")
        await operator.sees("3 of 3")
        assert "Dear Zoe" in operator.screen
        await operator.press("right_square_bracket")
        await operator.told("this is the last one")
        await operator.press("slash")
        await operator.says("kim@example.org")
        await operator.told("is not in this campaign")


async def test_a_message_that_cannot_be_made_says_what_is_missing(fresh: World) -> None:
    def fill(world: World) -> None:
        world.campaign("letters", 1, start=False)
        world.call("campaign.edit", name="letters", text="{{ company }}")

    async with operating(fresh, fill) as operator:
        await operator.on_campaign()
        await operator.press("m")
        await operator.sees("This message cannot be made: field is missing or empty: company")


async def test_a_test_reaches_the_operator_and_no_counter(fresh: World) -> None:
    async with operating(fresh, letters(2, start=False)) as operator:
        await operator.on_campaign()
        await operator.open(PreviewScreen, "m")
        await operator.sees("1 of 2")
        await operator.press("T")
        assert operator.view.prompt.value == "ana@example.com"
        await operator.says("me@example.net")
        await operator.told("ok: accepted for me@example.net")
        assert [found.recipient for found in operator.relay.deliveries] == ["me@example.net"]
        assert operator.rows("SELECT count(*) AS n FROM jobs") == [{"n": 0}]


# recipients


async def test_people_are_narrowed_and_opened_with_the_servers_words(fresh: World) -> None:
    def fill(world: World) -> None:
        world.campaign("letters", 5, account="smtp-eu-2", pacing={"mode": "blast", "preset": "risky"})
        world.send("smtp-eu-2", [SENT, DOUBT, SENT, SENT, SENT])

    async with operating(fresh, fill) as operator:
        await operator.on_campaign()
        await operator.open(RecipientsScreen, "r")
        await operator.sees("5 people")
        await operator.press("slash")
        await operator.says("state:uncertain")
        await operator.sees("1 of 5 people")
        await operator.press("slash")
        await operator.says("state:nonsense")
        await operator.until(lambda: "does not parse" in operator.screen)
        assert len(operator.view.data["rows"]) == 1
        await operator.press("U")
        await operator.told("is off: the filter does not parse")
        await operator.press("escape")
        await operator.sees("5 people")
        await operator.row(state="uncertain")
        await operator.open(RecipientScreen, "enter")
        await operator.sees("first_name")
        await operator.sees("connection lost after the content")
        await operator.press("U")
        assert "was it sent?" in await operator.answer("s")
        await operator.until(lambda: operator.campaign("letters")["counts"]["completed"] == 5)


async def test_a_long_list_is_paged_by_key_to_its_end(fresh: World) -> None:
    async with operating(fresh, letters(1_000, start=False)) as operator:
        await operator.on_campaign()
        screen = await operator.open(RecipientsScreen, "r")
        last = operator.rows("SELECT max(id) AS n FROM recipients")[0]["n"]
        await operator.press("G")
        await operator.until(lambda: screen.grid().current and screen.grid().current["id"] == last)
        assert len(screen.data["rows"]) < 1_000
        await operator.press("slash")
        await operator.says("to:*.999@example.org")
        await operator.sees("1 of 1,000 people")


# what is uncertain


def doubtful(world: World) -> None:
    world.campaign("letters", 6, account="smtp-eu-2", pacing={"mode": "blast", "preset": "risky"})
    world.send("smtp-eu-2", [DOUBT, DOUBT, DOUBT, DOUBT, SENT, SENT])


async def test_uncertain_ones_of_a_campaign_are_decided_one_after_the_other(fresh: World) -> None:
    async with operating(fresh, doubtful) as operator:
        await operator.on_campaign()
        await operator.open(CampaignScreen, "enter")
        await operator.press("U")
        assert "(1 of 4)" in await operator.answer("s")
        await operator.until(lambda: operator.campaign("letters")["counts"]["uncertain"] == 3)
        assert "(2 of 4)" in await operator.answer("l")
        await operator.until(lambda: "(3 of 4)" in operator.app.screen.query_one("#dialog").text)
        await operator.press("enter")
        await operator.told("1 decided, 3 still uncertain")
        assert operator.relay.deliveries == []


async def test_one_is_sent_again_only_by_its_own_word(fresh: World) -> None:
    async with operating(fresh, doubtful) as operator:
        await operator.on_campaign()
        await operator.press("U")
        assert "may be a duplicate" in await operator.answer("a")
        await operator.until(lambda: len(operator.relay.deliveries) == 1)
        assert operator.campaign("letters")["counts"]["uncertain"] == 3


async def test_many_are_only_ever_counted_as_sent(fresh: World) -> None:
    async with operating(fresh, doubtful) as operator:
        await operator.on_campaign()
        await operator.press("U")
        assert "w all 4 were sent" in await operator.answer("w")
        await operator.until(lambda: "Were all 4" in operator.app.screen.query_one("#dialog").text)
        await operator.press("y")
        await operator.told("4 counted as sent")
        assert operator.campaign("letters")["counts"]["completed"] == 6
        assert operator.relay.deliveries == []


async def test_of_the_marked_jobs_the_uncertain_ones_are_counted_as_sent(fresh: World) -> None:
    async with operating(fresh, doubtful) as operator:
        screen = await operator.open(AllJobsScreen, "3")
        await operator.sees("? uncertain")
        await operator.press("asterisk", "U")
        assert "Were all 4 uncertain messages sent" in await operator.answer("y")
        await operator.told("4 counted as sent")
        assert not screen.marks.any
        await operator.press("asterisk", "U")
        await operator.told("none of the marked jobs is uncertain")


# by words


async def test_the_command_lines_words_open_the_same_screens(fresh: World) -> None:
    screens = {
        "campaign preview letters": PreviewScreen,
        "campaign recipients letters": RecipientsScreen,
        "campaign edit letters": LetterScreen,
        "campaign pace letters": PacingScreen,
        "campaign preflight letters": CheckScreen,
        "recipients import more.csv --campaign letters": PeopleScreen,
        "campaign new spring": NameScreen,
    }
    async with operating(fresh, letters(2, start=False)) as operator:
        for line, kind in screens.items():
            await operator.press("colon")
            await operator.says(line)
            await operator.open(kind)
            await operator.press("1")
        await operator.press("colon")
        await operator.says("campaign test-send letters --to me@example.net")
        await operator.told("ok: accepted for me@example.net")
        await operator.press("colon")
        await operator.says("campaign preview nobody")
        await operator.told("there is no campaign 'nobody'")


async def test_the_check_is_read_to_its_end_and_logs_in_when_asked(fresh: World) -> None:
    def filled(world: World) -> None:
        world.campaign("mails", 2, account="smtp-eu-2", start=False)

    async with operating(fresh, filled) as operator:
        await operator.press("colon")
        await operator.says("campaign preflight mails")
        screen = await operator.open(CheckScreen)
        await operator.sees("nobody asked 127.0.0.1 whether it takes the login")
        await operator.choose(("finding", 0))
        await operator.told("try it with test-send, then: paceline campaign live mails")
        await operator.press("G")
        last = len(screen._checked.found["findings"]) - 1
        await operator.until(lambda: screen.query_one("#form").current[0] == ("finding", last))
        await operator.choose("login")
        await operator.sees("127.0.0.1: connected and ready")
        await operator.press("1", "colon")
        await operator.says("campaign preflight mails --connect")
        await operator.sees("the server was asked")
        assert operator.relay.deliveries == []


async def test_a_read_only_console_looks_and_changes_nothing(fresh: World) -> None:
    async with operating(fresh, letters(2, start=False), read_only=True) as operator:
        await operator.on_campaign()
        for key in ("e", "I", "C", "T"):
            await operator.press(key)
            await operator.told("read-only")
        await operator.press("m")
        await operator.sees("1 of 2")
        await operator.press("escape", "r")
        await operator.sees("2 people")
        screen = await operator.open(CheckScreen, "escape", "b")
        await operator.until(lambda: screen._checked is not None and screen._checked.found is not None)
        assert operator.campaign("letters")["version"] == 1


async def test_an_import_goes_on_while_another_view_is_open(fresh: World) -> None:
    people = "".join(f"p{number}@example.org\n" for number in range(3_000))
    fresh.database.with_name("many.csv").write_text(f"email\n{people}")
    async with operating(fresh, letters(0, start=False)) as operator:
        await operator.on_campaign()
        await operator.open(PeopleScreen, "I")
        await operator.press("enter")
        await operator.says(str(fresh.database.with_name("many.csv")))
        await operator.sees("3,000 to import")
        await operator.on("import")
        await operator.press("enter", "1")
        await operator.until(lambda: operator.campaign("letters")["recipients"] == 3_000)
