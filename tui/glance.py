"""What the first frame needs of `paceline.toml`, read at a glance.

The whole check loads a third of what a start imports, so it follows the first frame (`tui.starting`) and is never left
out. Nothing is judged here: what is not plainly right makes no `Glance`, and the check itself is asked at once.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

from engine.console_names import Accent, ThemeName

LONGEST_ENVIRONMENT = 20


class Glance(NamedTuple):
    """How the console looks at first; `accent` "" is none, `zone` that of local times."""

    environment: str = "dev"
    zone: tzinfo = UTC
    theme: str = "terminal"
    accent: str = ""
    mouse: bool = False


def glance(path: Path) -> Glance | None:
    """What the file says of the console; None where only the whole check can tell what it says."""
    try:
        return _seen(tomllib.loads(path.read_bytes().decode("utf-8-sig")))
    except (OSError, ValueError, LookupError, RecursionError):  # no file, no text, no TOML, no such zone
        return None


def thorough(path: Path) -> Glance:
    """The same by the whole check. Raises UsageError with every mistake of the file."""
    from engine.config import load_config

    config = load_config(path)
    console = config.console
    return Glance(config.environment, config.tz, console.theme, console.accent or "", console.mouse)


def _seen(tree: dict[str, Any]) -> Glance | None:
    environment, zone, table = tree.get("environment", "dev"), tree.get("zone", "UTC"), tree.get("console", {})
    if not (isinstance(environment, str) and isinstance(zone, str) and isinstance(table, dict)):
        return None
    theme, accent, mouse = table.get("theme", "terminal"), table.get("accent"), table.get("mouse", False)
    plain = (
        environment.isascii() and environment.isprintable() and 0 < len(environment) <= LONGEST_ENVIRONMENT
        and theme in get_args(ThemeName) and ("accent" not in table or accent in get_args(Accent))
        and isinstance(mouse, bool)
    )  # fmt: skip
    return Glance(environment, ZoneInfo(zone), theme, accent or "", mouse) if plain else None
