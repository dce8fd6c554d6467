"""The queue in front of the terminal: nobody waits, it stays small, and whoever dropped something is told to redraw."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.terminals import fill
from tui.terminal import encode
from tui.terminal_output import WAITING_LIMIT, TerminalOutput


@dataclass
class Line:
    """A pipe for a terminal: it reads only when a test does."""

    reads: int
    writes: int
    output: TerminalOutput
    caught_up: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    def stall(self) -> None:
        """Let the output's thread stand in a write, and drop something."""
        fill(self.writes)
        for _ in range(200):
            self.output.write("x" * 4096)

    def read(self) -> bytes:
        """What has come; nothing after a moment without: the output may be about to say that it has caught up."""
        ready, _, _ = select.select((self.reads,), (), (), 0.1)
        return os.read(self.reads, 1 << 20) if ready else b""


@pytest.fixture
def line() -> Iterator[Line]:
    reads, writes = os.pipe()
    caught_up, gone = threading.Event(), threading.Event()
    output = TerminalOutput(writes, "utf-8", caught_up=caught_up.set, gone=gone.set)
    output.start()
    made = Line(reads, writes, output, caught_up, gone)
    yield made
    output.last_words()
    os.close(reads)
    output.stop()
    os.close(writes)


def test_what_is_written_arrives_in_order(line: Line) -> None:
    for word in ("one ", "two ", "drei, 漢字"):
        line.output.write(word)
    came = b""
    while not came.endswith("字".encode()):
        came += line.read()
    assert came.decode() == "one two drei, 漢字"
    assert not line.caught_up.is_set()


def test_behind_a_reader_that_stopped_nothing_grows_and_it_is_told_when_all_is_read(line: Line) -> None:
    line.stall()
    assert line.output.waiting <= WAITING_LIMIT + 4096
    assert not line.caught_up.is_set()
    while not line.caught_up.wait(0):
        line.read()
    line.output.write("whole again")
    came = b""
    while not came.endswith(b"whole again"):
        came += line.read()


def test_last_words_do_not_stand_behind_what_nobody_reads(line: Line) -> None:
    line.stall()
    line.output.last_words()
    line.output.write("\x1b[?1049l")
    assert line.output.waiting == len("\x1b[?1049l")
    assert line.output.stop(0.05) is False
    line.output.write("after the end")
    assert line.output.waiting == len("\x1b[?1049l")


def test_a_reader_that_has_gone_is_told_once_and_what_follows_is_dropped(line: Line) -> None:
    reads, writes = os.pipe()
    gone = threading.Event()
    output = TerminalOutput(writes, "utf-8", caught_up=lambda: None, gone=gone.set)
    output.start()
    os.close(reads)
    output.write("nobody")
    assert gone.wait(30)
    output.write("still nobody")
    assert output.waiting == 0
    assert output.stop()
    os.close(writes)


def test_a_line_left_non_blocking_by_another_program_is_no_line_that_has_gone(line: Line) -> None:
    line.stall()
    os.set_blocking(line.writes, False)
    line.read()
    while not line.caught_up.wait(0):
        line.read()
    assert not line.gone.is_set()


def test_what_an_encoding_lacks_keeps_its_cells() -> None:
    assert encode("é漢e\u0301\ud800", "iso8859-1") == b"\xe9??e?"
    assert encode("é漢", "ascii") == b"???"
    assert encode("é\ud800", "utf-8") == "é?".encode()
