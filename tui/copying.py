"""`y`: the name or id under the cursor, to the terminal's clipboard and to a file."""

from __future__ import annotations

from tui.actions import Target
from tui.base import ConsoleBase
from tui.files import write_private
from tui.safe_text import safe_text

FIELDS = {"campaign": "name", "queue": "name", "job": "id", "group": "raw_key", "event": "text", "returned": "id"}
"""What names a thing, by the scope of its target."""


def copied_of(targets: list[Target]) -> str:
    """What `y` takes: the name or id of the nearest thing, "" where nothing has one. Made safe, because what is
    copied gets pasted into a shell."""
    return next(
        (safe_text(target.row[FIELDS[target.scope]], 2_000) for target in targets if target.scope in FIELDS), ""
    )


class Copying(ConsoleBase):
    """Whether a terminal took an OSC 52 sequence cannot be known, so the text is always kept in a file too."""

    def action_copy(self) -> None:
        text = copied_of(self.view.targets()) if self.view is not None else ""
        if not text:
            self.say("y: there is nothing here to copy")
            return
        self.copy_text(text)

    def copy_text(self, text: str) -> None:
        """To the terminal's clipboard and to a file."""
        self.copy_to_clipboard(text)
        path = self.state / "copied" if self.state is not None else None
        kept = f"; also in {path}" if path is not None and write_private(path, text + "\n") else ""
        shown = safe_text(" ".join(text.split()), 60)
        self.say(f"copied '{shown}' if this terminal takes OSC 52{kept}")
