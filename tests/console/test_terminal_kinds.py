"""Terminals of every kind: none, dumb, small, resized, few colours, other encodings, tmux, a closed output."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.lock import read_holder
from storage.model import SECOND
from tests.console.world import NOON, UNKNOWN, World
from tests.support.escapes import colours, foreign
from tests.support.terminals import Terminal, console

PACELINE = [sys.executable, "-m", "tui"]
VIEWS = {
    "2": "Campaigns", "3": "Jobs", "4": "Failures", "5": "Approvals", "6": "Queues", "7": "Schedules",
    "8": "Performance", "9": "Log", "1": "Overview",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is only looked at."""
    folder = tmp_path_factory.mktemp("kinds")
    world = World(folder)
    world.clock.at = NOON
    world.campaign("letters", 40)
    world.send("smtp-eu-1", [UNKNOWN] * 3, step=2 * SECOND)
    world.close()
    with sqlite3.connect(world.database) as raw:
        raw.execute("UPDATE recipients SET address = 'josé.漢字@example.org' WHERE id < 20")
    raw.close()
    return folder


def look(folder: Path, *options: str, size: tuple[int, int] = (80, 24), **environment: str) -> Terminal:
    return console(folder, "--read-only", *options, size=size, **environment)


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PACELINE, "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml"), *command],
        capture_output=True, text=True, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


# where no screen can be drawn


def test_without_a_terminal_it_says_so_and_what_works(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "needs a terminal" in done.stderr and "`paceline engine status` works everywhere" in done.stderr
    assert read_holder(folder / "paceline.db") is None


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_cannot_place_its_cursor_is_refused_before_anything_starts(folder: Path, term: str) -> None:
    terminal = console(folder, TERM=term)
    assert terminal.ended() == 2
    assert "engine status" in terminal.text
    assert b"\x1b" not in terminal.raw
    assert read_holder(folder / "paceline.db") is None


def test_in_the_background_of_a_shell_it_is_refused_instead_of_stopped(folder: Path) -> None:
    command = " ".join(PACELINE) + f" --db {folder}/paceline.db --config {folder}/paceline.toml --read-only"
    terminal = Terminal("/bin/bash", "-c", f"set -m; {command} & wait $!; echo ended $?")
    assert terminal.ended() == 0
    assert "foreground" in terminal.text and "ended 2" in terminal.text


def test_a_command_works_where_no_console_does(folder: Path) -> None:
    terminal = console(folder, "campaign", "list", TERM="dumb")
    assert terminal.ended() == 0
    assert "letters" in terminal.text
    assert foreign(bytes(terminal.raw), plain=True) == []


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("command", ["", "campaign list", "--version", "campaign --help"])
def test_a_closed_stream_harms_nothing(folder: Path, closed: str, command: str) -> None:
    """The database must not be opened under the number of a closed stream: a message would be written into it."""
    before = (folder / "paceline.db").read_bytes()
    line = f"{' '.join(PACELINE)} --db {folder}/paceline.db --config {folder}/paceline.toml {command} {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == (2 if command == "" else 0)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert (folder / "paceline.db").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["campaign list", "campaign list --json", "--version", "campaign --help"])
def test_an_output_that_cannot_be_written_is_one_sentence(folder: Path, command: str) -> None:
    line = f"{' '.join(PACELINE)} --db {folder}/paceline.db --config {folder}/paceline.toml {command} > /dev/full"
    for unbuffered in ("", "1"):
        done = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.lower().count("no space left on device") == 1
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_reader_that_has_enough_is_no_error(folder: Path) -> None:
    line = f"{' '.join(PACELINE)} --db {folder}/paceline.db job list --limit 40 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


# size


@pytest.mark.parametrize("size", [(59, 15), (60, 14), (20, 5), (1, 1), (5, 40)])
def test_too_small_it_says_what_it_needs_and_what_works(folder: Path, size: tuple[int, int]) -> None:
    terminal = look(folder, size=size)
    text = f"needs 60x15, is {size[0]}x{size[1]}"[: size[0]]
    terminal.until(lambda: terminal.rows[0].rstrip() == text.rstrip())
    terminal.resize(60, 15)
    terminal.shows("NO ENGINE", "Overview", "CAMPAIGNS")
    terminal.press("q")
    assert terminal.ended() == 0


def test_at_its_smallest_every_view_can_be_used(folder: Path) -> None:
    terminal = look(folder, size=(60, 15))
    terminal.shows("NO ENGINE", "Overview", "CAMPAIGNS")
    for key, name in VIEWS.items():
        terminal.press(key)
        terminal.until(lambda name=name: name in terminal.rows[1] + terminal.rows[2])
        assert all(len(line.rstrip()) <= 60 for line in terminal.rows)
    terminal.press("q")
    assert terminal.ended() == 0


def test_after_a_storm_of_sizes_the_last_one_stands(folder: Path) -> None:
    calm = look(folder, size=(100, 30))
    calm.shows("PACELINE", "Overview")
    calm.press("2")
    calm.shows("WHY  letters:")
    calm.quiet()
    expected = calm.rows[1:]  # the first row tells the time
    calm.close()
    terminal = look(folder)
    terminal.shows("PACELINE", "Overview")
    terminal.press("2")
    terminal.shows("WHY  letters:")
    rng = random.Random(4)
    for _ in range(400):
        terminal.child.setwinsize(rng.randint(1, 80), rng.randint(1, 250))
    terminal.resize(100, 30)
    terminal.until(lambda: terminal.rows[1:] == expected)
    assert terminal.rows[0].rstrip().endswith("Z")
    terminal.press("q")
    assert terminal.ended() == 0


def test_columns_and_lines_of_the_login_do_not_fix_the_size(folder: Path) -> None:
    terminal = look(folder, size=(100, 30), COLUMNS="80", LINES="24")
    terminal.until(lambda: terminal.rows[29].strip())
    terminal.resize(72, 20)
    terminal.until(lambda: terminal.rows[19].strip() and "PACELINE" in terminal.rows[0])
    terminal.close()


# colours


@pytest.mark.parametrize("term", ["xterm", "screen", "linux", "vt220", "xterm-16color"])
def test_a_terminal_of_few_colours_is_asked_for_no_others(folder: Path, term: str) -> None:
    terminal = look(folder, TERM=term)
    terminal.shows("PACELINE", "Overview")
    for key, name in VIEWS.items():
        terminal.press(key)
        terminal.shows(name)
    asked = colours(bytes(terminal.raw))
    assert asked & set(range(30, 38)), "it does use the sixteen"
    assert not asked & {38, 48}
    terminal.close()


def test_without_colour_everything_is_still_said(folder: Path) -> None:
    terminal = look(folder, NO_COLOR="1")
    terminal.shows("NO ENGINE", "letters")
    for key, name in VIEWS.items():
        terminal.press(key)
        terminal.shows(name)
    terminal.press("2")
    terminal.shows("> running", "WHY  letters:")
    assert not colours(bytes(terminal.raw)) & {*range(30, 39), *range(40, 49), *range(90, 108)}
    cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
    assert any(cell.reverse for cell in cells), "the cursor row is drawn reverse"
    terminal.press("q")
    assert terminal.ended() == 0


# encodings


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a terminal that reads ISO-8859-1."""
    if shutil.which("localedef") is None:
        pytest.skip("needs localedef")
    where = tmp_path_factory.mktemp("locales")
    made = subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(where / "en_US.ISO-8859-1")], capture_output=True
    )
    if not (where / "en_US.ISO-8859-1").exists():
        pytest.skip(f"the locale cannot be made: {made.stderr.decode()[:200]}")
    return {"LOCPATH": str(where), "LC_ALL": "en_US.ISO-8859-1", "LANG": "en_US.ISO-8859-1"}


def test_to_a_latin_terminal_no_byte_of_another_encoding_is_written(folder: Path, latin: dict[str, str]) -> None:
    """Half of the bytes of UTF-8 are C1 controls there."""
    terminal = look(folder, **latin)
    terminal.shows("PACELINE", "Overview")
    terminal.press("3")
    terminal.until(lambda: b"jos\xe9.????@example.org" in terminal.raw)
    assert not [byte for byte in terminal.raw if 0x80 <= byte < 0xA0]
    terminal.press("/")
    terminal.child.write(b"jos\xe9")
    terminal.until(lambda: b"jos\xe9" in terminal.raw[-400:])
    terminal.close()


@pytest.mark.parametrize("command", ["job list", "campaign recipients letters"])
def test_a_command_in_a_latin_terminal_writes_question_marks_for_what_it_lacks(
    folder: Path, latin: dict[str, str], command: str
) -> None:
    terminal = console(folder, *command.split(), size=(160, 50), **latin)
    assert terminal.ended() == 0
    assert b"jos\xe9.????@example.org" in terminal.raw
    assert not [byte for byte in terminal.raw if 0x80 <= byte < 0xA0]
    piped = subprocess.run(
        [*PACELINE, "--db", str(folder / "paceline.db"), *command.split()],
        capture_output=True, env={**os.environ, **latin}, timeout=60,
    )  # fmt: skip
    assert piped.returncode == 0
    assert b"jos\xe9.????@example.org" in piped.stdout


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C", "PYTHONCOERCECLOCALE": "0"}])
def test_in_a_locale_without_an_encoding_only_ascii_is_written(folder: Path, locale: dict[str, str]) -> None:
    terminal = look(folder, **{"LANG": "", **locale})
    terminal.shows("PACELINE", "Overview")
    terminal.press("3")
    terminal.shows("jos?.????@example.org")
    assert bytes(terminal.raw).isascii()
    terminal.close()


# tmux


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize("term", ["screen", "tmux-256color"])
def test_in_tmux_it_draws_detaches_comes_back_in_another_size_and_ends(folder: Path, tmp_path: Path, term: str) -> None:
    def tmux(*words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *words],
            capture_output=True, text=True, env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"}, timeout=60,
        ).stdout  # fmt: skip

    def shows(*words: str) -> str:
        end = time.monotonic() + 60
        while not all(word in (text := tmux("capture-pane", "-p")) for word in words):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text

    command = " ".join(PACELINE) + f" --db {folder}/paceline.db --config {folder}/paceline.toml --read-only"
    within = f"env TERM={term} XDG_STATE_HOME={tmp_path} {command}"
    tmux("new-session", "-d", "-x", "80", "-y", "24", f"{within}; echo ended $?; exec cat")
    try:
        shows("PACELINE", "Overview")
        tmux("send-keys", "3")
        assert "josé.漢字@example.org" in shows("Jobs", "josé")
        tmux("resize-window", "-x", "120", "-y", "40")
        shows("Jobs", "josé")
        assert all(len(line) <= 120 for line in shows("Jobs").splitlines())
        tmux("resize-window", "-x", "40", "-y", "10")
        shows("needs 60x15, is 40x10")
        tmux("resize-window", "-x", "60", "-y", "15")
        shows("Jobs", "josé", "NO ENGINE")
        tmux("send-keys", "q")
        assert "Jobs" not in shows("ended 0"), "the alternate screen is given back"
    finally:
        tmux("kill-server")
