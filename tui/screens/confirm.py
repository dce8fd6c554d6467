"""The one dialog: a question that is fixed when it opens, with the focus on No.

Enter is No unless the question says otherwise; `y` (or the text asked for) must be typed; what was typed ahead over a
slow line is dropped. Nothing that arrives meanwhile changes what stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.events import Key, Resize
from textual.message import Message
from textual.screen import ModalScreen

from tui.format import fit, plural, wrap
from tui.screens.questions import Question
from tui.widgets.lines import Line, Lines, Span, plain

TYPE_AHEAD = 0.3
"""Seconds in which keys are dropped."""
ANSWER_ROWS = 3
"""Rows at the end of a question that tell how to answer it."""


class ConfirmScreen(ModalScreen[dict[str, Any] | None]):
    """Ends with the arguments to add to the action ({} for a plain yes), or None for No."""

    class Opened(Message):
        """The list behind is held still from now on."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar = []

    def __init__(self, question: Question, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self.question = question
        self._monotonic = monotonic
        self._opened = 0.0
        self._typed = ""
        self._choice = 0

    def compose(self) -> ComposeResult:
        yield Lines(id="dialog")

    def on_mount(self) -> None:
        self._opened = self._monotonic()
        self._draw()
        self.post_message(self.Opened())

    def on_resize(self, event: Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        box = self.query_one_optional("#dialog", Lines)
        if box is None:  # answered before its first size came
            return
        width = min(78, self.app.size.width - 2)
        lines = _within(self._lines(width - 4), self.app.size.height - 2)
        box.styles.width, box.styles.height = width, len(lines) + 2
        box.show(lines)

    def _lines(self, width: int) -> list[Line]:
        question = self.question
        lines: list[Line] = []

        lines += [plain(f" {part}", "bold") for part in wrap(question.title, width - 1)]
        lines.append(())
        for text in question.lines:
            # A label of ten columns stays beside its text when that is wrapped.
            label, rest = (text[:10], text[10:]) if len(text) > 10 and text[9] == " " else ("", text)
            parts = wrap(rest, width - 2 - len(label)) if text else [""]
            lines += [plain(f" {label if i == 0 else ' ' * len(label)}{part}") for i, part in enumerate(parts)]
        if question.choices:
            lines.append(self._choices())
        lines.append(())
        if question.typed:
            lines.append(((f" Type {question.typed} to confirm: ", ""), (f"{self._typed}_", "bold")))
            lines.append(plain(f" esc {question.no}     enter does nothing until it matches", "dim"))
        else:
            lines.append(self._answers())
        return [
            ((fit("".join(text for text, _ in line), width), line[0][1]),) if len(line) == 1 else line for line in lines
        ]

    def _answers(self) -> Line:
        """Every answer behind its key; brackets and colour are around the one that enter gives."""
        question = self.question
        no = f"n {question.no}{' (enter)' if question.enter is None else ''}"
        answers = [(f"{reply.key} {reply.label}", reply.key == question.enter) for reply in question.replies]
        spans: list[Span] = [(" ", "")]
        for text, is_entered in [*answers, (no, question.enter is None)]:
            spans += [(f"[ {text} ]", "cursor") if is_entered else (text, ""), ("   ", "")]
        return tuple(spans)

    def _choices(self) -> Line:
        spans = [(f" {fit(self.question.choices_title, 10)}", "")]
        for i, (label, _) in enumerate(self.question.choices):
            spans += [
                (f"[{label}]" if i == self._choice else f" {label} ", "cursor" if i == self._choice else ""),
                (" ", ""),
            ]
        return (*spans, ("  tab changes", "dim"))

    def on_key(self, event: Key) -> None:
        event.stop()
        event.prevent_default()
        if self._monotonic() - self._opened < TYPE_AHEAD:
            return
        key = event.key
        if key in ("escape", "ctrl+c"):
            self.dismiss(None)
        elif key == "tab" and self.question.choices:
            self._choice = (self._choice + 1) % len(self.question.choices)
            self._draw()
        elif self.question.typed:
            self._type(event)
        else:
            self._reply(key)

    def _type(self, event: Key) -> None:
        if event.key == "enter":
            if self._typed == self.question.typed:
                self._accept({})
            return
        if event.key == "backspace":
            self._typed = self._typed[:-1]
        elif event.is_printable and event.character and len(self._typed) < 80:
            self._typed += event.character
        self._draw()

    def _reply(self, key: str) -> None:
        if key == "enter":
            key = self.question.enter or "n"
        if key == "n":
            self.dismiss(None)
            return
        for reply in self.question.replies:
            if reply.key == key:
                self._accept(reply.args)

    def _accept(self, args: dict[str, Any]) -> None:
        chosen = self.question.choices[self._choice][1] if self.question.choices else {}
        self.dismiss({**args, **chosen})


def _within(lines: list[Line], rows: int) -> list[Line]:
    """No more rows than there are: what is asked and how to answer stay, of what stands between the end goes."""
    if len(lines) <= rows:
        return lines
    left_out = plural(len(lines) - rows + 1, "more line")
    note = plain(f" ... {left_out}: the terminal is too low", "dim")
    return [*lines[: rows - 1 - ANSWER_ROWS], note, *lines[-ANSWER_ROWS:]]
