"""The program itself: what it answers first, what it refuses, how it fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from storage import __version__
from storage.errors import FilterError
from tests.cli.conftest import Home
from tui.cli import root
from tui.cli.facts import states_of
from tui.cli.verbs import LazyGroup


def imported_by(*argv: str) -> set[str]:
    program = (
        "import sys\nfrom tui.cli.main import main\n"
        f"sys.argv = ['paceline', *{list(argv)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split("MODULES")[1].split())


def test_version_answers_before_anything_heavy_is_imported() -> None:
    heavy = {"click", "pydantic", "sqlite3", "asyncio", "textual", "rich", "jinja2", "engine"}
    assert imported_by("--version") & heavy == set()


def test_version_names_the_program(empty: Home) -> None:
    assert empty.program("--version").out == f"paceline {__version__}\n"


@pytest.mark.parametrize("argv", [("--help",), ("campaign", "--help"), ("engine", "run", "--help")])
def test_help_imports_no_screen_and_no_database(argv: tuple[str, ...]) -> None:
    assert imported_by(*argv) & {"textual", "jinja2", "aiosmtplib", "uvloop"} == set()


def test_no_module_of_the_command_line_imports_textual() -> None:
    folder = Path(root.__file__).parent
    assert [p.name for p in folder.glob("*.py") if re.search(r"^\s*(from|import) textual", p.read_text(), re.M)] == []


def _all_commands(group: LazyGroup, path: str = "") -> list[str]:
    import click

    found = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        found += _all_commands(command, f"{path}{name} ") if isinstance(command, LazyGroup) else [path + name]
        assert command.help, name
    return found


def test_every_promised_command_exists_and_is_explained_in_the_contract() -> None:
    contract = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    assert isinstance(root.cli, LazyGroup)
    commands = _all_commands(root.cli)
    assert len(commands) > 40
    assert [name for name in commands if f"`{name}" not in contract] == []


def test_the_console_needs_a_terminal(empty: Home) -> None:
    done = empty.program()
    assert done.code == 2
    assert "needs a terminal" in done.err
    assert "paceline engine status" in done.err


def test_a_mistyped_command_is_met_with_the_nearest_one(empty: Home) -> None:
    done = empty("campaign", "strat")
    assert done.code == 2
    assert "did you mean 'start'?" in done.err


def test_an_error_with_json_is_json_on_stdout_and_a_sentence_on_stderr(empty: Home) -> None:
    done = empty("campaign", "list", "--json")
    assert done.code == 3
    assert done.json["success"] is False
    assert set(done.json["error"]) == {"code", "message", "hint"}
    assert done.json["error"]["code"] == "store"
    assert done.err.startswith("paceline: there is no store at ")


def test_a_usage_mistake_with_json_is_json_too(empty: Home) -> None:
    done = empty("campaign", "show", "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == "usage"


def test_a_bad_filter_has_an_exit_code_of_its_own(drafted: Home) -> None:
    done = drafted("job", "list", "--state", "flying")
    assert done.code == 5
    assert "there is no state 'flying'" in done.err


def test_filters_take_the_words_that_people_know() -> None:
    assert states_of("QUEUED, sent") == ("pending", "completed")
    assert states_of("") == ()
    with pytest.raises(FilterError):
        states_of("pending,nothing")


def test_a_bug_ends_as_one_sentence_without_a_traceback(empty: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("tui.cli.session.Session.reader", broken)
    done = empty("campaign", "list")
    assert done.code == 1
    assert "an unexpected ZeroDivisionError" in done.err
    assert "Traceback" not in done.err


def test_a_reader_that_has_enough_ends_the_command_in_silence(drafted: Home) -> None:
    command = f"{sys.executable} -m tui campaign recipients spring --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "argv",
    [
        ("campaign", "pause", "spring"),
        ("campaign", "start", "spring"),
        ("engine", "pause"),
        ("queue", "pause", "outbox"),
        ("init",),
        ("account", "add", "x", "--channel", "outbox", "--from", "a@example.com", "--folder", "x"),
    ],
)
def test_read_only_refuses_every_change(drafted: Home, argv: tuple[str, ...]) -> None:
    before = drafted.config.read_bytes()
    done = drafted("--read-only", *argv)
    assert done.code == 4
    assert drafted.config.read_bytes() == before


def test_the_places_may_be_named_behind_the_verb(drafted: Home) -> None:
    done = drafted("campaign", "list", "--db", drafted.folder / "nowhere.db")
    assert done.code == 3
    assert "nowhere.db" in done.err


def test_hostile_text_never_reaches_the_terminal_raw(home: Home) -> None:
    home.write("hostile.csv", "email,first_name\nada@example.com,\x1b]0;pwned\x07\u202eevil\n")
    home("campaign", "new", "spring", "-a", "outbox", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "hostile.csv", "-c", "spring")
    for argv in (("preview", "spring"), ("recipients", "spring"), ("recipients", "spring", "--json")):
        done = home("campaign", *argv)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.out)
