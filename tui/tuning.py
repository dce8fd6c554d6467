"""Other limits, another share or another window from now on: done, remembered for undo, answered with the new end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from storage.errors import PacelineError
from storage.queue_facts import active_campaigns
from storage.reader import Reader
from tui.actions import Row
from tui.ends import End, ends_of, told
from tui.format import clock
from tui.lookup import action
from tui.undo import BY_ANSWER, undo_of_tuning

if TYPE_CHECKING:
    from engine.config import Config
    from tui.acting import Acting

TUNINGS = tuple(BY_ANSWER)
"""The actions that are done here."""


async def tune(console: Acting, id: str, args: Row) -> Row:
    """Do a tuning by its control action; its answer, with the new ends in the message. Raises PacelineError."""
    title, name = action(id).title, str(args["name"])
    console.say(f"{title} {name} ...")
    result: Row = await asyncio.wrap_future(console.link.call(id, args))
    if not args.get("dry_run"):
        console.undos.add(undo_of_tuning(id, title, name, result, console.now()))
    ends = [] if args.get("dry_run") else await _ends(console, id, name)
    sentence = told(ends, [clock(end.at, console.now()) for end in ends])
    text = f"{result['message']}; {sentence}" if sentence else str(result["message"])
    console.say(f"ok: {text}", "good")
    return {**result, "message": text}


async def _ends(console: Acting, id: str, name: str) -> list[End]:
    config = await asyncio.to_thread(_config, console)

    def load(reader: Reader, now: int) -> Row:
        if id == "queue.tune":
            names = active_campaigns(reader, name)
        else:
            names = [name] if reader.campaign(name)["state"] == "active" else []
        return {"ends": ends_of(reader, config, names, now)}

    try:
        found = await console.read_apart(load)
    except PacelineError:
        return []  # what was tuned is tuned; only its end is not known
    ends: list[End] = found["ends"]
    return ends


def _config(console: Acting) -> Config | None:
    try:
        return console.load_config()
    except PacelineError:
        return None
