"""Several consoles at one engine: they see each other's actions, and outlive the engine's death."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.lock import read_holder
from storage.reader import Reader
from tests.console.world import World
from tests.support.terminals import Terminal, console


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    world.campaign("letters", 400, pacing={"mode": "steady", "rate": "5/s"})
    world.close()
    return tmp_path


def start_engine(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tui", "--db", str(folder / "paceline.db"), "--config", str(folder / "paceline.toml"),
         "engine", "run"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert "engine runs on" in child.stderr.readline()
    return child


@pytest.fixture
def engine(folder: Path) -> Iterator[subprocess.Popen[str]]:
    child = start_engine(folder)
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def ana(folder: Path, engine: subprocess.Popen[str]) -> Iterator[Terminal]:
    made = console(folder, PACELINE_USER="ana", size=(100, 30))
    made.shows(f"ATTACHED {engine.pid}", "letters")
    yield made
    made.close()


@pytest.fixture
def ben(folder: Path, engine: subprocess.Popen[str]) -> Iterator[Terminal]:
    made = console(folder, PACELINE_USER="ben", size=(100, 30))
    made.shows(f"ATTACHED {engine.pid}", "letters")
    yield made
    made.close()


def test_each_sees_what_the_other_does_with_the_name(ana: Terminal, ben: Terminal) -> None:
    ana.press("2")
    ana.shows("WHY  letters:")
    ana.press("p")
    ana.shows("ok: paused")
    ben.shows("ana paused letters")
    ben.press("2")
    ben.shows("| paused")
    ben.press("P")
    ben.shows("> running")
    ana.shows("ben resumed letters", "> running")


def test_a_killed_engine_leaves_a_usable_screen_that_says_so_and_finds_the_next_one(
    folder: Path, engine: subprocess.Popen[str], ana: Terminal, ben: Terminal
) -> None:
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    for terminal in (ana, ben):
        terminal.shows(f"pid {engine.pid}", "is gone", "Nothing is sent while no engine runs", "LOST")
    assert read_holder(folder / "paceline.db") is None, "nobody starts an engine by itself after a death"
    ana.press("2")
    ana.shows("Campaigns", "letters", "STALE")
    ana.press("p")
    ana.until(lambda: "is gone" in ana.rows[-2] or "lost" in ana.rows[-2])
    ana.press("9")
    ana.shows("Log")
    ana.press("1")
    again = start_engine(folder)
    try:
        ana.press("\x12")  # ^r looks at once; its own word may come last
        ana.shows(f"ATTACHED {again.pid}")
        ben.shows(f"ATTACHED {again.pid}", "back after")
        for terminal in (ana, ben):
            terminal.until(lambda screen=terminal: "STALE" not in screen.text)
        ana.press("2")
        ana.shows("WHY  letters:")
        ana.press("p")
        ben.shows("ana paused letters")
        with Reader(folder / "paceline.db") as reader:
            ana.until(lambda: reader.campaign("letters")["state"] == "paused")
    finally:
        again.terminate()
        assert again.wait(60) == 0
    ana.press("1")
    ana.shows("LOST")
    ana.press("q")
    assert ana.ended() == 0


def test_leaving_an_attached_console_leaves_the_engine_alone(
    folder: Path, engine: subprocess.Popen[str], ana: Terminal
) -> None:
    ana.press("q")
    assert ana.ended() == 0
    ben = console(folder, PACELINE_USER="ben")
    ben.shows(f"ATTACHED {engine.pid}")
    ben.child.kill(signal.SIGTERM)
    assert ben.ended() == 128 + signal.SIGTERM
    assert engine.poll() is None
    holder = read_holder(folder / "paceline.db")
    assert holder is not None and holder.pid == engine.pid


def test_an_engine_that_does_not_answer_keeps_nobody_from_leaving(engine: subprocess.Popen[str], ana: Terminal) -> None:
    ana.press("2")
    ana.shows("WHY  letters:")
    engine.send_signal(signal.SIGSTOP)
    try:
        ana.press("p")
        ana.press("4")
        ana.shows("Failures")
        ana.press("q")
        assert ana.ended() == 0
    finally:
        engine.send_signal(signal.SIGCONT)
