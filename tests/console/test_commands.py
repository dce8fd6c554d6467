"""The `:` language: the command line's words, by the same door as the keys, with the same questions and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot

from storage.errors import UsageError
from storage.model import HOUR, SECOND
from tests.console.looking import answered, asked, console, looking, message, shown, until
from tests.console.world import NOON, RecordingLink, World
from tui.actions import ACTIONS, NAMED
from tui.command_words import BY_WORDS
from tui.commands import Do, DoMany, Go, Help, Leave, Show, parse
from tui.completing import offers
from tui.console import PacelineApp
from tui.link import LOST, LinkState
from tui.lookup import action
from tui.screens.campaign import CampaignScreen
from tui.screens.job import JobScreen
from tui.screens.queues import QueueScreen

NAMES = {"campaign": ["newsletter-38", "spring-sale"], "queue": ["smtp-eu-1"]}


def test_the_words_are_those_of_the_command_line() -> None:
    assert parse("campaign pause newsletter-38", NOON) == Do(action("campaign.pause"), "newsletter-38")
    assert parse("queue probe smtp-eu-2", NOON) == Do(action("queue.probe"), "smtp-eu-2")
    assert parse("engine drain", NOON) == Do(action("engine.drain"), "")
    assert parse("campaign resolve letters 12 --sent", NOON) == Do(action("job.resolve"), "12")
    assert parse("campaign retry x --spread 2h", NOON) == Do(action("campaign.retry"), "x", {"spread": 2 * HOUR})
    assert parse("campaign start 'a b' --at +1h", NOON) == Do(action("campaign.start"), "a b", {"at": NOON + HOUR})
    assert parse("job resolve 12 --done", NOON) == Do(action("work.resolve"), "12")
    assert parse("job cancel 7", NOON) == Do(action("job.cancel"), "7")
    assert parse("job retry 1 2", NOON) == DoMany(action("jobs.retry"), (1, 2))
    assert parse("job retry --filter 'state:failed since:1h' --spread 2h", NOON) == DoMany(
        action("jobs.retry"), (), "state:failed since:1h", {"spread": 2 * HOUR}
    )
    assert parse("campaign new", NOON) == Do(action("campaign.new"), "")
    assert parse("campaign new spring", NOON) == Do(action("campaign.new"), "", {"wanted": "spring"})
    assert parse("campaign edit x", NOON) == Do(action("campaign.edit"), "x")
    assert parse("campaign test-send x --to a@b.de", NOON) == Do(action("campaign.test"), "x", {"to": "a@b.de"})
    assert parse("recipients import p.csv -c x", NOON) == Do(action("recipients.import"), "x", {"path": "p.csv"})
    assert parse("campaign resolve x", NOON) == Do(action("campaign.resolve"), "x")
    assert parse("campaign show x", NOON) == Show("campaign", "x")
    assert parse("campaign list", NOON) == Go("campaigns")
    assert parse("jobs state:failed campaign:spring*", NOON) == Go("jobs", "state:failed campaign:spring*")
    assert parse("fail since:24h", NOON) == Go("failures", "since:24h")
    assert parse("q", NOON) == Leave()
    assert parse("help", NOON) == Help()
    assert parse("   ", NOON) is None


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("approval list -c prospects", Go("approvals", "campaign:prospects")),
        ("job list --state failed,uncertain --campaign 'a b'", Go("jobs", 'state:failed,uncertain campaign:"a b"')),
        ("job list --failed --kind sync --kind send --since 7d", Go("jobs", "state:failed kind:sync,send since:7d")),
        ("job list --batch 7 --filter try:>3", Go("jobs", "try:>3 batch:7")),
        ("job list --error '550 5.1.1 user unknown'", Go("jobs", 'error:"550 5.1.1 user unknown"')),
    ],
)
def test_the_options_of_a_list_narrow_its_view(line: str, command: Go) -> None:
    assert parse(line, NOON) == command


@pytest.mark.parametrize(
    "line", ["job list --limit 5", "approval list --decided", "alarm list --all", "queue list --json"]
)
def test_an_option_that_a_view_has_no_words_for_is_refused_and_not_left_out(line: str) -> None:
    with pytest.raises(UsageError, match=f"{line.split()[2]} is for the command line"):
        parse(line, NOON)


def test_every_action_for_a_thing_with_a_name_can_be_asked_for() -> None:
    named = {one for one in ACTIONS if one.twin and one.scope in NAMED}
    assert {one.words for one in BY_WORDS.values()} == {one.words for one in named}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("campain pause x", "there is no command ':campain'"),
        ("campaign paus x", "there is no command ':campaign paus'"),
        ("campaign pause", "Missing argument 'NAME'"),
        ("campaign pause x y", "unexpected extra argument"),
        ("campaign start x --at yesterday", "is not a time"),
        ("campaign retry x --class all", "--class is for the command line"),
        ("campaign pause x --json", "--json is for the command line"),
        ("campaign cancel x --yes", "--yes is for the command line"),
        ("campaign cancel --help", "--help is for the command line"),
        ("campaign export x", "is for the command line"),
        ("db backup", "is for the command line"),
        ("engine", "needs a verb"),
        ("campaign pause 'x", "a quote is not closed"),
        ("job retry 1 --filter state:failed", "name jobs by id, or some by --filter"),
        ("job cancel --filter ''", "name jobs by id, or some by --filter"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(line: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(line, NOON)
    assert says in raised.value.message
    assert "\n" not in raised.value.message


def test_completion_goes_from_noun_to_verb_to_name_to_option() -> None:
    assert offers("ca", NAMES) == ["campaign ", "camp", "campaigns"]
    assert offers("campaign pau", NAMES) == ["campaign pause "]
    assert offers("engine dr", NAMES) == ["engine drain"]
    assert offers("campaign pause ", NAMES) == ["campaign pause newsletter-38", "campaign pause spring-sale"]
    assert offers("queue show s", NAMES) == ["queue show smtp-eu-1"]
    assert offers("campaign start x --", NAMES) == ["campaign start x --at"]
    assert offers("nonsense here ", NAMES) == []


async def typed(pilot: Pilot[int], line: str) -> PacelineApp:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await shown(pilot)
    await pilot.press("colon")
    assert app.view is not None
    assert app.view.prompt.is_open
    app.view.prompt._insert(line)
    await pilot.press("enter")
    return app


async def test_a_pause_by_words_is_the_pause_by_key_and_z_takes_it_back(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "campaign pause newsletter-38")
        await until(pilot, lambda: "ok:" in message(app))
        assert link.calls == [("campaign.pause", {"name": "newsletter-38"})]
        await pilot.press("z")
        assert "Undo 'pause newsletter-38'" in await asked(pilot)


async def test_what_asks_by_key_asks_by_words(busy_world: World, link: RecordingLink) -> None:
    link.answers["campaign.start"] = {"queued": 12, "message": "12 would be scheduled", "estimated_completion": NOON}
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "campaign cancel spring-sale")
        assert "Type spring-sale" in await asked(pilot)
        await pilot.press("escape")
        await answered(pilot)
        assert link.calls == []
        await typed(pilot, "engine drain")
        assert "End the engine" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: link.calls == [("engine.drain", {})])
        await typed(pilot, "campaign start reminder-q3 --at +1h")
        assert "12 would be scheduled" in await asked(pilot)
        assert link.calls[-1][1]["at"] == NOON + HOUR


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("campaign resume newsletter-38", "newsletter-38 is running already: nothing to resume"),
        ("campaign pause nobody", "there is no campaign 'nobody'"),
        ("queue pause nobody", "there is no queue 'nobody'"),
        ("job retry abc", "is not a valid int"),
        ("engine run", "start an engine here is off: an engine runs"),
        ("campaign live newsletter-38", "newsletter-38 is live already"),
        ("queues state:failed", "takes no filter"),
    ],
)
async def test_a_refusal_is_the_message_of_row_23(busy_world: World, link: RecordingLink, line: str, says: str) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await typed(pilot, line)
        await until(pilot, lambda: says in message(app))
        assert link.calls == []


async def test_read_only_refuses_words_with_the_sentence_of_the_keys(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "campaign pause newsletter-38")
        await until(pilot, lambda: message(app) != "")
        by_words = message(app)
        app.say("")
        await pilot.press("2")
        await shown(pilot)
        await pilot.press("p")
        await until(pilot, lambda: message(app) != "")
        assert message(app) == by_words
        assert "--read-only" in by_words
        assert link.calls == []


async def test_words_go_to_views_and_open_things(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        for line, mode in (("log", "log"), ("queue", "queues"), ("camp", "campaigns"), ("over", "overview")):
            await typed(pilot, line)
            await until(pilot, lambda mode=mode: app.current_mode == mode)
        for line, screen in (
            ("campaign show spring-sale", CampaignScreen), ("queue show smtp-eu-1", QueueScreen),
            ("job show 3", JobScreen),
        ):  # fmt: skip
            await typed(pilot, line)
            await until(pilot, lambda screen=screen: isinstance(app.screen, screen))
        await typed(pilot, "q")
        await pilot.pause()
    assert app.return_value == 0


async def test_names_are_offered_once_they_are_read_and_the_history_is_kept(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with looking(busy_world, link, state=tmp_path) as (app, pilot):
        await pilot.press("colon")
        await until(pilot, lambda: bool(app.names))
        assert app.view is not None
        await pilot.press(*"queue show smtp-eu-2"[:16], "tab", "tab")
        assert app.view.prompt.value.startswith("queue show smtp-eu-")
        await pilot.press("enter")
    again = console(busy_world, link, state=tmp_path)
    assert again.history.lines[-1].startswith("queue show smtp-eu-")


async def test_a_lost_engine_is_started_again_by_a_key_and_only_by_it(busy_world: World) -> None:
    lost = LinkState(LOST, 1, "mail-1", NOON - 5 * SECOND, 2, NOON + 8 * SECOND, "the engine of this console ended")
    link = RecordingLink(lost)
    async with looking(busy_world, link) as (app, pilot):
        assert link.calls == []
        await pilot.press("E")
        await until(pilot, lambda: "an engine runs in this console" in message(app))
        assert link.calls == [("start_here", {}), ("look_now", {})]
        await typed(pilot, "engine pause")
        await until(pilot, lambda: "the engine of this console ended" in message(app))


async def test_a_filter_completes_names_and_is_remembered_between_runs(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with looking(busy_world, link, state=tmp_path) as (app, pilot):
        await pilot.press("3")
        await shown(pilot)
        await pilot.press("slash")
        assert app.view is not None
        prompt = app.view.prompt
        await until(pilot, lambda: bool(app.names))
        await pilot.press(*"camp", "tab", *"sp", "tab")
        assert prompt.value == "campaign:spring-sale"
        await pilot.press("space", *"queue:smtp-eu-2")
        await pilot.press("enter")
        await until(pilot, lambda: app.view is not None and "spring-sale queue:smtp-eu-2" in app.view.crumb())
    assert (tmp_path / "filters").read_text() == "campaign:spring-sale queue:smtp-eu-2\n"
    again = console(busy_world, link, state=tmp_path)
    async with again.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("3")
        await shown(pilot)
        await pilot.press("slash", "up")
        assert again.view is not None
        assert again.view.prompt.value == "campaign:spring-sale queue:smtp-eu-2"


@pytest.mark.parametrize(("line", "prompt"), [(":job retry --filter x", ":"), ("/state:failed", "/")])
async def test_what_is_typed_behind_a_prompt_s_key_in_one_go_belongs_to_the_prompt(
    busy_world: World, link: RecordingLink, line: str, prompt: str
) -> None:
    async with looking(busy_world, link) as (app, pilot):
        await pilot.press("3")
        await until(pilot, lambda: app.view is not None and app.view.MODE == "jobs" and app.view.data is not None)
        for character in line:
            # As a terminal's one chunk: nothing waits for the key before.
            app.post_message(Key(_character_to_key(character), character))
        assert app.view is not None
        await until(pilot, lambda: app.view.prompt.value == line[1:])
        assert app.view.prompt.prefix == prompt
        assert app.screen is app.view
