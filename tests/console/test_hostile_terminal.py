"""Hostile strings in every column, seen in every view of the real program in a real terminal: text, no more."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from storage.model import SECOND
from tests.console.world import DOUBT, FIELD, NOON, SENT, UNKNOWN, World
from tests.support.escapes import foreign, links
from tests.support.terminals import Terminal, console
from tui.cli.root import run
from tui.screens.confirm import TYPE_AHEAD

PEOPLE = 24
SHARP = [
    "[/]", "[@click=app.quit]x[/]", "[bold red]loud[/bold red]", "[link=file:///etc/passwd]x[/link]", "$primary", "\\[",
    "\x1b[2J\x1b[31mred", "\x1b]52;c;cm0gLXJmIC8=\x07", "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "\x1bc",
    "\x1b]0;title\x07", "\x1bP+q544e\x1b\\", "\x1b[6n", "\x1b[?1049l", "\x9b31mC1", "\x9d0;t\x9c", "\x90q\x9c", "\x85",
    "\u202egnp.exe\u202c", "\u2066a\u2069", "a\u200bb\ufeffc\u00adx", "one\r\ntwo\rthree\tfour",
    "漢字" * 40, "e" + "\u0301" * 60, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u1100\u1161\u11a8",
    "\ufff9a\ufffab\ufffb", "%s%n{0}", "'; DROP TABLE jobs; --", "=cmd|' /C calc'!A0", "../../etc/passwd", " ", "",
    "nul\x00five\x7f\x08\x08", "\U000e0041tag",
]  # fmt: skip
"""Each of them acts somewhere: on a terminal, on markup, on a spreadsheet, on a width."""
SOUP = st.text(st.sampled_from("\x1b\x9b\x9d\x00\r\n\t\x7f[]@/=();?m38Hq\u202e\u200b\u0301漢a \\"), max_size=60)
TEXTS = st.lists(SOUP, min_size=6, max_size=14)
LONG = "\x1b[31m漢[/]" * 130_000
"""A cell of more than a megabyte."""
FIRST_AND_LAST = (1, 2, 3, 4, PEOPLE - 1, PEOPLE)
"""Jobs of each outcome, and both ends of every list."""

STEPS = {
    "overview": "1", "campaigns": "2", "campaign": "2\r", "its people": "2\r\t\t", "its settings": "2\r\t\t\t\t",
    "jobs": "3", "job": "3\r", "its record": "3i", "failures": "4", "a group": "4\r", "approvals": "5", "queues": "6",
    "queue": "6\r", "schedules": "7", "performance": "8", "log": "9", "an entry": "9i", "help": "2?",
    "all actions": "2a", "palette": "\x10letters", "copy menu": "3Y", "undo list": "Z", "narrow": "3l\x06G",
    "what came back": "B", "one that came back": "B\r",
}  # fmt: skip
WORDS = {
    "filter": "/", "command": ":campaign pause ", "search": "9/", "palette": "\x10",
}  # fmt: skip


FEW = settings(
    max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
ONE_MORE = settings(FEW, max_examples=1)
"""Each example walks through every view of a real program and holds many strings: a failing one is not made smaller."""


def spoil(database: Path, texts: list[str], mark: str, people: Sequence[int] = range(1, PEOPLE + 1)) -> None:
    """Put the texts, in turn, into every column that holds words of people or servers, past every check. `people`:
    whose rows they are put into."""

    def text(i: int) -> str:
        return texts[i % len(texts)]

    with closing(sqlite3.connect(database, timeout=30)) as raw, raw:
        for i in people:
            a, b, c = text(i), text(i + 1), text(i + 2)
            raw.execute(
                "UPDATE recipients SET address = ?, fields = json_object('first_name', ?, ?, ?) WHERE id = ?",
                (f"{i}{a}", b, f"k{c}", a, i),
            )
            raw.execute("UPDATE jobs SET last_error = ?, error_key = ?, message_id = ? WHERE id = ?", (a, b, c, i))
            raw.execute("UPDATE attempts SET reply = ?, server = ?, error_key = ? WHERE job_id = ?", (b, c, a, i))
        raw.execute("UPDATE campaigns SET name = ?, pause_detail = ?", (f"{mark}{text(0)}", text(1)))
        raw.execute("UPDATE steps SET subject = ?, text = ?, html = ?", (text(2), text(3), text(4)))
        raw.execute("UPDATE imports SET source = ?, created_by = ?", (f"{text(5)}.csv", text(0)))
        raw.execute("UPDATE batches SET name = ?, created_by = ?", (text(1), text(2)))
        raw.execute(
            "UPDATE queues SET name = name || ?, reason = ?, state = 'needs_attention' WHERE id = 1", ("", text(3))
        )
        raw.execute("UPDATE failure_hours SET sample = ?", (text(4),))
        raw.execute("UPDATE engines SET host = ?, version = ?, note = ?", (text(0), text(1), text(2)))
        raw.execute("DELETE FROM inbox")
        for i in people:
            raw.execute(
                "INSERT INTO inbox (digest, source, kind, at, read_at, matched_by, effect, job_id, recipient_id, "
                "campaign_id, address, enhanced, diagnostic, subject, text) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
                (
                    str(i),
                    text(i),
                    text(i + 1),
                    i,
                    i,
                    text(i + 2),
                    text(i + 3),
                    i,
                    i,
                    text(i),
                    *map(text, range(i, i + 4)),
                ),
            )
        for i, (entry,) in enumerate(raw.execute("SELECT id FROM events").fetchall()):
            raw.execute(
                "UPDATE events SET text = ?, actor = ?, host = ?, via = ?, data = json_object('k', ?) WHERE id = ?",
                (f"{mark}{text(i)}", text(i + 1), text(i + 2), text(i + 3), text(i + 4), entry),
            )


def hostile_world(folder: Path) -> World:
    folder.mkdir(exist_ok=True)
    world = World(folder)
    world.config_path.write_text(world.config_path.read_text().replace('"dev"', '"[@click=app.q]\\u6f22[/]"'))
    world.clock.at = NOON
    world.campaign("letters", PEOPLE)
    world.send("smtp-eu-1", [UNKNOWN, SENT, DOUBT, FIELD] * 3, step=2 * SECOND)
    world.call("campaign.pause", name="letters")
    world.close()
    return world


def harmless(terminal: Terminal, start: int) -> None:
    """Nothing came since `start` that a terminal would act on, and the program lives."""
    raw = bytes(terminal.raw[start:])
    assert foreign(raw) == []
    assert links(raw) == []
    assert terminal.child.isalive(), terminal.text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_world(tmp_path_factory.mktemp("hostile") / "[bold]\u202e\x1b[31mdir").database


@pytest.fixture(scope="module")
def watching(place: Path) -> Iterator[Terminal]:
    terminal = console(place.parent, "--read-only", size=(160, 45), PACELINE_USER="\x1b[31m[/]")
    terminal.shows("PACELINE", "Overview")
    yield terminal
    terminal.close()


@ONE_MORE
@given(texts=TEXTS)
@example(texts=SHARP[::2])
@example(texts=SHARP[1::2])
def test_no_view_lets_a_string_act_on_the_terminal(place: Path, watching: Terminal, texts: list[str]) -> None:
    mark = f"m{time.monotonic_ns() % 100_000}"
    start = len(watching.raw)
    spoil(place, texts, mark)
    watching.press("2")
    watching.shows(mark)
    for name, keys in STEPS.items():
        watching.press(keys)
        watching.quiet()
        assert watching.child.isalive(), f"{name}: {watching.text}"
        watching.press("\x1b")
        watching.quiet()
        watching.press("\x1b")
        watching.quiet()
    harmless(watching, start)


@FEW
@given(text=st.one_of(st.sampled_from(SHARP), SOUP))
@example(text="=\x00\x7f)3m")
def test_what_is_typed_or_pasted_is_text(watching: Terminal, text: str) -> None:
    start = len(watching.raw)
    for name, keys in WORDS.items():
        watching.press(keys)
        watching.child.write(b"\x1b[200~" + text.replace("\x1b", "").encode("utf-8", "replace") + b"\x1b[201~")
        watching.quiet()
        if name != "palette":  # it would run what it found, quit for one
            watching.press("\r")
            watching.quiet()
        for _ in range(3):
            watching.press("\x1b")
            watching.quiet()
    # Asked again until it is there: right behind an escape a key is read as one with alt.
    watching.until(lambda: "Overview" in watching.rows[2] or watching.press("1"))
    harmless(watching, start)


def test_a_cell_of_a_megabyte_is_shown_cut(place: Path, watching: Terminal) -> None:
    start = len(watching.raw)
    spoil(place, [LONG], "big", FIRST_AND_LAST)
    watching.press("2")
    watching.shows("big")
    for keys in STEPS.values():
        watching.press(keys)
        watching.quiet()
        watching.press("\x1b")
        watching.quiet()
        watching.press("\x1b")
        watching.quiet()
    assert len(watching.raw) - start < 1 << 20
    harmless(watching, start)


DIALOGS = ["2X", "2P", "2e", "2R", "2L", "3X", "3R", "3 R", "4R", "4X", "6P", "6p", "A", "E", "2\re", "2\rE"]


def test_no_dialog_lets_a_string_act(tmp_path: Path) -> None:
    world = hostile_world(tmp_path / "dialogs")
    for i in range(0, len(SHARP), 12):
        spoil(world.database, SHARP[i : i + 6], f"d{i}")
        terminal = console(world.database.parent, size=(120, 40))
        terminal.shows("EMBEDDED", f"d{i}")
        for keys in DIALOGS:
            for key in keys:
                terminal.press(key)
                terminal.quiet()
            for _ in range(3):
                terminal.press("\x1b")
                terminal.quiet()
        harmless(terminal, 0)
        leave_with_work(terminal)
        terminal.close()


def leave_with_work(terminal: Terminal) -> None:
    """The question before an end. Everything is paused since "E", so the campaign that runs sends nothing; without
    one that runs the console would end at once, with nothing to ask."""
    terminal.press("2")
    terminal.shows("WHY")
    if "run 1" not in terminal.text:
        terminal.press("P")
    terminal.shows("run 1")
    for answer in ("\x1b", "y"):
        start = len(terminal.raw)
        terminal.press("q")
        terminal.shows("drain and stop")
        terminal.quiet()
        harmless(terminal, start)
        time.sleep(2 * TYPE_AHEAD)
        terminal.press(answer)
        # An end may come before another drawing, and leaves the question where it stands: pyte knows one screen only.
        terminal.until(lambda: "drain and stop" not in terminal.text or not terminal.child.isalive())
    assert terminal.ended() == 0


COMMANDS = [
    "campaign list", "campaign show {name}", "campaign recipients {name}", "campaign explain {name}",
    "campaign preflight {name}", "campaign preview {name}", "campaign forecast {name}", "job list", "job show 1",
    "job show 3", "batch list", "batch show 1", "queue list", "queue show smtp-eu-1", "events", "engine status",
    "doctor", "db check", "account list", "campaign show nobody\x1b[31m", "job list --filter state:\x1b]0;x\x07",
    "x\x1b[2J",
    "--config /no\x1b[31m/such account list", "campaign show --o\x9b31m", "recipients import /no\x1b]0;x\x07.csv",
]  # fmt: skip


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = hostile_world(tmp_path_factory.mktemp("cli"))
    spoil(world.database, [text for text in SHARP if "\x00" not in text], "n")
    return world.database.parent


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_lets_a_string_act(
    spoiled: Path, tmp_path: Path, command: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = Path(shutil.copytree(spoiled, tmp_path / "cli"))
    database = folder / "paceline.db"
    with closing(sqlite3.connect(database)) as raw:
        name = raw.execute("SELECT name FROM campaigns").fetchone()[0]
    words = [word.replace("{name}", name) for word in command.split(" ")]
    terminal = console(folder, *words, size=(100, 200))
    terminal.ended()
    assert foreign(bytes(terminal.raw), plain=True) == []
    where = ["--db", str(database), "--config", str(folder / "paceline.toml")]
    for more in ([], ["--json"]):
        capfdbinary.readouterr()
        run([*where, *words, *more])
        out, err = capfdbinary.readouterr()
        assert foreign(out + err, plain=True) == [], shlex.join(words + more)
        assert b"Traceback" not in err
        assert b"unexpected" not in err, err
