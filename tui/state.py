"""What the console keeps between runs: theme, way to tell times, last view, and the shape of each list.

    kept = KeptState(folder / "console.json")
    shape = kept.shape("jobs")                                  # as it was left, or ListShape() for a first time
    kept.keep_shape("jobs", replace(shape, columns=("id", "state")))

The file belongs to its owner alone (0600) and is replaced in one step. One that is damaged, unreadable or from another
version costs the memory of what it held, nothing else: each value is checked where it is read. Two consoles may share
it: a change writes its own value over what the file holds then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.files import write_private

LARGEST = 1 << 20
"""Bytes beyond which the file is none of ours."""
FILE = "console.json"


@dataclass(frozen=True, slots=True)
class ListShape:
    """How one list is shown. `columns` holds the names of the shown ones, in their order (None: the list's own choice).
    `sort` names an order ("": the list's own)."""

    sort: str = ""
    descending: bool = False
    columns: tuple[str, ...] | None = None


class KeptState:
    """Values by name. With `path` None nothing outlives the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._values = self._read()

    def text(self, name: str) -> str:
        """The text kept under `name`, "" where there is none."""
        value = self._values.get(name)
        return value if isinstance(value, str) and value.isprintable() else ""

    def keep_text(self, name: str, value: str) -> None:
        if self.text(name) != value:
            self._keep((name,), value)

    def shape(self, view: str) -> ListShape:
        """How the list of this view was left."""
        lists = self._values.get("lists")
        found = lists.get(view) if isinstance(lists, dict) else None
        if not isinstance(found, dict):
            return ListShape()
        sort, columns = found.get("sort"), found.get("columns")
        names = tuple(name for name in columns if isinstance(name, str)) if isinstance(columns, list) else ()
        return ListShape(sort if isinstance(sort, str) else "", found.get("descending") is True, names or None)

    def keep_shape(self, view: str, shape: ListShape) -> None:
        if self.shape(view) != shape:
            columns = list(shape.columns) if shape.columns is not None else None
            self._keep(("lists", view), {"sort": shape.sort, "descending": shape.descending, "columns": columns})

    def _keep(self, place: tuple[str, ...], value: Any) -> None:
        self._values = self._read() or self._values
        table = self._values
        for name in place[:-1]:
            inner = table.get(name)
            table[name] = table = inner if isinstance(inner, dict) else {}
        table[place[-1]] = value
        if self._path is not None:
            write_private(self._path, json.dumps(self._values, indent=1) + "\n")

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as file:
                values = json.loads(file.read(LARGEST))
        except (OSError, ValueError, RecursionError):
            return {}
        return values if isinstance(values, dict) else {}
