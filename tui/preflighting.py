"""A preflight as console and command line ask for it: the engine where one runs, else a look at the store from here.

The engine sees its own environment and its own network, which is what counts. Without one nothing is locked or changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.config import Config
from storage.lock import read_holder
from storage.model import Actor
from storage.reader import Reader

T = TypeVar("T")
Found = dict[str, Any]
"""A preflight as `engine.preflight.findings.Report.to_json` gives it."""

READING, CONNECTED = "campaign.preflight", "campaign.preflight_connected"


def preflight(
    database: Path, load_config: Callable[[], Config], name: str, actor: Actor, *, now: int, connect: bool = False
) -> Found:
    """All that would go wrong with a campaign at `now` (us UTC). `connect` logs in at the account's server: no
    read-only program may ask for that. Raises PacelineError."""
    from tui.client import SocketControl

    holder = read_holder(database)
    if holder is None or holder.role == "command":
        return look(database, load_config(), name, now=now, connect=connect)
    control = SocketControl(holder.socket, actor)
    try:
        return control.call(CONNECTED if connect else READING, {"name": name})
    finally:
        control.close()


def look(database: Path, config: Config, name: str, *, now: int, connect: bool = False) -> Found:
    """The same without an engine; blocks. Raises PacelineError."""
    from engine.channels.make import make_channel
    from engine.control.preflight import logging_in
    from engine.preflight.examine import examine

    async def read(look: Callable[[Reader], T]) -> T:
        with Reader(database) as reader:
            return look(reader)

    logs_in = logging_in(make_channel) if connect else None
    return asyncio.run(examine(read, config, name, now=now, connect=logs_in)).to_json()


def verdict(found: Found) -> str:
    """What all the lines come to."""
    sums = found["sums"]
    more = [f"{sums[kind]} {word}" for kind, word in (("warns", "to know"), ("skipped", "not checked")) if sums[kind]]
    if sums["refuses"]:
        return ", ".join([f"{sums['refuses']} in the way", *more])
    return ", ".join(["nothing is in the way", *more])


def examples(finding: Found) -> list[str]:
    """The people that a finding names, each with its row in the file."""
    return [
        f"row {person['row']} {person['recipient']}" + (f" ({person['note']})" if person["note"] else "")
        for person in finding["examples"]
    ]
