"""What `z` takes back: the reverse of the last change that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from storage.model import SECOND
from tui.actions import Row
from tui.sequence_steps import stored

CANCEL_GRACE = 10 * SECOND
KEPT = 10
"""Changes that are remembered."""

Reverse = tuple[str, Callable[[Row], dict[str, Any]]]


def _name(row: Row) -> dict[str, Any]:
    return {"name": row["name"]}


REVERSE: dict[str, Reverse] = {
    "campaign.pause": ("campaign.resume", _name),
    "campaign.resume": ("campaign.pause", _name),
    "campaign.cancel": ("campaign.undo_cancel", _name),
    "campaign.live": ("campaign.live", lambda row: {"name": row["name"], "live": row["live"]}),
    "step.remove": ("campaign.edit", lambda row: {"name": row["name"], "steps": stored(row)}),
    "alarm.ack": ("alarm.unack", lambda row: {"id": row["id"]}),
    "queue.pause": ("queue.resume", _name),
    "schedule.disable": ("schedule.enable", _name),
    "schedule.enable": ("schedule.disable", _name),
    "engine.pause": ("engine.resume", lambda row: {}),
    "engine.resume": ("engine.pause", lambda row: {}),
}
"""By the action's id: the control action that takes it back, and its arguments out of the row as it was before."""

BY_EVENT: dict[str, int | None] = {
    "job.retry": None, "jobs.retry": None, "failures.retry": None, "campaign.retry": None,
    "approval.approve": None, "approvals.approve": None,
    "job.cancel": CANCEL_GRACE, "jobs.cancel": CANCEL_GRACE,
}  # fmt: skip
"""Acts on jobs, taken back by the events that they wrote; with the time (us) in which that can be done (None: until
they are tried)."""

BY_ANSWER: dict[str, Callable[[Row], dict[str, Any] | None]] = {
    "queue.tune": lambda result: {"exactly": result["was"]} if result["was"] != result["tuning"] else None,
    "campaign.tune": lambda result: result["was"],
}
"""Tunings, taken back by the same control action with what its answer says was before (None: nothing was changed)."""


def _added_again(result: Row) -> dict[str, Any] | None:
    return {"entries": result["entries"], "source": "undo"} if result.get("entries") else None


BY_RESULT: dict[str, tuple[str, Callable[[Row], dict[str, Any] | None]]] = {
    "suppression.add": ("suppression.remove", lambda result: {"ids": result["ids"]} if result.get("ids") else None),
    "recipients.suppress": ("suppression.remove", lambda result: {"ids": result["ids"]} if result.get("ids") else None),
    "suppression.remove": ("suppression.add", _added_again),
}
"""What is taken back by another control action, with arguments that the answer told (None: nothing was changed)."""


class Undo(NamedTuple):
    """One change that can be taken back; `until` (microseconds, None: for as long as it makes sense)."""

    title: str
    control: str
    args: dict[str, Any]
    at: int
    until: int | None = None

    def open(self, now: int) -> bool:
        return self.until is None or now < self.until


def undo_of(action_id: str, title: str, row: Row, now: int) -> Undo | None:
    reverse = REVERSE.get(action_id)
    if reverse is None:
        return None
    control, args = reverse
    name = row.get("name", "")
    return Undo(
        f"{title} {name}".strip(),
        control,
        args(row),
        now,
        now + CANCEL_GRACE if action_id == "campaign.cancel" else None,
    )


def undo_of_act(action_id: str, title: str, events: list[int], now: int) -> Undo | None:
    """The reverse of an act on jobs that wrote these events."""
    if action_id not in BY_EVENT or not events:
        return None
    limit = BY_EVENT[action_id]
    return Undo(title, "job.undo", {"events": events}, now, now + limit if limit is not None else None)


def undo_of_tuning(action_id: str, title: str, name: str, result: Row, now: int) -> Undo | None:
    """The reverse of a tuning of the queue or campaign `name` that was answered by `result`."""
    before = BY_ANSWER[action_id](result)
    return None if before is None else Undo(f"{title} {name}", action_id, {"name": name, **before}, now)


def undo_of_result(action_id: str, title: str, result: Row, now: int) -> Undo | None:
    """The reverse of a change whose answer says what it did."""
    if action_id not in BY_RESULT:
        return None
    control, args_of = BY_RESULT[action_id]
    args = args_of(result)
    return Undo(title, control, args, now) if args is not None else None


class UndoList:
    """The last changes that can be taken back, newest first."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._undos: list[Undo] = []

    def add(self, undo: Undo | None) -> None:
        """Remember a change; None, a change that has no reverse, is no entry."""
        if undo is not None:
            self._undos = [undo, *self._undos][: self._kept]

    def drop(self, undo: Undo) -> None:
        """Forget a change that has been taken back."""
        self._undos = [other for other in self._undos if other is not undo]

    def open(self, now: int) -> list[Undo]:
        """Those that can still be taken back at `now` (us)."""
        return [undo for undo in self._undos if undo.open(now)]
