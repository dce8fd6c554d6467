"""Writing one message that waits for approval: literal text, of which nothing is filled in any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tui.actions import Row
from tui.screens.editor import EditorScreen

SUBJECT = "Subject: "


def document(subject: str, body: str) -> str:
    """The subject on top of a part; without one the part alone (a note, a JSON body)."""
    return f"{SUBJECT}{subject}\n\n{body}" if subject else body


def parts_of(content: str, part: str) -> dict[str, Any]:
    """What a document says: the part, and the subject where one stands on top."""
    head, _, rest = content.partition("\n")
    if not head.startswith(SUBJECT):
        return {part: content}
    return {"subject": head.removeprefix(SUBJECT).strip(), part: rest.removeprefix("\n")}


class OwnTextScreen(EditorScreen):
    """`shown` is the message as it would leave (`approval.show`); the other arguments are those of `EditorScreen`."""

    MODE = "approvals"

    def __init__(self, job_id: int, part: str, shown: Row, keep: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        super().__init__(f"job {job_id}", part, document(shown["subject"], shown[part]), keep)
        self._two_parts = part == "text" and bool(shown["html"])

    def crumb(self) -> str:
        return f"Approvals > {self._campaign} > {self._part}"

    def read_back(self, content: str) -> dict[str, Any]:
        return parts_of(content, self._part)

    def about(self, given: dict[str, Any]) -> str:
        return "it is sent as it stands: its HTML part is left out" if self._two_parts else "it is sent as it stands"

    def hint(self) -> str:
        return "nothing in it is a field: what is approved is what is sent"
