"""Deciding in the console: the reason of a rejection asked for at the prompt, the text of one message written anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tui.actions import Action, Row

if TYPE_CHECKING:
    from tui.acting import Acting

REJECTS = ("approval.reject", "approvals.reject")


def ask_reason(console: Acting, action: Action, row: Row) -> None:
    """Ask why; an empty line leaves everything as it is."""
    if console.view is None:
        return

    def then(text: str) -> None:
        if text.strip():
            console.begin(action, row, {"reason": text.strip()})
        else:
            console.say(f"{action.title}: nothing was changed")

    console.view.prompt.open("reject, because: ", on_submit=then)


async def write_text(console: Acting, row: Row) -> None:
    """Open the editor on a message as it would leave; what is kept is its own text from then on. Raises
    PacelineError."""
    from tui.screens.own_text import OwnTextScreen

    shown: Row = await asyncio.wrap_future(console.link.call("approval.show", {"job": row["id"]}))
    part = "text" if shown["text"].strip() or not shown["html"].strip() else "html"

    async def keep(given: dict[str, Any]) -> None:
        if part == "text" and shown["html"]:
            given = {"html": "", **given}
        args = {"job": row["id"], "seen": shown["seen"], **given}
        result = await asyncio.wrap_future(console.link.call("approval.edit", args))
        console.say(f"ok: {result['message']}", "good")

    await console.push_screen(OwnTextScreen(row["id"], part, shown, keep))
