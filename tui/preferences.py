"""What an operator has set for the console, gathered from its files before the screen opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tui.glance import Glance
from tui.keymap import Keymap, keys_path, load_keymap


@dataclass(frozen=True, slots=True)
class Preferences:
    """`accent` names the colour of the first row ("": none of its own); `notices` are sentences to show first, what is
    wrong with the files among them."""

    keymap: Keymap = field(default_factory=Keymap)
    theme: str = "terminal"
    accent: str = ""
    notices: tuple[str, ...] = ()


def gather(seen: Glance, config_path: Path) -> Preferences:
    """What the files beside and in a configuration ask for; never raises for a mistake in the map of keys."""
    keymap, wrong = load_keymap(keys_path(config_path))
    return Preferences(keymap, seen.theme, seen.accent, wrong)
