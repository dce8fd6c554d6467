"""Writing a message inside the console: a plain text area, checked while it is typed, kept only when it can be sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any, ClassVar

from textual.binding import Binding
from textual.events import Key, Paste
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import TextArea

from storage.errors import PacelineError
from storage.reader import Reader
from tui.screens.letter_parts import changes, fields_of, line_of, unshown_line
from tui.screens.questions import Question, Reply
from tui.screens.view import back_binding
from tui.screens.working import WorkingScreen, in_words
from tui.widgets.lines import Line

REST = 0.3
"""Seconds without a key before what was typed is checked."""
KEEP, AWAY = "keep", "away"


class LetterArea(TextArea):
    """A text area that takes in nothing that a screen could not show."""

    BINDINGS: ClassVar = [
        # `ctrl+a` belongs to screen(1), `ctrl+x` and the like to nobody's habit here: Home, End and typing are enough.
        Binding("tab", "insert_tab", show=False),
    ]

    async def _on_key(self, event: Key) -> None:
        # Here, and not by way of the app: what is typed behind a moved cursor in one burst would get in before it.
        bindings = self._bindings.key_to_bindings.get(event.key)
        if bindings:
            event.stop()
            event.prevent_default()
            await self.run_action(bindings[0].action)

    def action_insert_tab(self) -> None:
        self.insert("\t")

    async def _on_paste(self, event: Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert(event.text.replace("\t", "    "))


class EditorScreen(WorkingScreen):
    """`content` is one part of a message; `keep` stores its changes and raises the PacelineError that keeps it from
    being stored. Esc leaves; what was changed is asked about first."""

    CSS_PATH: ClassVar[Any] = ["view.tcss", "form.tcss", "editor.tcss"]
    BINDINGS: ClassVar = [back_binding("done", priority=True)]
    HINTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, part: str, content: str, keep: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        super().__init__()
        self._campaign = name
        self._part = part
        self._before = content
        self._keep = keep
        self._rest: Timer | None = None

    def token(self) -> Hashable:
        return ("editor", self._campaign, self._part)

    def reads(self) -> Any:
        def nothing(reader: Reader, now: int) -> dict[str, Any]:
            return {}

        return nothing

    def crumb(self) -> str:
        return f"{self._campaign} > {self._part}"

    def body(self) -> Iterable[Widget]:
        area = LetterArea(self._before, id="area", show_line_numbers=True, soft_wrap=True)
        area.read_only = bool(unshown_line(self._before))
        yield area

    def on_mount(self) -> None:
        self.redraw()
        area = self.query_one(LetterArea)
        area.focus()
        # The first line of the text, below its headers.
        head, blank, _ = self._before.partition("\n\n")
        if self._part == "text" and blank:
            area.move_cursor((head.count("\n") + 2, 0))
        if area.read_only:
            line = unshown_line(self._before)
            self.console.say(f"line {line} holds a character that a screen cannot show: use $EDITOR", "warn")
        else:
            self._check()

    def show(self, data: Any, now: int) -> None:
        return

    def hints(self, width: int) -> Line:
        if self.console.held:
            return super().hints(width)
        key = self.named("app.back")
        return ((f" {key}", "key"), (" done, or leave it", ""), (f"   {self.hint()}", "dim"))

    # checking

    def on_text_area_changed(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self._rested)

    def _rested(self) -> None:
        # Behind a question, and after it, a check would speak over what was said last.
        if self.is_current:
            self._check()

    def _check(self) -> PacelineError | None:
        """Say what is wrong with the text as it stands, or which fields it uses."""
        area = self.query_one(LetterArea)
        row, column = area.cursor_location
        self.crumb_right = f"line {row + 1} column {column + 1}"
        if not area.text.strip():
            self.console.say("empty", "warn")
            return None
        try:
            about = self.about(self.read_back(area.text))
        except PacelineError as error:
            self.console.say(in_words(error), "bad")
            return error
        self.console.say(f"ok: {about}", "good")
        return None

    def read_back(self, content: str) -> dict[str, Any]:
        """What the document says, as `keep` takes it. Raises PacelineError naming the line."""
        return changes(content, self._part)

    def about(self, given: dict[str, Any]) -> str:
        """What is said of a text that can be kept. Raises PacelineError."""
        used = fields_of((given.get("subject", ""), False), (given[self._part], self._part == "html"))
        return f"it uses {', '.join(used) or 'no field'}"

    def hint(self) -> str:
        """What is to be known while writing."""
        return "{{ field }} is filled in for each person"

    # ending

    def action_done(self) -> None:
        area = self.query_one(LetterArea)
        if area.read_only or area.text == self._before:
            self.console.say("nothing was changed")
            self.dismiss(None)
        else:
            self.work(self._ask())

    async def action_leave(self) -> None:
        self.action_done()

    async def _ask(self) -> None:
        wrong = self._check()
        lines = [in_words(wrong)] if wrong else []
        keep = () if wrong else (Reply("y", "keep it", {"do": KEEP}),)
        replies = (*keep, Reply("d", "throw the changes away", {"do": AWAY}))
        question = Question(
            f"The {self._part} of {self._campaign} was changed", tuple(lines), replies, no="go on writing"
        )
        answer = await self.console.ask(question)
        if answer is None:
            if wrong and (line := line_of(wrong)):
                self.query_one(LetterArea).move_cursor((line - 1, 0))
            self._check()
            return
        if answer["do"] == KEEP:
            text = self.query_one(LetterArea).text
            await self._keep(self.read_back(text) if text.strip() else {self._part: ""})
        else:
            self.console.say("the changes were thrown away")
        self.dismiss(None)
