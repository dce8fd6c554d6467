"""`:diag`: who holds the store and how it fares, in figures to hand on with a question."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from storage import __version__
from storage.lock import lock_path, read_holder
from storage.reader import STATES, Reader
from tui.actions import Row
from tui.format import ago, clock, count, fit
from tui.screens.page import Page
from tui.widgets.columns import Item, blank, fixed, heading

FILES = (("database", ""), ("log of writes", "-wal"), ("lock", ".lock"), ("console's log", ".console.log"))


def load(reader: Reader, database: Path) -> Row:
    """What the store, its lock and its files say at this moment."""
    holder = read_holder(database)
    return {
        "engine": reader.engine(),
        "holder": {
            "pid": holder.pid, "host": holder.host, "role": holder.role, "socket": holder.socket,
            "since": holder.since,
        } if holder else None,
        "lock": str(lock_path(database)),
        "counts": reader.counts(),
        "sizes": [(title, _size(database.with_name(database.name + suffix))) for title, suffix in FILES],
        "free": shutil.disk_usage(database.parent).free,
        "database": str(database),
    }  # fmt: skip


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def size_text(size: int | None) -> str:
    """Bytes for a person: `412 MB`, `13.0 KB`, `-` for what is not there."""
    if size is None:
        return "-"
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << power:
            value = size / (1 << power)
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{size} B"


def versions() -> list[tuple[str, str]]:
    """What this console is made of."""
    return [
        ("paceline", __version__), ("python", platform.python_version()), ("sqlite", sqlite3.sqlite_version),
        ("textual", version("textual")), ("system", f"{platform.system()} {platform.release()}"),
    ]  # fmt: skip


class DiagnosisScreen(Page):
    def __init__(self, mode: str, database: Path) -> None:
        super().__init__(mode, "Diagnosis")
        self._database = database

    def reads(self) -> Callable[..., Any]:
        database = self._database
        return lambda reader, now: load(reader, database)

    def items(self, data: Row, now: int) -> list[Item]:
        parts = (
            ("ENGINE", self._engine(data, now)),
            ("STORE", self._store(data)),
            ("VERSIONS", versions()),
        )
        items: list[Item] = []
        for title, entries in parts:
            items += [blank(), heading(title)] if items else [heading(title)]
            for i, (name, text) in enumerate(entries):
                items.append(fixed(((fit(name, 18) + " ", "dim"), (text, "")), (title, i), text))
        return items

    def _engine(self, data: Row, now: int) -> list[tuple[str, str]]:
        link, holder, engine = self.console.link.state, data["holder"], data["engine"]
        beat = engine.get("heartbeat_at")
        found = [("link", f"{link.word}{f': {link.reason}' if link.reason else ''}")]
        if holder is None:
            found.append(("lock", f"{data['lock']} is free: nobody may send"))
        else:
            found += [
                ("lock", f"{data['lock']} is held by pid {holder['pid']} on {holder['host']} ({holder['role']})"),
                ("held since", clock(holder["since"], now, seconds=True)),
                ("socket", holder["socket"] or "none"),
            ]
        if beat:
            found.append(("heartbeat", f"{clock(beat, now, seconds=True)}, {ago(beat, now)} ago"))
        found.append(("paused as a whole", "yes" if engine.get("paused") else "no"))
        return found

    def _store(self, data: Row) -> list[tuple[str, str]]:
        jobs = sum(data["counts"][state] for state in STATES)
        sizes = [(title, size_text(size)) for title, size in data["sizes"]]
        return [
            ("file", data["database"]), ("schema", str(data["engine"].get("schema", "-"))), ("jobs", count(jobs)),
            *sizes, ("free on its disk", size_text(data["free"])),
        ]  # fmt: skip

    def chosen(self, row: str) -> None:
        self.console.copy_text(row)
