"""How soon something stands on the screen: the program against what any Python or Textual program needs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.console.figures import Figure
from benchmarks.console.stores import BULKS, Place
from benchmarks.console.terminal import PROGRAM, Terminal, console

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("it stands")
Bare().run(mouse=False)
"""


def _run(argv: Sequence[str]) -> tuple[float, float]:
    """Wall and processor seconds of one program that ends by itself."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, spent


def version(rounds: int) -> list[Figure]:
    """`paceline --version` against an interpreter that does nothing."""
    sides = {"ours": [PROGRAM, "--version"], "bare": [sys.executable, "-c", "pass"]}
    for argv in sides.values():
        _run(argv)
    found = {name: [] for name in sides}  # type: dict[str, list[tuple[float, float]]]
    for _ in range(rounds):
        for name, argv in sides.items():
            found[name].append(_run(argv))
    ours, bare = (statistics.median(wall for wall, _ in found[name]) for name in ("ours", "bare"))
    note = f"{ours * 1000:.0f} ms against {bare * 1000:.0f} ms"
    return [Figure("paceline --version / python -c pass", ours / bare, "{:.1f}x", 4.0, note)]


def first_paint(place: Place, rounds: int) -> list[Figure]:
    """From the start of the program to the first frame with a campaign of the store in it."""
    sides = {
        "bare": lambda: (Terminal([sys.executable, "-c", BARE]), "it stands"),
        "attached": lambda: (console(place, "--read-only"), BULKS[1].name),
        "embedded": lambda: (console(place), BULKS[1].name),
    }
    walls: dict[str, list[float]] = {name: [] for name in sides}
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, begin in sides.items():
            terminal, words = begin()
            try:
                wall = terminal.wait_for(words) - terminal.began
                cost = terminal.cpu()
            finally:
                terminal.close()
            if turn:  # the first turn fills the caches
                walls[name].append(wall)
                costs[name].append(cost)
    middle = {name: statistics.median(values) for name, values in walls.items()}
    cpu = {name: statistics.median(values) for name, values in costs.items()}
    return [
        Figure(
            f"first paint / bare Textual app, {words}",
            middle[name] / middle["bare"],
            "{:.2f}x",
            1.5,
            f"{middle[name] * 1000:.0f} ms against {middle['bare'] * 1000:.0f} ms; "
            f"processor {cpu[name] / cpu['bare']:.2f}x",
        )
        for name, words in (("attached", "no engine started"), ("embedded", "engine started with it"))
    ]
