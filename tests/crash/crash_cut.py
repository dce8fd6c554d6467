"""One engine in this process behind a proxy that cuts."""

from __future__ import annotations

from pathlib import Path

from tests.crash.crash_world import Receiver, World
from tests.support.proxy import running_proxy


def cut_at(
    phase: str, folder: Path, receiver: Receiver, *, n: int, at: tuple[int, ...]
) -> tuple[World, frozenset[str]]:
    """Send to `n` people while the conversation is cut at these passages of `phase`; returns the world and whose
    messages were cut ("" for a cut before the recipient was named)."""
    world = World(folder, receiver, n, concurrency=5)
    with running_proxy(receiver.port, cut=phase, at=at) as proxy:
        world.connect(proxy.port)
        world.restart()
        return world, frozenset(proxy.cuts)
