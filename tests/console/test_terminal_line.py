"""The line to the terminal stalls, is slow, drops, or is stopped: the engine never waits, and the end is in order."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.lock import read_holder
from storage.reader import Reader
from tests.console.world import World
from tests.support.terminals import Terminal, console, fill
from tui.terminal_output import WAITING_LIMIT

WIDE = (200, 50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    world.campaign("letters", 900, pacing={"mode": "steady", "rate": "20/s"})
    world.close()
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    made = console(folder, size=WIDE)
    made.shows("EMBEDDED", "letters")
    yield made
    made.close()


@pytest.fixture
def reader(folder: Path) -> Iterator[Reader]:
    with Reader(folder / "paceline.db") as made:
        yield made


def wait(terminal: Terminal, holds: object, *, reads: bool = True) -> None:
    """Wait until it holds, with a terminal that does not read if told so."""
    assert callable(holds)
    if reads:
        terminal.until(holds)
        return
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came to hold while the terminal stood still"
        time.sleep(0.02)


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pauses(terminal: Terminal, reader: Reader) -> bool:
    """Ask for a pause; the rows of the view may still be on their way, and then it is asked again."""
    terminal.press("p")
    time.sleep(0.5)
    return bool(reader.campaign("letters")["state"] == "paused")


def test_behind_a_stalled_terminal_it_sends_obeys_and_stays_small_and_the_screen_comes_back_right(
    terminal: Terminal, reader: Reader
) -> None:
    before = memory(terminal.child.pid)
    sent = reader.counts()["completed"]
    for _ in range(30):
        terminal.press("246921")  # six whole screens, none of which is read
    wait(terminal, lambda: reader.counts()["completed"] > sent + 100, reads=False)
    terminal.press("2")
    wait(terminal, lambda: pauses(terminal, reader), reads=False)
    grown = memory(terminal.child.pid) - before
    assert grown < 16 << 20, f"{grown:,} bytes for what nobody read"
    start = len(terminal.raw)
    terminal.shows("| paused", "WHY  letters:")
    terminal.quiet()
    came = len(terminal.raw) - start
    assert came < 3 * WAITING_LIMIT, f"{came:,} bytes of screens that nobody waits for any more"
    terminal.press("4")
    terminal.shows("Failures")
    terminal.quiet()
    recovered = terminal.text.splitlines()[1:]  # row 1 has the pace and the time
    terminal.press("\x0c")  # ^l draws everything anew
    terminal.quiet()
    assert terminal.text.splitlines()[1:] == recovered


def test_behind_a_stalled_terminal_a_signal_ends_it_in_order(folder: Path, terminal: Terminal, reader: Reader) -> None:
    for _ in range(50):
        terminal.press("246921")
    terminal.child.kill(signal.SIGTERM)
    wait(terminal, lambda: not terminal.child.isalive(), reads=False)
    assert terminal.child.exitstatus == 128 + signal.SIGTERM
    assert read_holder(folder / "paceline.db") is None
    assert reader.engine()["state"] == "stopped"
    assert reader.counts()["processing"] == reader.counts()["uncertain"] == 0


def test_a_dropped_line_drains_and_ends(folder: Path, terminal: Terminal, reader: Reader) -> None:
    terminal.hang_up()
    assert terminal.ended() == 128 + signal.SIGHUP
    assert read_holder(folder / "paceline.db") is None
    assert reader.engine()["state"] == "stopped"
    assert reader.counts()["processing"] == reader.counts()["uncertain"] == 0


def test_a_dropped_line_ends_it_also_where_no_signal_tells(folder: Path, reader: Reader) -> None:
    """Under a shell that outlives its terminal the kernel tells nobody but that shell."""
    command = shlex.join(
        [sys.executable, "-m", "tui", "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml")]
    )
    code = folder / "code"
    terminal = Terminal(
        "/bin/sh", "-c", f"trap '' HUP; {command}; echo $? > {shlex.quote(str(code))}",
        XDG_STATE_HOME=str(folder / "state"),
    )  # fmt: skip
    terminal.shows("EMBEDDED", "letters")
    terminal.hang_up()
    assert terminal.ended() in (0, 2)  # the shell's own: its last command writes a file
    assert int(code.read_text()) == 128 + signal.SIGHUP
    assert read_holder(folder / "paceline.db") is None
    assert reader.engine()["state"] == "stopped"


def test_stopped_and_continued_it_takes_the_terminal_again_and_gives_it_back_as_it_was(folder: Path) -> None:
    terminal = console(folder, "--read-only")
    before = termios.tcgetattr(terminal.child.child_fd)
    terminal.shows("NO ENGINE", "letters")
    terminal.child.kill(signal.SIGSTOP)
    terminal.press("2")
    terminal.quiet()
    assert "WHY" not in terminal.text
    terminal.screen.reset()  # whoever had the terminal meanwhile left it empty
    terminal.child.kill(signal.SIGCONT)
    terminal.shows("WHY  letters:", "PACELINE")
    terminal.press("4")
    terminal.shows("Failures")
    terminal.press("q")
    terminal.until(lambda: not terminal.child.isalive())
    assert termios.tcgetattr(terminal.child.child_fd) == before
    assert terminal.ended() == 0
    assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l") == 2


def test_a_request_to_stop_does_not_freeze_an_engine(terminal: Terminal, reader: Reader) -> None:
    terminal.child.kill(signal.SIGTSTP)
    sent = reader.counts()["completed"]
    terminal.until(lambda: reader.counts()["completed"] > sent + 20)
    assert Path(f"/proc/{terminal.child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"


def test_bytes_that_are_no_text_are_no_keys_and_end_nothing(terminal: Terminal) -> None:
    terminal.child.write(b"\xe9\xff\xfe\x80\x1b[\xc3")
    terminal.child.write(b"\x1b[999;999;999Z\x1b[<9999999999999;1;1M")
    terminal.press("4")
    terminal.shows("Failures")
    terminal.press("/")
    terminal.child.write(b"\xe9t\xe9")
    terminal.quiet()
    assert terminal.child.isalive()


def test_an_engine_without_a_screen_never_waits_for_who_reads_its_words(folder: Path, reader: Reader) -> None:
    ours, theirs = os.pipe()
    fill(theirs)
    engine = subprocess.Popen(
        [sys.executable, "-m", "tui", "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml"),
         "engine", "run"],
        stderr=theirs, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    end = time.monotonic() + 60
    while reader.counts()["completed"] < 30:
        assert time.monotonic() < end, "it waits for its own words"
        time.sleep(0.02)
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(60) == 0
    os.close(ours)
    assert reader.engine()["state"] == "stopped"
    assert reader.counts()["processing"] == reader.counts()["uncertain"] == 0
