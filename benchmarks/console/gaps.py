"""Whether the screen can delay a send: the longest time without an accepted message while the screen does its worst."""

from __future__ import annotations

import time

from benchmarks.console.cost import WIDE, rush
from benchmarks.console.figures import Figure
from benchmarks.console.relay import Relay
from benchmarks.console.stores import Place
from benchmarks.console.terminal import Terminal, console

STALL = 10.0
SIZES = ((200, 50), (80, 24), (132, 43), (61, 16), (240, 67))


def _nothing(terminal: Terminal) -> None:
    time.sleep(8)


def _sorts(terminal: Terminal) -> None:
    """Sort every job by due time, by last change, by id, and turn each order round."""
    terminal.send("3")
    terminal.settle()
    for key in "sSsSsS":
        terminal.send(key)
        time.sleep(1.0)
        terminal.settle()


def _storm(terminal: Terminal) -> None:
    for turn in range(300):
        terminal.resize(*SIZES[turn % len(SIZES)])
        time.sleep(0.02)
    terminal.settle()


def _stalled(terminal: Terminal) -> None:
    """A terminal that reads nothing for ten seconds while the screen wants to draw and keys still come."""
    terminal.stall()
    end = time.perf_counter() + STALL
    while time.perf_counter() < end:
        terminal.send("j")
        time.sleep(0.1)
    terminal.go_on()
    time.sleep(1)


def gaps(place: Place) -> list[Figure]:
    """The engine inside the console sends steadily; each trouble is measured for its own time."""
    figures = []
    with Relay() as relay:
        place.relay(relay.port)
        terminal = console(place, size=WIDE)
        try:
            terminal.wait_to_show("EMBEDDED")
            with rush(place):
                time.sleep(3)
                for what, trouble, goal in (
                    ("the screen at rest, to compare", _nothing, None),
                    ("every job sorted, six times", _sorts, 100),
                    ("300 resizes in 6 s", _storm, 100),
                    ("a terminal stalled for 10 s", _stalled, 100),
                ):
                    begin = time.perf_counter()
                    trouble(terminal)
                    gap = relay.longest_gap(begin, time.perf_counter())
                    figures.append(Figure(f"longest gap between messages: {what}", gap * 1000, "{:.0f} ms", goal))
        finally:
            terminal.close()
    return figures
