"""`y`: the name or id under the cursor, to the terminal's clipboard and to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tui.actions import Target
from tui.files import write_private

if TYPE_CHECKING:
    from textual.app import App

    from tui.screens.view import ViewScreen

    Base = App[int]
else:
    Base = object

FIELDS = {"campaign": "name", "queue": "name", "job": "id", "group": "raw_key", "event": "text"}
"""What names a thing, by the scope of its target."""


def copied_of(targets: list[Target]) -> str:
    """What `y` takes: the name or id of the nearest thing, "" where nothing has one."""
    return next((str(target.row[FIELDS[target.scope]]) for target in targets if target.scope in FIELDS), "")


class Copying(Base):
    """Whether a terminal took an OSC 52 sequence cannot be known, so the text is always kept in a file too."""

    state: Path | None

    @property
    def view(self) -> ViewScreen | None:
        raise NotImplementedError

    def say(self, text: str, style: str = "") -> None:
        raise NotImplementedError

    def action_copy(self) -> None:
        text = copied_of(self.view.targets()) if self.view is not None else ""
        if not text:
            self.say("y: there is nothing here to copy")
            return
        self.copy_to_clipboard(text)
        path = self.state / "copied" if self.state is not None else None
        kept = f"; also in {path}" if path is not None and write_private(path, text + "\n") else ""
        self.say(f"copied '{text}' if this terminal takes OSC 52{kept}")
