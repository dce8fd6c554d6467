"""The message as each person will see it: text, every header, HTML as text; from the very bytes that would leave."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.widget import Widget

from engine.compose.preview import Preview
from engine.intake.addresses import AddressError
from engine.intake.keys import key_of
from engine.intake.profiles import ProfileError
from storage.errors import PacelineError, UsageError
from storage.people_page import beside, total
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.previewing import preview_of
from tui.format import count, wrap
from tui.safe_text import safe_text
from tui.screens.view import look_bindings
from tui.screens.working import WorkingScreen, in_words
from tui.widgets.columns import Item, Sections
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span

FACES = ("text", "headers", "html as text")
FIRST = ("from", "to", "reply-to", "subject")
LONGEST = 10_000
"""Characters of one line."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One person's message, or why it cannot be made. `place` counts from 1 among `people`."""

    person: Row
    place: int
    people: int
    message: Preview | None
    problem: str = ""


class PreviewScreen(WorkingScreen):
    CSS_PATH: ClassVar = ["view.tcss", "form.tcss", "preview.tcss"]
    HINTS: ClassVar = ("view.tab", "view.next_page", "view.previous_page", "view.filter")

    BINDINGS: ClassVar = look_bindings("shape", only=("view.filter",))

    def __init__(self, name: str) -> None:
        super().__init__()
        self._campaign = name
        self._person_id = 0
        self._face = 0
        self._seen: Seen | None = None
        self._version = -1
        self._problem = ""

    def token(self) -> Hashable:
        return ("preview", self._campaign)

    def reads(self) -> Any:
        name = self._campaign
        return lambda reader, now: reader.campaign(name)

    def crumb(self) -> str:
        return f"Campaigns > {self._campaign} > message"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="above")
        yield Lines(id="head")
        yield Grid(id="form")

    # what is read

    def show(self, data: Row, now: int) -> None:
        if data["version"] != self._version:
            self._version = data["version"]
            self.work(self._load(0))
        self._draw()

    async def _load(self, by: int, key: str = "") -> None:
        """Read the same person anew (0), the next one (1) or the one before (-1), or the one with this address."""
        try:
            found = await asyncio.to_thread(self._read, by, key)
        except PacelineError as error:
            if self._seen is None:
                self._problem = in_words(error)
            raise
        if found is None:
            self.console.note("this is the last one" if by > 0 else "this is the first one")
            return
        self._seen, self._person_id = found, found.person["id"]
        self._draw()

    def _read(self, by: int, key: str) -> Seen | None:
        with Reader(self.console.database) as reader:
            row = reader.campaign(self._campaign)
            people = total(reader, row["id"])
            if not people:
                raise UsageError(f"{self._campaign} has nobody yet", hint="I imports people from a file")
            found = beside(reader, row["id"], self._person_id, by, key=key)
            if found is None:
                return None
            person, place = found
        try:
            message = preview_of(row, person, self.console.load_config(), now=self.console.now())
        except PacelineError as error:
            return Seen(person, place, people, None, in_words(error))
        return Seen(person, place, people, message)

    # what is shown

    def _draw(self) -> None:
        if not self._stands:
            return
        seen, width = self._seen, self.size.width
        self.query_one("#above", Lines).show([self._faces()])
        if seen is None:
            items = [_line(self._problem or "reading ...", "bad" if self._problem else "dim")]
            self.query_one("#form", Grid).show(Sections(items))
            return
        self.crumb_right = f"{count(seen.place)} of {count(seen.people)}  ] [ next, previous"
        address = safe_text(seen.person["address"])
        shown = [((" FOR    ", "head"), (f"{address}   row {seen.person['row_number']}", ""))]
        self.query_one("#head", Lines).show(shown)
        self.query_one("#form", Grid).show(Sections(self._lines(seen, width)))

    def _faces(self) -> Line:
        spans: list[Span] = [(" ", "")]
        for number, face in enumerate(FACES):
            spans += [(f" {face} ", "tab" if number == self._face else ""), (" ", "")]
        return tuple(spans)

    def _lines(self, seen: Seen, width: int) -> list[Item]:
        if seen.message is None:
            problem = f"This message cannot be made: {seen.problem}"
            return [_line(part, "bad", number) for number, part in enumerate(wrap(problem, width - 4))]
        headers, face = seen.message.headers, FACES[self._face]
        shown = headers if face == "headers" else [pair for pair in headers if pair[0].lower() in FIRST]
        lines = [f"{name}: {value}" for name, value in shown]
        if face != "headers":
            body = seen.message.text if face == "text" else seen.message.html_text or "(there is no HTML part)"
            lines += ["", *body.split("\n")]
        items: list[Item] = []
        for line in lines:
            for part in _folded(safe_text(line, LONGEST), width - 4):
                items.append(_line(part, "", len(items)))
        return items

    def ways(self) -> tuple[tuple[str, str], ...]:
        return self.ways_of(
            ("view.next_page", "next"),
            ("view.previous_page", "previous"),
            ("view.filter", "address"),
            ("view.tab", FACES[(self._face + 1) % len(FACES)]),
        )

    # keys

    def chosen(self, key: Hashable, row: Any) -> None:
        self.action_turn_page(1)

    def action_open(self) -> None:
        self.action_turn_page(1)

    def action_next_tab(self) -> None:
        self._face = (self._face + 1) % len(FACES)
        self._draw()

    def action_turn_page(self, by: int) -> None:
        if self._seen is not None:
            self.work(self._load(by))

    def action_filter(self) -> None:
        """`/`: go to a person by address."""
        self.ask_line("address", "", self._look_for)

    def _look_for(self, text: str) -> None:
        if not text:
            return
        try:
            key = key_of(text)
        except (AddressError, ProfileError) as error:
            self.console.say(f"'{text}' is no address: {error}", "warn")
            return
        self.work(self._load(0, key))

    def targets(self) -> list[Target]:
        if not self.data:
            return []
        row = {**self.data, "person": self._seen.person if self._seen else None}
        return [Target("letter", row), Target("campaign", self.data)]


def _line(text: str, style: str = "", key: int | None = None) -> Item:
    return Item(lambda width: ((text, style),), key, None)


def _folded(line: str, width: int) -> list[str]:
    """A line in rows of at most `width` cells, blanks at its beginning kept."""
    if len(line) <= width and line.isascii():
        return [line]
    lead = line[: len(line) - len(line.lstrip())]
    parts = wrap(line, max(20, width - len(lead)))
    return [lead + parts[0], *parts[1:]]
