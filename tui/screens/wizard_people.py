"""Step 2: who gets it. A file is read, its columns mapped, every row checked; only then is it imported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from engine.intake.mapping import EMAIL
from storage.errors import PacelineError
from tui.actions import Row, Target
from tui.cli.importing import Imported, import_file, rejects_path
from tui.client import Control
from tui.format import clock, count, fit, plural
from tui.safe_text import safe_text
from tui.screens.form import field, told
from tui.screens.people_file import Watched, path_offers
from tui.screens.questions import Question, where
from tui.screens.wizard import StepScreen
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from tui.console import PacelineApp

DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
COLUMN, FIELD = 22, 18


class PeopleScreen(StepScreen):
    STEP = "people"
    _importing = False

    def on_mount(self) -> None:
        super().on_mount()
        if self.making.file.path and self.making.file.checked is None:
            self._read(self.making.file.changed())

    # what stands there

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        file = self.making.file
        items = [field("file", "FILE", file.path or "-", "CSV, XLSX or JSONL   tab completes the path")]
        if file.glance is not None:
            items += self._reading_items()
            items += self._column_items(width)
        if file.busy:
            items += told(file.busy, width, label="", style="dim")
        if file.problem:
            items += told(file.problem, width, label="problem", style="bad")
        if file.checked is not None:
            items += self._checked_items(file.checked, width)
        items += self._imported_items(data["campaign"], now)
        return items

    def _reading_items(self) -> list[Item]:
        file, seen = self.making.file, self.making.file.glance
        assert seen is not None  # noqa: S101
        items, enter = [], self.named("view.open")
        if seen.format == "xlsx":
            items.append(field("sheet", "SHEET", seen.sheet, _by(file.sheet, enter)))
        if seen.format == "csv":
            items.append(field("delimiter", "DELIMITER", DELIMITERS.get(seen.delimiter, seen.delimiter),
                               _by(file.delimiter, enter)))  # fmt: skip
        if seen.format != "xlsx":
            items.append(field("encoding", "ENCODING", seen.encoding, _by(file.encoding, enter)))
        grouped = "one message an address, its rows become a list" if file.grouped else "one message a row"
        items.append(field("grouped", "GROUP", grouped, f"{enter} changes it"))
        return items

    def _column_items(self, width: int) -> list[Item]:
        seen = self.making.file.glance
        assert seen is not None  # noqa: S101
        title = f"{fit('COLUMN', COLUMN)} {fit('FIELD', FIELD)} FIRST ROWS    {self.named('view.open')} names the field"
        items = [blank(), heading(f" {title}")]
        for column, name in seen.mapping.items():
            values = " | ".join(row.get(column, "") for row in seen.rows)
            text = f"{fit(safe_text(column), COLUMN)} {fit(safe_text(name), FIELD)} {safe_text(values)}"
            items.append(_column_item(column, name, text))
        return [*items, blank()]

    def _checked_items(self, found: Imported, width: int) -> list[Item]:
        counts = found.counts
        grouped = f" + {count(counts.grouped)} grouped" if counts.grouped else ""
        sums = (
            f"{plural(counts.rows, 'row')} = {count(counts.imported)} to import + {count(counts.rejected)} rejected "
            f"+ {count(counts.duplicate)} duplicate{grouped}"
        )
        items = told(sums, width, label="CHECKED", style="good" if counts.imported else "bad")
        for problem in found.problems[:3]:
            items += told(f"row {problem.row}: {problem.reason}", width, style="warn")
        bad = counts.rejected + counts.duplicate
        if bad:
            source = self.making.file.source().path
            items += told(f"{count(bad)} rows will stand in {rejects_path(source).name}, with number and reason", width)
        if counts.imported and not self._importing:
            items.append(field("import", "IMPORT", f"{plural(counts.imported, 'person')}".replace("persons", "people"),
                               f"{self.named('view.open')} does it"))  # fmt: skip
        return items

    def _imported_items(self, campaign: Row | None, now: int) -> list[Item]:
        imports = [row for row in campaign["imports"] if row["state"] == "done"] if campaign else []
        if not imports:
            return [blank(), *told("Nobody is in it yet.", 80)]
        note = (
            f"   {self.named('recipients.forget')} takes one back" if campaign and campaign["state"] == "draft" else ""
        )
        items = [blank(), heading(f"IN IT    {count(campaign['recipients'])} people{note}")] if campaign else []
        for row in imports:
            text = f"{clock(row['finished_at'], now)}  {count(row['imported'])} of {count(row['rows'])} rows"
            items.append(field(("import", row["id"]), f"#{row['id']}", f"{text}  {row['source']}", row["created_by"],
                               row=row))  # fmt: skip
        return items

    def targets(self) -> list[Target]:
        """The import under the cursor, which a draft can give back."""
        current = self.query_one("#form", Grid).current
        if current is None or self.campaign is None or not isinstance(current[0], tuple) or current[0][0] != "import":
            return []
        row = {**current[1], "name": f"import {current[1]['id']}", "campaign": self.making.name}
        return [Target("import", {**row, "state": self.campaign["state"]})]

    # choosing

    def chosen(self, key: Hashable, row: Any) -> None:
        file = self.making.file
        if key == "file":
            self.ask_line("file", file.path, self._choose, completer=path_offers)
        elif key == "grouped":
            file.grouped = not file.grouped
            self._read(file.changed())
        elif key == "import":
            if self.may_change() and not self._importing:
                self.work(self._import())
        elif isinstance(key, tuple) and key[0] == "column":
            self.ask_line(f"field of {safe_text(key[1], 30)}", row, lambda name: self._map(key[1], name),
                          completer=self._fields)  # fmt: skip
        elif key in ("sheet", "delimiter", "encoding"):
            hint = {"delimiter": "delimiter, one character or tab", "encoding": "encoding, such as utf-8 or cp1252"}
            self.ask_line(hint.get(key, key), getattr(file, key), lambda text: self._overrule(key, text))

    def _fields(self, typed: str) -> list[str]:
        return [name for name in ("email", "first_name", "last_name", "company", "profile") if name.startswith(typed)]

    def _choose(self, path: str) -> None:
        if path:
            self._read(self.making.file.choose(path))

    def _overrule(self, what: str, text: str) -> None:
        setattr(self.making.file, what, text)
        self._read(self.making.file.changed())

    def _map(self, column: str, name: str) -> None:
        if name:
            file = self.making.file
            mapping = {other: wanted for other, wanted in file.mapping.items() if wanted != name}
            file.mapping = {**mapping, column: name}
            self._read(file.changed())

    def _read(self, turn: int) -> None:
        self.redraw()
        self.work(self._read_through(turn))

    async def _read_through(self, turn: int) -> None:
        file = self.making.file
        await asyncio.to_thread(file.glance_at, turn, self.console.database, self.making.name)
        if self.is_attached:
            self.redraw()
        if file.glance is not None and not file.problem:
            await asyncio.to_thread(file.check, turn, self.console.database, self.making.name)
        if self.is_attached and turn == file.turn and file.checked is not None and file.checked.counts.imported:
            form = self.query_one("#form", Grid)
            if form.current is not None and form.current[0] == "file":
                # What comes next is to import it; whoever has gone elsewhere meanwhile stays there.
                form.open_on("import")

    # importing

    async def _import(self) -> None:
        campaign, found = self.campaign, self.making.file.checked
        if campaign is None or found is None:
            return
        draft = campaign["state"] == "draft"
        if not draft and await self.console.ask(added(campaign, found.counts.imported, self.console)) is None:
            self.console.say("import: nothing was changed")
            return
        self._importing = True
        source, name, console = self.making.file.source(), self.making.name, self.console

        def work(control: Control) -> tuple[Imported, int | None]:
            watched = Watched(control, told_by(console))
            return import_file(source, name, watched), watched.import_id

        try:
            done, import_id = await asyncio.wrap_future(self.console.link.run(work))
        finally:
            self._importing = False
        rejects = f"; the rest is in {done.rejects.name}" if done.rejects else ""
        message = done.result.get("message", f"{count(done.counts.imported)} imported")
        self.console.say(f"ok: {message}{rejects}", "good")
        self.making.file.choose("")
        if draft and import_id is not None:
            args = {"campaign": name, "import_id": import_id}
            title = f"import of {done.table.path.name} into {self.making.name}"
            self.console.undos.add(Undo(title, "recipients.forget", args, self.console.now()))


def told_by(console: PacelineApp) -> Callable[[int], None]:
    """How an import, in its own thread, tells its progress, whichever view is open meanwhile. Raises PacelineError when
    the console has ended, so that nothing is half imported."""

    def tell(rows: int) -> None:
        try:
            console.call_from_thread(console.say, f"importing: {count(rows)} rows so far ...")
        except RuntimeError as error:
            raise PacelineError("the console was closed: nothing was imported") from error

    return tell


def _column_item(column: str, name: str, text: str) -> Item:
    key = ("column", column)
    return Item(lambda width: ((fit(text, width), "good" if name == EMAIL else ""),), key, (key, name))


def added(campaign: Row, people: int, console: Any) -> Question:
    """Import into a campaign that is not a draft: whoever is added gets the message."""
    running = campaign["state"] == "active"
    lines = (
        f"state     {campaign['state']}",
        f"people    {count(people)} are planned at once, behind those who wait",
        "sending   by the campaign's pacing" if running else "sending   once it runs",
        "undo      none: a message that waits can be cancelled in Jobs",
    )
    return Question(f"Import into {campaign['name']}{where(console.situation())}?", lines)


def _by(overruled: str, enter: str) -> str:
    return f"{'as you said' if overruled else 'detected'}   {enter} changes it"
