"""The real program in a real terminal: it draws, obeys, and ends in order whatever ends it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.lock import read_holder
from storage.reader import Reader
from tests.console.world import World
from tests.support.holding import HoldingServer
from tests.support.terminals import Terminal, console

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    world.campaign("letters", 400, pacing={"mode": "steady", "rate": "5/s"})
    world.close()
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    made = console(folder)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[HoldingServer]:
    with HoldingServer() as made:
        yield made


@pytest.fixture
def busy(tmp_path: Path, server: HoldingServer) -> Iterator[Terminal]:
    """A console whose engine has one message inside the send window, and two more to send."""
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    config = world.config_path.read_text().replace("2525", str(server.port))
    world.config_path.write_text(config)
    world.campaign("letters", 3, account="smtp-eu-2", pacing={"mode": "blast", "concurrency": 1, "batch_delay": "1s"})
    world.close()
    made = console(tmp_path)
    made.shows("EMBEDDED")
    made.until(lambda: server.taken)
    yield made
    made.close()


def states(folder: Path) -> dict[str, int]:
    """How many jobs stand where, without the states that hold none."""
    with Reader(folder / "paceline.db") as reader:
        return {state: n for state, n in reader.counts().items() if n}


def test_a_campaign_is_seen_paused_resumed_and_left_in_order(folder: Path, terminal: Terminal) -> None:
    terminal.shows("EMBEDDED", "RUNNING", "letters")
    terminal.press("2")
    terminal.shows("WHY  letters:")
    terminal.press("p")
    terminal.shows("| paused", "ok: paused")
    with Reader(folder / "paceline.db") as reader:
        row = reader.campaign("letters")
        assert row["state"] == "paused"
        sent = row["counts"]["completed"]
    terminal.press("P")
    terminal.shows("> running")
    with Reader(folder / "paceline.db") as reader:
        terminal.until(lambda: reader.counts()["completed"] > sent + 3)
    terminal.press("q")
    terminal.shows("Drain the engine and stop?")
    time.sleep(0.35)  # what is typed in the first 300 ms is dropped
    terminal.press("y")
    assert terminal.ended() == 0
    assert read_holder(folder / "paceline.db") is None
    assert not {"processing", "uncertain"} & states(folder).keys()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish_and_ends_with_its_number(
    tmp_path: Path, busy: Terminal, server: HoldingServer, number: signal.Signals
) -> None:
    busy.child.kill(number)
    busy.shows(f"{number.name}: draining", "DRAINING 1")
    server.release.set()
    assert busy.ended() == 128 + number
    assert server.taken == server.answered
    assert len(server.answered) == 1, "nothing new begins while it drains"
    assert states(tmp_path) == {"pending": 2, "completed": 1}
    with Reader(tmp_path / "paceline.db") as reader:
        assert reader.engine()["state"] == "stopped"
        assert reader.events(limit=1)[0]["actor"]


def test_a_second_signal_cuts_a_drain_and_what_was_in_flight_is_uncertain(
    tmp_path: Path, busy: Terminal, server: HoldingServer
) -> None:
    busy.child.kill(signal.SIGTERM)
    busy.shows("a second signal cuts")
    assert busy.child.isalive()
    busy.child.kill(signal.SIGTERM)
    assert busy.ended() == 128 + signal.SIGTERM
    assert not server.answered
    assert read_holder(tmp_path / "paceline.db") is None
    assert states(tmp_path) == {"pending": 2, "uncertain": 1}
    again = console(tmp_path, "--read-only")
    again.shows("uncertain in letters: sent or not?")
    again.close()


def test_a_dropped_line_signals_more_than_once_and_never_cuts(
    tmp_path: Path, busy: Terminal, server: HoldingServer
) -> None:
    """The kernel sends SIGHUP, the shell sends it on to its jobs, the session manager sends SIGTERM and SIGHUP."""
    busy.child.kill(signal.SIGHUP)
    busy.shows("SIGHUP: draining")
    for number in (signal.SIGHUP, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP):
        busy.child.kill(number)
    # What is typed while the terminal is set up again after SIGCONT is dropped.
    busy.until(lambda: "Failures" in busy.text or busy.press("4"))
    busy.shows("Failures", "DRAINING 1")
    server.release.set()
    assert busy.ended() == 128 + signal.SIGHUP
    assert states(tmp_path) == {"pending": 2, "completed": 1}


def test_leaving_twice_ends_at_once_and_says_what_is_uncertain_then(
    tmp_path: Path, busy: Terminal, server: HoldingServer
) -> None:
    busy.press("q")
    busy.shows("Drain the engine and stop?")
    time.sleep(0.35)  # what is typed in the first 300 ms is dropped
    busy.press("y")
    busy.shows("DRAINING 1")
    busy.press("\x03")
    busy.shows("End now, without waiting?", "1 in flight become uncertain")
    time.sleep(0.35)
    busy.press("y")
    assert busy.ended() == 1
    assert states(tmp_path) == {"pending": 2, "uncertain": 1}


def test_read_only_starts_no_engine_and_changes_nothing(folder: Path) -> None:
    terminal = console(folder, "--read-only")
    terminal.shows("NO ENGINE", "letters")
    assert read_holder(folder / "paceline.db") is None
    terminal.press("E")
    terminal.shows("--read-only")
    terminal.press("q")
    assert terminal.ended() == 0


def test_a_fault_of_the_screen_is_one_sentence_and_the_engine_drains(folder: Path) -> None:
    broken = folder / "broken" / "sitecustomize.py"
    broken.parent.mkdir()
    broken.write_text(
        "import tui.screens.failures as f\n"
        "def show(self, data, now): raise RuntimeError('a bug with a \\x1b]0;secret\\x07 in it')\n"
        "f.FailuresScreen.show = show\n"
    )
    terminal = console(folder, PYTHONPATH=f"{broken.parent}:{ROOT}")
    terminal.shows("EMBEDDED")
    terminal.press("4")
    assert terminal.ended() == 1
    said = terminal.raw.decode().rpartition("\x1b[?1049l")[2]
    assert "the screen met a fault (RuntimeError) and was closed" in said
    assert "Traceback" not in said and "a bug with" not in said
    assert "a bug with" in (folder / "paceline.db.console.log").read_text()
    with Reader(folder / "paceline.db") as reader:
        assert reader.engine()["state"] == "stopped"
    assert not {"processing", "uncertain"} & states(folder).keys()
