"""`keys.toml`: keys follow their ids everywhere, and a file with a mistake changes nothing."""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from textual.keys import _character_to_key

from tests.console.looking import console, looking, message, shown, until
from tests.console.world import RecordingLink, World
from tui import screens
from tui.actions import ACTIONS
from tui.command_words import BY_WORDS
from tui.commands import parse
from tui.console import PacelineApp
from tui.keymap import KEPT, NEEDED, UNBOUND, Keymap, changed_by, defaults, load_keymap
from tui.keynames import name_of, read_key, shown_key
from tui.looks import LOOKS
from tui.lookup import Situation, action
from tui.preferences import Preferences
from tui.screens.help import rows
from tui.screens.jobs import AllJobsScreen
from tui.screens.view import ViewScreen
from tui.widgets.grid import Grid


def mapped(text: str) -> Keymap:
    keymap, wrong = changed_by(tomllib.loads(text))
    assert wrong == ()
    return keymap


def mistakes(text: str) -> tuple[str, ...]:
    keymap, wrong = changed_by(tomllib.loads(text))
    assert keymap == Keymap(), "a file with a mistake must change nothing"
    return wrong


def test_an_id_may_stand_dotted_quoted_or_in_a_table() -> None:
    for text in ('campaign.pause = "K"', '"campaign.pause" = "K"', '[campaign]\npause = "K"'):
        assert mapped(text).key("campaign.pause") == "K"


def test_what_is_not_named_stays() -> None:
    keymap = mapped('campaign.pause = "K"\nview.last = ""')
    assert keymap.keys == defaults() | {"campaign.pause": ("K",), "view.last": ()}
    assert keymap.changed == {"campaign.pause", "view.last"}


def test_actions_for_different_things_may_share_a_key() -> None:
    assert mapped('campaign.pause = "K"\nqueue.pause = "K"').shown("queue.pause") == "K"


def test_two_may_trade_their_keys() -> None:
    keymap = mapped('campaign.cancel = "R"\ncampaign.retry = "X"\n')
    assert (keymap.key("campaign.cancel"), keymap.key("campaign.retry")) == ("R", "X")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('campaign.pause = "X"', "X is for campaign.pause and for campaign.cancel"),
        ('campaign.pause = "f"', "f is for campaign.pause and for app.freeze"),
        ('campaign.pause = "z"', "z is for campaign.pause and for undo"),
        ('app.help = "j"', "j is for move.down and for app.help"),
        ('campaign.paus = "x"', "did you mean campaign.pause?"),
        ('nonsense = "x"', "there is nothing of this id"),
        ('campaign.pause = "^x"', "no ctrl key changes data"),
        ('move.down = "~"', "ssh takes ~"),
        ('move.down = "ctrl+z"', "it would stop an engine in this process"),
        ('move.down = "shift+enter"', "is no key that every terminal sends"),
        ('move.down = "ü"', "is no key that every terminal sends"),
        ("move.down = 3", "a key stands in quotes"),
        ('move.down = ["j", 3]', "a key stands in quotes"),
        ('campaign.pause = ["x", "W"]', "what changes something has one key"),
        ('app.command = ""', "it needs a key"),
        ('app.refresh = "^q"', "flow control"),
    ],
)
def test_a_mistake_is_named_and_the_old_map_stays(text: str, says: str) -> None:
    assert any(says in sentence for sentence in mistakes(text)), mistakes(text)


def test_every_mistake_is_named_at_once() -> None:
    assert len(mistakes('move.down = "~"\ncampaign.paus = "x"\napp.help = "G"')) == 3


@pytest.mark.parametrize("key", sorted(KEPT))
def test_no_key_that_terminals_keep_can_be_taken(key: str) -> None:
    assert any("cannot be taken" in sentence for sentence in mistakes(f'move.down = "{shown_key(key)}"'))


def test_the_programs_own_keys_would_pass_as_a_file() -> None:
    own = {id: [shown_key(key) for key in keys] for id, keys in defaults().items()}
    keymap, wrong = changed_by(own)
    assert wrong == ()
    assert keymap.keys == defaults()


def test_every_action_and_look_has_an_id_of_its_own() -> None:
    assert len(defaults()) == len(ACTIONS) + len(LOOKS)


def test_characters_have_the_toolkits_names() -> None:
    for code in range(0x21, 0x7F):
        assert name_of(chr(code)) == _character_to_key(chr(code))
        assert read_key(shown_key(name_of(chr(code)))) == name_of(chr(code))
    assert (read_key("^d"), read_key("PgDn"), read_key(" "), read_key("F5")) == ("ctrl+d", "pagedown", "space", "f5")
    assert read_key("question_mark") == "question_mark"


def test_the_toolkit_gets_the_whole_map_or_none() -> None:
    assert Keymap().for_toolkit() == {}
    whole = mapped('view.last = ""').for_toolkit()
    assert whole["view.last"] == UNBOUND
    assert set(whole) == set(defaults())


@pytest.mark.parametrize("content", [b"\xff", b"a = ", b"#" * (1 << 17), b'x = "' + b"\x00" + b'"'])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.toml"
    path.write_bytes(content)
    keymap, wrong = load_keymap(path)
    assert keymap == Keymap()
    assert len(wrong) == 1
    assert str(path) in wrong[0]
    assert load_keymap(tmp_path) == (Keymap(), (f"{tmp_path} cannot be read: is a directory",))
    assert load_keymap(tmp_path / "none") == (Keymap(), ())


def test_the_help_shows_the_keys_that_count() -> None:
    by_title = {title: keys for _, keys, title, _ in rows(mapped('campaign.cancel = "W"\napp.help = ["?", "F1"]'))}
    assert by_title["this help"] == "? F1"
    assert ("Act on a campaign", "W", "cancel", "paceline campaign cancel NAME") in rows(
        mapped('campaign.cancel = "W"')
    )


def with_keys(world: World, link: RecordingLink, text: str) -> PacelineApp:
    return console(world, link, preferences=Preferences(keymap=mapped(text)))


async def test_a_new_key_acts_the_old_one_does_not_and_others_keep_theirs(
    busy_world: World, link: RecordingLink
) -> None:
    app = with_keys(busy_world, link, 'campaign.pause = "W"\nview.queues = "0"\nmove.down = ["J", "down"]')
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("2")
        await shown(pilot)
        assert app.view is not None
        hints = app.view.query_one("#hints").text
        await until(pilot, lambda: " W pause" in app.view.query_one("#hints").text)
        assert " p pause" not in hints
        await pilot.press("p")
        assert link.calls == []
        await pilot.press("W")
        await until(pilot, lambda: [call[0] for call in link.calls] == ["campaign.pause"])
        await pilot.press("0")
        await until(pilot, lambda: app.current_mode == "queues")
        await shown(pilot)
        await pilot.press("p")
        await until(pilot, lambda: [call[0] for call in link.calls] == ["campaign.pause", "queue.pause"])


def test_a_sentence_names_the_key_that_counts_or_the_word_that_asks_for_it() -> None:
    keymap = mapped('job.resolve = "D"\nundo = ""\nengine.start = ""\napp.refresh = ""\nview.tab = ""')
    assert [keymap.named(id) for id in ("job.resolve", "undo", "engine.start", "app.refresh", "view.tab")] == [
        "D", ":undo", ":engine run", ":refresh", "next tab or pane",
    ]  # fmt: skip


@pytest.mark.parametrize("id", sorted(set(defaults()) - set(NEEDED)))
def test_a_word_in_a_sentence_is_one_that_the_prompt_knows(id: str) -> None:
    word = Keymap({**defaults(), id: ()}).named(id)
    if not word.startswith(":"):
        return
    words = tuple(word[1:].split())
    assert words in BY_WORDS or parse(word[1:], 0) is not None


def test_why_an_action_is_off_follows_the_keys() -> None:
    keymap = mapped('job.resolve = "D"\nundo = "W"\ncampaign.pause = "K"')
    situation = Situation(named=keymap.named)
    job = {"id": 7, "name": "letters", "state": "uncertain", "reason": ""}
    assert action("job.retry").off(job, situation) == "uncertain: it may have been sent. D decides"
    cancelled = {**job, "state": "held", "reason": "cancelled"}
    assert action("job.cancel").off(cancelled, situation) == "it is being cancelled: W takes it back"
    assert "running: K pauses it" in action("campaign.edit").off({**job, "state": "active"}, situation)


async def test_what_a_screen_says_about_keys_follows_them(busy_world: World, link: RecordingLink) -> None:
    app = with_keys(busy_world, link, 'app.freeze = "0"\nview.queues = "F6"\napp.help = "F1"\nview.open = "f12"')
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        assert app.view is not None
        row = app.view.query_one("#views").text
        assert " F6Queue " in row
        assert "F1help" in row
        await until(pilot, lambda: "F12: open it" in app.view.query_one(Grid).text)
        await pilot.press("0")
        assert message(app).strip() == "frozen: the engine goes on, 0 catches up"


async def test_one_step_back_has_the_same_key_on_every_screen(busy_world: World, link: RecordingLink) -> None:
    app = with_keys(busy_world, link, 'app.back = "K"')
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot)
        await pilot.press("3")
        await shown(pilot)
        await pilot.press("v")
        assert "v ends it, K too" in message(app)
        screen = app.view
        assert isinstance(screen, AllJobsScreen)
        await pilot.press("escape")
        assert screen.marks.ranging
        await pilot.press("K")
        assert not screen.marks.ranging
        assert app.view is screen


def test_every_binding_of_every_screen_is_in_the_registry() -> None:
    for module in iter_modules(screens.__path__):
        for name, screen in vars(import_module(f"tui.screens.{module.name}")).items():
            if isinstance(screen, type) and issubclass(screen, ViewScreen):
                assert {binding.id for binding in screen.__dict__.get("BINDINGS", ())} <= set(defaults()), name


async def test_what_only_the_prompt_could_ask_for_can_get_a_key(busy_world: World, link: RecordingLink) -> None:
    app = with_keys(busy_world, link, 'engine.reload = "F5"')
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: [call[0] for call in link.calls] == ["engine.reload"])


async def test_a_mistake_is_told_when_the_console_opens(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('move.down = "~"\ncampaign.paus = "x"\n')
    keymap, wrong = load_keymap(path)
    preferences = Preferences(keymap=keymap, notices=wrong)
    async with looking(busy_world, link, size=(160, 40), preferences=preferences) as (app, _):
        assert "ssh takes ~" in message(app)
        assert "(1 more: paceline doctor)" in message(app)


def test_the_listing_is_a_file_that_changes_nothing(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from tui.cli.root import cli

    config = tmp_path / "paceline.toml"
    config.write_text("")
    run = CliRunner()
    example = run.invoke(cli, ["--config", str(config), "keys", "--example"]).stdout
    (tmp_path / "keys.toml").write_text(example)
    assert load_keymap(tmp_path / "keys.toml") == (Keymap(), ())
    uncommented = "\n".join(line.removeprefix("# ") for line in example.splitlines()[1:])
    (tmp_path / "keys.toml").write_text(uncommented)
    keymap, wrong = load_keymap(tmp_path / "keys.toml")
    assert wrong == ()
    assert keymap.keys == defaults()
    listed = json.loads(run.invoke(cli, ["--config", str(config), "keys", "--json"]).stdout)["keys"]
    assert {entry["id"] for entry in listed} == set(defaults())
