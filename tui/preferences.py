"""What an operator has set for the console, gathered from its files before the screen opens."""

from __future__ import annotations

from dataclasses import dataclass, field

from tui.keymap import Keymap


@dataclass(frozen=True, slots=True)
class Preferences:
    """`accent` names the colour of the first row ("": none of its own); `notices` are sentences to show first, what is
    wrong with the files among them."""

    keymap: Keymap = field(default_factory=Keymap)
    theme: str = "terminal"
    accent: str = ""
    notices: tuple[str, ...] = ()
