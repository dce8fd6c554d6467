"""Step 3: what they get. Subject, text and HTML: typed here, written in the operator's own editor, or out of a file."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from storage.errors import PacelineError
from tui.cli import letters
from tui.format import plural
from tui.screens.editor import EditorScreen
from tui.screens.external_editor import editor_command, write_in
from tui.screens.form import field, told
from tui.screens.letter_parts import Parts, changes, fields_of, read_parts
from tui.screens.people_file import path_offers
from tui.screens.wizard import StepScreen
from tui.screens.working import in_words
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading

SHOWN = 40
"""Lines of the text that stand below the values."""


class LetterScreen(StepScreen):
    STEP = "letter"

    def on_mount(self) -> None:
        super().on_mount()
        self._parts: Parts | None = None
        self._read_version = -1

    def show(self, data: dict[str, Any], now: int) -> None:
        campaign = data["campaign"]
        if campaign is not None and campaign["version"] != self._read_version:
            self._read_version = campaign["version"]
            self.work(self._load())
        super().show(data, now)

    async def _load(self) -> None:
        self._parts = await asyncio.to_thread(read_parts, self.console.database, self.making.name)

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        parts = self._parts
        if parts is None:
            return told("reading ...", width, style="dim")
        try:
            editor = editor_command()[0].rpartition("/")[2]
        except PacelineError:
            editor = ""
        outside = f"in {editor}" if editor else "in $EDITOR (none is set)"
        enter = self.named("view.open")
        items = [
            field("subject", "SUBJECT", parts.subject or "-", f"{enter} changes it"),
            field(("inside", "text"), "TEXT", _size(parts.text), f"{enter}: write it here, headers on top"),
            field(("outside", "text"), "", outside, "the text in your own editor"),
            field(("inside", "html"), "HTML", _size(parts.html), "beside the text, or alone"),
            field(("outside", "html"), "", outside, "the HTML in your own editor"),
            field("file", "FROM FILE", "-", "a template: text, or .html; headers on top"),
        ]
        if parts.headers:
            items += told(
                "  ".join(f"{name}: {value}" for name, value in parts.headers.items()), width, label="HEADERS"
            )
        if parts.attachments:
            items += told(plural(parts.attachments, "file"), width, label="ATTACHED")
        items.append(blank())
        items += self._field_items(parts, data["fields"], width)
        items += [blank(), *_text_items(parts)]
        return items

    def _field_items(self, parts: Parts, brought: list[str], width: int) -> list[Item]:
        try:
            used = fields_of((parts.subject, False), (parts.text, False), (parts.html, True))
        except PacelineError as error:
            return told(in_words(error), width, label="problem", style="bad")
        items = told(", ".join(used) or "none", width, label="USES")
        items += told(", ".join(brought) or "nobody is in it yet", width, label="PEOPLE")
        lacking = [name for name in used if brought and name not in (*brought, *("address", "message_id"))]
        if lacking:
            items += told(f"{', '.join(lacking)}: no such column, so a default is needed", width, style="warn")
        return items

    # changing

    def chosen(self, key: Hashable, row: Any) -> None:
        if self._parts is None or not self.may_change():
            return
        if key == "subject":
            self.ask_line("subject", self._parts.subject, lambda text: self.work(self._edit({"subject": text})))
        elif key == "file":
            self.ask_line("file", "", lambda text: self.work(self._from_file(text)), completer=path_offers)
        elif isinstance(key, tuple) and key[0] == "inside":
            self.work(self._inside(key[1]))
        elif isinstance(key, tuple):
            self._outside(key[1])

    async def _inside(self, part: str) -> None:
        assert self._parts is not None  # noqa: S101
        await self.console.push_screen(
            EditorScreen(self.making.name, part, self._parts.document(part), lambda given: self._edit(given))
        )

    def _outside(self, part: str) -> None:
        """The operator's editor has the terminal until it ends; the engine goes on in its own thread."""
        assert self._parts is not None  # noqa: S101
        try:
            before = self._parts.document(part)
            after = write_in(self.console, before, ".html" if part == "html" else ".txt")
            if after == before:
                self.console.say("nothing was changed")
                return
            given = self._emptied(part) if not after.strip() else changes(after, part)
        except PacelineError as error:
            self.console.say(in_words(error), "bad")
            return
        self.work(self._edit(given))

    @staticmethod
    def _emptied(part: str) -> dict[str, Any]:
        return {part: ""}

    async def _from_file(self, path: str) -> None:
        if not path:
            return
        letter = await asyncio.to_thread(lambda: letters.read_parts(Path(path).expanduser()))
        given = {part: getattr(letter, part) for part in ("subject", "text", "html", "headers")}
        await self._edit({part: value for part, value in given.items() if value})

    async def _edit(self, given: dict[str, Any]) -> None:
        """Raises PacelineError; then nothing was changed."""
        before = self._parts
        result = await self.call("campaign.edit", {"name": self.making.name, **given})
        if before is not None:
            args = {"name": self.making.name, **{part: before.args()[part] for part in given if part in before.args()}}
            undo = Undo(f"message of {self.making.name}", "campaign.edit", args, self.console.now())
            self.console.undos.add(undo)
        await self._load()
        self.console.say(f"ok: {result['message']}; it uses {', '.join(result['fields']) or 'no field'}", "good")


def _size(text: str) -> str:
    return f"{plural(text.count(chr(10)) + (not text.endswith(chr(10))), 'line')}" if text.strip() else "none"


def _text_items(parts: Parts) -> list[Item]:
    source = parts.text or parts.html
    if not source.strip():
        return []
    items = [heading("TEXT" if parts.text.strip() else "HTML")]
    for line in source.split("\n")[:SHOWN]:
        items.append(_text_item(line[:500]))
    return items


def _text_item(line: str) -> Item:
    return Item(lambda width: ((f"  {line}", ""),))
