"""Suppressing from the console: whom is asked for at the prompt, what it stops stands in the question."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.control.suppressions import named
from storage.reader import Reader
from storage.suppression_pages import concerned
from tui.actions import Action, Row
from tui.cli.suppression import entries_named
from tui.screens.questions import QUESTIONS
from tui.undo import undo_of_result

if TYPE_CHECKING:
    from tui.acting import Acting


async def suppress(console: Acting, action: Action, row: Row, more: Row) -> None:
    """Ask whom unless it was said, tell what that stops, and do it. Raises PacelineError."""
    wanted = {**row, **more}
    wanted["value"] = str(wanted.get("value") or (row.get("address") or ""))
    if not wanted["value"]:
        _ask(console, action, row)
        return
    found = named(wanted["value"])
    key, domain, profile = (found.value if found.kind == kind else "" for kind in ("address", "domain", "profile"))

    def load(reader: Reader, now: int) -> Row:
        return {"kind": found.kind, "campaigns": concerned(reader, key, domain, profile)}

    facts = await console.read_once(load)
    question = QUESTIONS[action.id]({**wanted, "name": found.value}, facts, console.situation())
    if question is not None and await console.ask(question) is None:
        console.say(f"{action.title}: nothing was changed")
        return
    result = await asyncio.wrap_future(console.link.call(action.control, action.args(wanted)))
    console.undos.add(undo_of_result(action.id, f"{action.title} {found.value}", result, console.now()))
    console.say(f"ok: {result['message']}", "good")


def entry_named(reader: Reader, text: str) -> Row:
    """What an address, @domain, profile or id stands for on the list: the first of its entries, with the `ids` of all.
    Raises UsageError, NotFoundError."""
    rows = entries_named(reader, text)
    return {**rows[0], "name": rows[0]["value"], "ids": [row["id"] for row in rows]}


def _ask(console: Acting, action: Action, row: Row) -> None:
    if console.view is None:
        return

    def then(text: str) -> None:
        if text.strip():
            console.begin(action, row, {"value": text.strip()})

    console.view.prompt.open("suppress (address, @domain or profile): ", on_submit=then)
