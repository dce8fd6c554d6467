"""`i`: the record under the cursor as the store holds it, as JSON; what no terminal should get is made visible."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from storage.inbox_facts import inbox_one
from storage.reader import Reader
from storage.task_facts import task
from tui.actions import Row, Target
from tui.screens.page import Page
from tui.secret_words import without_secrets
from tui.widgets.columns import Item, fixed, heading
from tui.widgets.lines import plain


def _job(reader: Reader, row: Row) -> Row:
    """A job; of a background job also what it was given and gave."""
    job: Row = reader.job(row["id"])
    work = task(reader, row["id"])
    return job if work is None else {**job, "task": without_secrets(work)}


READ: dict[str, Callable[[Reader, Row], Any]] = {
    "job": _job,
    "campaign": lambda reader, row: reader.campaign(row["name"]),
    "queue": lambda reader, row: next((queue for queue in reader.queues() if queue["name"] == row["name"]), row),
    "returned": lambda reader, row: inbox_one(reader, row["id"]) or row,
}
"""How the whole record of a scope is read; of the others the row under the cursor is all there is."""


def recorded(targets: list[Target]) -> Target | None:
    """The nearest thing that is a record: a set of marks and the engine are none."""
    return next((target for target in targets if target.scope not in ("marked", "engine")), None)


def as_json(record: Any) -> str:
    """A record as text to read; characters stand as they are."""
    return json.dumps(record, ensure_ascii=False, indent=2, default=str)


class RawScreen(Page):
    def __init__(self, mode: str, title: str, target: Target) -> None:
        super().__init__(mode, f"Record > {title}")
        self._target = target

    def reads(self) -> Callable[..., Any]:
        target = self._target
        read = READ.get(target.scope)
        return lambda reader, now: read(reader, target.row) if read is not None else target.row

    def items(self, data: Any, now: int) -> list[Item]:
        # Keys that stand in the order of the columns; times are microseconds UTC, as everywhere in the store.
        lines = as_json(data).splitlines()
        return [
            heading(f"{self._target.scope.upper()}  times in microseconds UTC"),
            *(fixed(plain(line), ("line", i)) for i, line in enumerate(lines)),
        ]
