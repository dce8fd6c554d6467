"""One message to the operator's own address: asked for at the prompt, filled in for one person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import PacelineError
from storage.people_page import beside
from storage.reader import Reader
from tui.actions import Action, Row

if TYPE_CHECKING:
    from tui.acting import Acting


async def test_send(console: Acting, action: Action, row: Row, more: Row) -> None:
    """Ask for the address unless it was said, then send. Raises PacelineError: the server's own words."""
    to = more.get("to", "")
    if not to:
        _ask(console, action, row)
        return
    args = {**action.args(row), "to": to}
    if not row.get("person"):
        args["fields"] = await asyncio.to_thread(first_fields, console.database, row["id"])
    console.say(f"sending a test to {to} ...")
    result = await asyncio.wrap_future(console.link.call(action.control, args))
    console.say(f"ok: {result['message']}", "good")


def _ask(console: Acting, action: Action, row: Row) -> None:
    if console.view is None:
        return

    def then(text: str) -> None:
        if text.strip():
            console.begin(action, row, {"to": text.strip()})

    try:
        account = console.load_config().accounts.get(row["account"])
    except PacelineError:
        account = None
    own = account.mail.from_address if account and account.mail else ""
    console.view.prompt.open("send a test to: ", own, on_submit=then)


def first_fields(database: Path, campaign_id: int) -> dict[str, Any]:
    """The fields of a campaign's first person, as stored; none without one. For a thread of its own."""
    with Reader(database) as reader:
        found = beside(reader, campaign_id, 0, 0)
    return dict(found[0]["fields"]) if found else {}
