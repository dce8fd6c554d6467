"""How soon the list answers a key, with few jobs and with millions, and what the answer costs the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from benchmarks.console.figures import Figure, p95
from benchmarks.console.stores import Place
from benchmarks.console.terminal import Terminal, console

DOWN, PAGE_DOWN, END, HOME = "j", "\x1b[6~", "\x1b[F", "\x1b[H"
QUIET = 0.08
"""Seconds without a byte after which the answer to a key is complete."""
KEYS = {"down": (DOWN, 10), "page down": (PAGE_DOWN, 25), "End": (END, 60)}
"""A key and its goal in milliseconds, p95."""


def answer(terminal: Terminal, key: str) -> float:
    """Milliseconds from the key to the last byte of what it changed; raises TimeoutError when nothing changes."""
    before = len(terminal.written)
    pressed = terminal.send(key)
    end = pressed + 5
    while len(terminal.written) == before:
        if time.perf_counter() > end:
            raise TimeoutError(f"no answer to {key!r}:\n{terminal.text()}")
        time.sleep(0.0002)
    return (terminal.settle(QUIET) - pressed) * 1000


def _rounds(name: str, times: int) -> Iterable[Callable[[Terminal], float]]:
    key = KEYS[name][0]

    def press(terminal: Terminal) -> float:
        return answer(terminal, key)

    def there_and_back(terminal: Terminal) -> float:
        took = answer(terminal, END)
        answer(terminal, HOME)
        return took

    return [there_and_back if name == "End" else press for _ in range(times)]


def keys(small: Place, large: Place, times: int) -> list[Figure]:
    """p95 of each key at the large store, and as a ratio to the small one; the two take turns."""
    terminals = {"small": console(small, "--read-only"), "large": console(large, "--read-only")}
    figures: list[Figure] = []
    try:
        for terminal in terminals.values():
            terminal.wait_for("newsletter")
            terminal.send("3")
            terminal.wait_for("person.0000001")
            terminal.settle()
        for name, (_, goal) in KEYS.items():
            taken: dict[str, list[float]] = {side: [] for side in terminals}
            spent = {side: terminal.cpu() for side, terminal in terminals.items()}
            for press in _rounds(name, times):
                for side, terminal in terminals.items():
                    taken[side].append(press(terminal))
            cost = {side: (terminal.cpu() - spent[side]) / times * 1000 for side, terminal in terminals.items()}
            slow, fast = p95(taken["large"]), p95(taken["small"])
            note = f"processor {cost['large']:.1f} ms a key"
            figures.append(Figure(f"{name}, p95", slow, "{:.1f} ms", goal, note))
            note = f"small store {fast:.1f} ms, processor {cost['small']:.1f} ms"
            figures.append(Figure(f"{name}, p95 / small store", slow / fast, "{:.2f}x", 1.3, note))
    finally:
        for terminal in terminals.values():
            terminal.close()
    return figures
