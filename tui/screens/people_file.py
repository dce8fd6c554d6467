"""A recipient file on its way into a campaign: what the operator chose, and what was found in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import PacelineError
from storage.nouns import RecipientRow
from storage.reader import Reader
from tui.cli.importing import Glance, Imported, Source, glance, known_keys, look_through, refusals
from tui.client import Control

OFFERS = 100


@dataclass(slots=True)
class PeopleFile:
    """`path` as it was typed, and what of the detection was overruled ("" : detected). `glance` and `checked` are what
    was found by the choices of `turn`; None while it is being read."""

    path: str = ""
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    grouped: bool = False
    mapping: dict[str, str] = field(default_factory=dict)
    turn: int = 0
    glance: Glance | None = None
    checked: Imported | None = None
    problem: str = ""
    busy: str = ""
    by_profile: bool = False
    """The campaign knows its people by their LinkedIn profile."""

    def source(self) -> Source:
        return Source(
            Path(self.path).expanduser(),
            dict(self.mapping),
            "address" if self.grouped else None,
            self.sheet or None,
            self.encoding or None,
            self.delimiter or None,
            self.by_profile,
        )

    def changed(self) -> int:
        """Forget what was found by other choices; returns the number of these."""
        self.turn += 1
        self.glance = self.checked = None
        self.problem = ""
        self.busy = "reading ..." if self.path else ""
        return self.turn

    def choose(self, path: str) -> int:
        """Another file: what was said about the one before does not hold for it."""
        self.path, self.sheet, self.encoding, self.delimiter = path, "", "", ""
        self.mapping = {}
        return self.changed()

    def glance_at(self, turn: int, database: Path, campaign: str) -> None:
        """Look at its beginning; for a thread of its own. A newer choice makes the answer void."""
        try:
            with Reader(database) as reader:
                self.by_profile = reader.campaign(campaign)["channel"] == "unipile"
            found = glance(self.source())
        except PacelineError as error:
            self._tell(turn, error)
            return
        if turn == self.turn:
            self.glance, self.problem = found, found.problem
            self.busy = "" if found.problem else "checking every row ..."

    def check(self, turn: int, database: Path, campaign: str) -> None:
        """Read the whole file against those whom the campaign has; for a thread of its own."""
        try:
            with Reader(database) as reader:
                known = known_keys(reader, campaign)
                found = look_through(
                    self.source(),
                    known_keys=known.__contains__,
                    refused=refusals(reader, campaign),
                    visit=self._watcher(turn),
                )
        except _Superseded:
            return
        except PacelineError as error:
            self._tell(turn, error)
            return
        if turn == self.turn:
            self.checked, self.busy = found, ""

    def _tell(self, turn: int, error: PacelineError) -> None:
        if turn == self.turn:
            self.problem, self.busy = f"{error.message} {error.hint}".strip(), ""

    def _watcher(self, turn: int) -> Callable[[RecipientRow], None]:
        seen = 0

        def visit(person: RecipientRow) -> None:
            nonlocal seen
            seen += 1
            if turn != self.turn:
                raise _Superseded
            if seen % 10_000 == 0:
                self.busy = f"checking every row: {seen:,} people so far ..."

        return visit


class _Superseded(Exception):  # noqa: N818 - nothing went wrong
    """The operator has chosen something else meanwhile."""


class Watched:
    """Control for one import that tells how many rows were handed over, and knows the import afterwards."""

    def __init__(self, control: Control, told: Callable[[int], None]) -> None:
        self._control = control
        self._told = told
        self._rows = 0
        self.import_id: int | None = None

    def call(self, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        """Raises PacelineError."""
        result = self._control.call(action, args)
        if action == "recipients.begin":
            self.import_id = result["import_id"]
        elif action == "recipients.rows" and args is not None:
            self._rows += len(args["rows"])
            self._told(self._rows)
        return result

    def close(self) -> None:
        self._control.close()


def path_offers(typed: str) -> list[str]:
    """What a path that is being typed could become: folders end with a slash, hidden names only when asked for."""
    head, _, part = typed.rpartition("/")
    folder = Path(f"{head}/" if head or typed.startswith("/") else ".").expanduser()
    prefix = f"{head}/" if head or typed.startswith("/") else ""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in entries
                if entry.name.startswith(part) and (part.startswith(".") or not entry.name.startswith("."))
            )
    except OSError:
        return []
    return [prefix + name for name in names if name.isprintable()][:OFFERS]
