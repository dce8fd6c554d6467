"""`campaign.toml`: a campaign written as a file, with template and recipients beside it."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from engine.config_errors import key_lines
from storage.errors import UsageError
from tui.cli.importing import Source
from tui.cli.letters import Letter, read_letter
from tui.cli.output import Json
from tui.cli.tuning import check_window

_TEXT = ("name", "account", "subject", "template", "text", "html", "recipients", "group_by", "sheet", "encoding")
_KINDS: dict[str, type] = {
    **dict.fromkeys(_TEXT, str),
    "delimiter": str,
    "from_name": str,
    "from_address": str,
    "reply_to": str,
    "cold": bool,
    "identity": str,
    "priority": int,
    "weight": int,
    "concurrency": int,
    "headers": dict,
    "pacing": dict,
    "window": dict,
    "map": dict,
    "attachments": list,
}
_WORDS = {str: "text in quotes", int: "a whole number", dict: "a table", list: "a list", bool: "true or false"}
_SETTINGS = ("from_name", "from_address", "reply_to", "cold", "identity")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What a campaign.toml says; `source` is None when it names no recipients."""

    name: str
    account: str
    letter: Letter
    pacing: Json = field(default_factory=dict)
    window: Json = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    priority: int = 5
    weight: int = 1
    concurrency: int | None = None
    source: Source | None = None


def read_plan_file(place: Path) -> PlanFile:
    """Read a campaign.toml, or the one in a folder, and the message files it names.

    Raises UsageError naming file, line and key.
    """
    from engine.planning.pacing import Pacing

    path = place / "campaign.toml" if place.is_dir() else place
    tree = _parsed(path)
    folder = path.parent
    pacing, window = tree.get("pacing", {}), _window(tree.get("window", {}))
    try:
        Pacing.from_dict(pacing)
        if window:
            check_window(window)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    beside = {key: folder / tree[key] for key in ("template", "text", "html", "recipients") if key in tree}
    letter = read_letter(
        beside.get("template"),
        subject=tree.get("subject"),
        text=beside.get("text"),
        html=beside.get("html"),
        headers=tuple(f"{name}={value}" for name, value in tree.get("headers", {}).items()),
        attach=tuple(folder / str(name) for name in tree.get("attachments", [])),
    )
    source = None
    if "recipients" in beside:
        mapping = {str(column): str(name) for column, name in tree.get("map", {}).items()}
        more = {key: tree.get(key) for key in ("group_by", "sheet", "encoding", "delimiter")}
        source = Source(beside["recipients"], mapping, **more)
    return PlanFile(
        name=tree["name"],
        account=tree["account"],
        letter=letter,
        pacing=pacing,
        window=window,
        settings={key: tree[key] for key in _SETTINGS if key in tree},
        priority=tree.get("priority", 5),
        weight=tree.get("weight", 1),
        concurrency=tree.get("concurrency"),
        source=source,
    )


def _window(table: Json) -> Json:
    """A window's table with its dates as text: TOML has dates of its own, the engine's socket has none."""
    closed = table.get("closed")
    if not isinstance(closed, list):
        return table
    return {**table, "closed": [day.isoformat() if isinstance(day, date) else day for day in closed]}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8-sig")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file", hint="name a campaign.toml or its folder") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text", hint="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}", hint='text stands in quotes: key = "value"') from None
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"{path} cannot be read: {reason}", hint="check the path and its rights") from None
    lines = key_lines(text)
    for key, value in tree.items():
        where = f"{path}:{lines.get((key,), 1)}: {key}"
        wanted = _KINDS.get(key)
        if wanted is None:
            close = difflib.get_close_matches(key, _KINDS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(_KINDS)}"
            raise UsageError(f"{where}: there is no such key", hint=hint)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise UsageError(f"{where}: must be {_WORDS[wanted]}", hint="docs/cli.md shows a campaign.toml")
    for key in ("name", "account"):
        if key not in tree:
            raise UsageError(f"{path}: {key} is required", hint=f'{key} = "..."')
    return tree
