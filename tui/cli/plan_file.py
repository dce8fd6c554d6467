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
from tui.cli.campaign_make import APPROVALS, approval_of
from tui.cli.importing import Source
from tui.cli.letters import Letter, read_letter, read_parts
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
    "accounts": list,
    "steps": list,
    "stop_on": list,
    "after_failure": str,
    "accept_within_days": int,
    "overlap": str,
    "list": str,
    "unsubscribe_scope": str,
    "approval": str,
    "approval_time": str,
}
_STEP_KINDS: dict[str, type] = {
    **dict.fromkeys(("subject", "template", "text", "html", "channel", "wait"), str),
    "headers": dict,
    "pacing": dict,
    "conditions": list,
    "attachments": list,
}
_WORDS = {str: "text in quotes", int: "a whole number", dict: "a table", list: "a list", bool: "true or false"}
_SETTINGS = (
    "from_name", "from_address", "reply_to", "cold", "identity", "stop_on", "after_failure", "accept_within_days",
    "overlap", "unsubscribe_scope",
)  # fmt: skip


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
    also: tuple[str, ...] = ()
    """Further accounts."""
    list_name: str = ""
    steps: tuple[Json, ...] = ()
    """The steps behind the first, as `campaign.new` takes them."""
    approval: Json = field(default_factory=dict)
    """`approval` and `approval_time`, as `campaign.new` takes them."""


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
    letter = read_letter(**_letter_files(folder, tree))
    source = None
    if "recipients" in tree:
        mapping = {str(column): str(name) for column, name in tree.get("map", {}).items()}
        more: dict[str, Any] = {key: tree.get(key) for key in ("group_by", "sheet", "encoding", "delimiter")}
        source = Source(folder / tree["recipients"], mapping, **more)
    accounts = _accounts(path, tree)
    return PlanFile(
        name=tree["name"],
        account=accounts[0],
        also=tuple(accounts[1:]),
        list_name=tree.get("list", ""),
        steps=tuple(_step(path, folder, number, step) for number, step in enumerate(tree.get("steps", []), start=2)),
        letter=letter,
        pacing=pacing,
        window=window,
        settings={key: tree[key] for key in _SETTINGS if key in tree},
        priority=tree.get("priority", 5),
        weight=tree.get("weight", 1),
        concurrency=tree.get("concurrency"),
        source=source,
        approval=_approval(path, tree),
    )


def _approval(path: Path, tree: Json) -> Json:
    """`approval` and `approval_time`. Raises UsageError naming file and key."""
    if (word := tree.get("approval", "none")) not in APPROVALS:
        raise UsageError(f"{path}: approval: {word[:40]!r} is none", hint=f"there are: {', '.join(APPROVALS)}")
    try:
        return approval_of(tree.get("approval"), tree.get("approval_time"))
    except UsageError as error:
        raise UsageError(f"{path}: approval_time: {error.message}", hint='approval_time = "7d"') from None


def _letter_files(folder: Path, table: Json) -> Json:
    """What `read_letter` reads for a table that names a message's files, which stand in `folder`."""
    return {
        **{key: folder / table[key] if key in table else None for key in ("template", "text", "html")},
        "subject": table.get("subject"),
        "headers": tuple(f"{name}={value}" for name, value in table.get("headers", {}).items()),
        "attach": tuple(folder / str(name) for name in table.get("attachments", [])),
    }


def _accounts(path: Path, tree: Json) -> list[str]:
    """`account`, or the `accounts`, the first one first."""
    given = tree.get("accounts", [])
    if any(not isinstance(name, str) for name in given) or ("accounts" in tree and not given):
        raise UsageError(f"{path}: accounts: must be a list of names", hint='accounts = ["first", "second"]')
    first = [tree["account"]] if "account" in tree else []
    return list(dict.fromkeys((*first, *given)))


def _step(path: Path, folder: Path, number: int, table: Any) -> Json:
    """A [[steps]] table as `campaign.new` takes it. Raises UsageError naming the file and the step."""
    where = f"{path}: step {number}"
    if not isinstance(table, dict):
        raise UsageError(f"{where}: must be a table", hint="docs/sequences.md shows a campaign.toml with steps")
    for key, value in table.items():
        _check(f"{where}: {key}", key, value, _STEP_KINDS)
    read = read_parts if table.get("channel") == "unipile" else read_letter
    try:
        letter = read(**_letter_files(folder, table))
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from None
    more = {key: table[key] for key in ("channel", "wait", "pacing") if key in table}
    more["conditions"] = [str(word) for word in table.get("conditions", [])]
    return {
        "subject": letter.subject, "text": letter.text, "html": letter.html, "headers": letter.headers,
        "attachments": letter.attachments, **more,
    }  # fmt: skip


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
        _check(where, key, value, _KINDS)
    for key in ("name", "account"):
        if key not in tree and not (key == "account" and "accounts" in tree):
            raise UsageError(f"{path}: {key} is required", hint=f'{key} = "..."')
    return tree


def _check(where: str, key: str, value: Any, kinds: dict[str, type]) -> None:
    wanted = kinds.get(key)
    if wanted is None:
        close = difflib.get_close_matches(key, kinds, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(kinds)}"
        raise UsageError(f"{where}: there is no such key", hint=hint)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise UsageError(f"{where}: must be {_WORDS[wanted]}", hint="docs/cli.md shows a campaign.toml")
