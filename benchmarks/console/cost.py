"""What a console that stands open costs: memory, processor and bytes, at rest and while everything moves."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator

from benchmarks.console.figures import Figure
from benchmarks.console.relay import Relay
from benchmarks.console.stores import RUSH, Place
from benchmarks.console.terminal import PROGRAM, Terminal, console

WIDE = (200, 50)
RATE = 4
"""Frames a second of everything that is compared."""


@contextlib.contextmanager
def engine(place: Place) -> Iterator[None]:
    """A headless engine on the store."""
    argv = [PROGRAM, "--db", str(place.database), "--config", str(place.config)]
    running = subprocess.Popen(
        [*argv, "engine", "run"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while subprocess.run([*argv, "engine", "status"], capture_output=True, check=False).returncode:
            if time.monotonic() > end or running.poll() is not None:
                raise TimeoutError("the engine does not answer")
            time.sleep(0.2)
        yield
    finally:
        running.terminate()
        running.wait(30)


@contextlib.contextmanager
def rush(place: Place) -> Iterator[None]:
    """Let the campaign that is kept for it run, at its steady rate."""
    argv = [PROGRAM, "--db", str(place.database), "--config", str(place.config), "campaign"]
    subprocess.run([*argv, "resume", RUSH], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*argv, "pause", RUSH], check=True, capture_output=True)


def _spend(terminal: Terminal, seconds: float) -> tuple[float, float]:
    """Bytes a second and percent of one processor over a stretch of time."""
    written, cpu, began = len(terminal.written), terminal.cpu(), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    return (len(terminal.written) - written) / took, (terminal.cpu() - cpu) / took * 100


def _inside_a_minute(seconds: float) -> None:
    """Wait until the clock of the screen, which moves by the minute, stands for as long as this."""
    left = 60 - time.time() % 60
    if left < seconds + 1:
        time.sleep(left + 2)


def rest(place: Place, seconds: float) -> list[Figure]:
    """An attached console that shows the Overview, then Jobs, and nothing happens."""
    with engine(place):
        terminal = console(place)
        try:
            terminal.wait_for("newsletter")
            time.sleep(3)
            _inside_a_minute(seconds)
            bytes_, cpu = _spend(terminal, seconds)
            overview = terminal.memory()
            terminal.send("3")
            terminal.wait_for("person.0000001")
            for key in ("\x1b[F", "\x1b[H"):
                terminal.send(key)
                terminal.settle()
            jobs = terminal.memory()
        finally:
            terminal.close()
    note = f"{jobs.pss:.0f} shared ones divided, {jobs.own:.0f} its own; {overview.rss:.0f} before Jobs was opened"
    return [
        Figure("resident memory, attached, Jobs open", jobs.rss, "{:.1f} MiB", 64, note),
        Figure("at rest: bytes", bytes_, "{:.1f} B/s", 0),
        Figure("at rest: processor", cpu, "{:.2f} %", 0.5),
    ]


def _htop(seconds: float) -> float:
    """Bytes a second of htop at `RATE` frames a second (its delay is in tenths of a second)."""
    program = shutil.which("htop")
    if program is None:
        return 0.0
    terminal = Terminal([program, "-d", "2"], size=WIDE)
    try:
        time.sleep(2)
        return _spend(terminal, seconds)[0] / 5 * RATE
    finally:
        terminal.close()


def overview(place: Place, seconds: float) -> list[Figure]:
    """The Overview of a wide terminal while the engine sends, against htop in the same minute."""
    with Relay() as relay:
        place.relay(relay.port)
        with engine(place), rush(place):
            terminal = console(place, size=WIDE)
            try:
                terminal.wait_for("newsletter")
                time.sleep(3)
                sent = len(relay.accepted)
                bytes_, cpu = _spend(terminal, seconds)
                sent = len(relay.accepted) - sent
            finally:
                terminal.close()
            htop = _htop(seconds)
    note = f"processor {cpu:.1f} %, {sent / seconds:.0f} messages a second"
    found = [Figure("Overview under load, 200x50", bytes_ / 1000, "{:.1f} KB/s", 8, note)]
    if htop:
        ours = Figure("the same / htop at 4 Hz", bytes_ / htop, "{:.2f}x", 2, f"htop {htop / 1000:.1f} KB/s")
        found.append(ours)
    return found


def _change_rows(place: Place, stop: threading.Event) -> None:
    """Change the first 45 jobs `RATE` times a second: state, tries, due time and the server's words."""
    with contextlib.closing(sqlite3.connect(place.database, isolation_level=None, timeout=10)) as connection:
        rows = connection.execute(
            "SELECT id, state, attempts, due_at, last_error, error_key FROM jobs ORDER BY id LIMIT 45"
        ).fetchall()
        turn = 0
        while not stop.wait(1 / RATE):
            turn += 1
            connection.execute("BEGIN IMMEDIATE")
            for at, (id_, *_) in enumerate(rows):
                reply = f"451 4.7.{(turn + at) % 10} greylisted, attempt {turn} of {at}"
                connection.execute(
                    "UPDATE jobs SET attempts = ?, due_at = due_at + 1000000, last_error = ?, error_key = 'x', "
                    "updated_at = updated_at + 1 WHERE id = ?",
                    ((turn + at) % 10, reply, id_),
                )
            connection.execute("COMMIT")
        connection.executemany(
            "UPDATE jobs SET state = ?, attempts = ?, due_at = ?, last_error = ?, error_key = ? WHERE id = ?",
            [(*before, id_) for id_, *before in rows],
        )


def rows(place: Place, seconds: float) -> list[Figure]:
    """Jobs on a screen where 40 rows and more change with every frame."""
    stop = threading.Event()
    terminal = console(place, "--read-only", size=WIDE)
    writer = threading.Thread(target=_change_rows, args=(place, stop))
    try:
        terminal.wait_for("newsletter")
        terminal.send("3")
        terminal.wait_for("person.0000001")
        terminal.settle()
        writer.start()
        time.sleep(2)
        bytes_, cpu = _spend(terminal, seconds)
    finally:
        stop.set()
        writer.join()
        terminal.close()
    return [
        Figure("40 rows changing at 4 Hz: bytes", bytes_ / 1000, "{:.1f} KB/s", 28),
        Figure("40 rows changing at 4 Hz: processor", cpu, "{:.1f} %", 4),
    ]
