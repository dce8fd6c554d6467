"""The real program in a real terminal: it draws, obeys, and ends in order whatever ends it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from storage.lock import read_holder
from storage.reader import Reader
from tests.console.world import World

LIMIT = 30.0


class Terminal:
    """A console at 80x24 and what stands on its screen."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "tui", "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml"), *options],
            dimensions=(24, 80), timeout=LIMIT,
            env={**kept, "TERM": "xterm-256color", "XDG_STATE_HOME": str(folder / "state"), **environment},
        )  # fmt: skip

    def pump(self) -> None:
        try:
            self._stream.feed(self.child.read_nonblocking(65_536, timeout=0.1))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.pump()
            if holds():
                return
        raise AssertionError(self.text)

    def shows(self, *words: str) -> None:
        self.until(lambda: all(word in self.text for word in words))

    def ended(self) -> int:
        self.until(lambda: not self.child.isalive())
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else 128 + self.child.signalstatus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    world.campaign("letters", 400, pacing={"mode": "steady", "rate": "5/s"})
    world.close()
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    made = Terminal(folder)
    yield made
    made.child.close(force=True)


def test_a_campaign_is_seen_paused_resumed_and_left_in_order(folder: Path, terminal: Terminal) -> None:
    terminal.shows("EMBEDDED", "RUNNING", "letters")
    terminal.child.send("2")
    terminal.shows("WHY  letters:")
    terminal.child.send("p")
    terminal.shows("| paused", "ok: paused")
    with Reader(folder / "paceline.db") as reader:
        row = reader.campaign("letters")
        assert row["state"] == "paused"
        sent = row["counts"]["completed"]
    terminal.child.send("P")
    terminal.shows("> running")
    with Reader(folder / "paceline.db") as reader:
        terminal.until(lambda: reader.counts()["completed"] > sent + 3)
    terminal.child.send("q")
    terminal.shows("Drain the engine and stop?")
    time.sleep(0.35)  # what is typed in the first 300 ms is dropped
    terminal.child.send("y")
    assert terminal.ended() == 0
    assert read_holder(folder / "paceline.db") is None
    with Reader(folder / "paceline.db") as reader:
        assert reader.counts()["processing"] == reader.counts()["uncertain"] == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_engine_and_ends_with_its_number(
    folder: Path, terminal: Terminal, number: signal.Signals
) -> None:
    terminal.shows("EMBEDDED")
    terminal.child.kill(number)
    assert terminal.ended() == 128 + number
    with Reader(folder / "paceline.db") as reader:
        assert reader.engine()["state"] == "stopped"
        assert reader.counts()["processing"] == reader.counts()["uncertain"] == 0


def test_without_colour_everything_is_still_said(folder: Path) -> None:
    terminal = Terminal(folder, "--read-only", NO_COLOR="1")
    terminal.shows("NO ENGINE", "letters")
    terminal.child.send("2")
    terminal.shows("> running", "WHY  letters:")
    cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
    assert {cell.fg for cell in cells} | {cell.bg for cell in cells} == {"default"}
    assert any(cell.reverse for cell in cells), "the cursor row is drawn reverse"
    terminal.child.send("q")
    assert terminal.ended() == 0


def test_a_second_signal_cuts_a_drain_and_what_was_in_flight_is_uncertain(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    silent = threading.Thread(target=_takes_mail_and_never_answers, args=(server,), daemon=True)
    silent.start()
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    config = world.config_path.read_text().replace("2525", str(server.getsockname()[1]))
    world.config_path.write_text(config)
    world.campaign("letters", 3, account="smtp-eu-2", pacing={"mode": "blast", "concurrency": 1, "batch_delay": "1s"})
    world.close()
    terminal = Terminal(tmp_path)
    with Reader(tmp_path / "paceline.db") as reader:
        terminal.until(lambda: reader.rows("SELECT 1 FROM attempts WHERE finished_at IS NULL") != [])
    terminal.child.kill(signal.SIGTERM)
    terminal.shows("a second signal cuts")
    assert terminal.child.isalive()
    terminal.child.kill(signal.SIGTERM)
    assert terminal.ended() == 128 + signal.SIGTERM
    assert read_holder(tmp_path / "paceline.db") is None
    again = Terminal(tmp_path)
    again.shows("uncertain in letters: sent or not?")
    again.child.close(force=True)
    server.close()


def _takes_mail_and_never_answers(server: socket.socket) -> None:
    """An SMTP server that says yes to everything and nothing after the content."""
    kept = []
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        kept.append(connection)
        threading.Thread(target=_converse, args=(connection,), daemon=True).start()


def _converse(connection: socket.socket) -> None:
    connection.sendall(b"220 silent ESMTP\r\n")
    with connection.makefile("rb") as lines:
        for line in lines:
            if line.upper().startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
                for _ in lines:
                    continue
                return
            connection.sendall(b"250 fine\r\n")


def test_read_only_starts_no_engine_and_changes_nothing(folder: Path) -> None:
    terminal = Terminal(folder, "--read-only")
    terminal.shows("NO ENGINE", "letters")
    assert read_holder(folder / "paceline.db") is None
    terminal.child.send("E")
    terminal.shows("--read-only")
    terminal.child.send("q")
    assert terminal.ended() == 0


def test_a_terminal_that_cannot_move_its_cursor_is_refused(folder: Path) -> None:
    terminal = Terminal(folder, TERM="dumb")
    assert terminal.ended() != 0
    assert "engine status" in terminal.text
