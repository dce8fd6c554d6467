"""The one-line prompt of row 23: for `:` and `/`, over the message, never a box.

    prompt.open("/", "state:failed", on_submit=keep, on_change=narrow, on_cancel=put_back, completer=offers)

`completer` gets the line and returns what the whole line could become, best first; the first stands behind the cursor
as ghost text (Right takes it), tab takes what all have in common and then goes through them. A prompt that is open
takes every key; enter and esc give the focus back before they call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.events import Key, Paste
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.history import History
from tui.safe_text import safe_text
from tui.widgets.lines import Line, Rows, Span, to_strip

LONGEST = 1_000
Completer = Callable[[str], Sequence[str]]


def _nothing(text: str = "") -> None:
    return


def _common(texts: Sequence[str]) -> str:
    """What all of them begin with."""
    first, last = min(texts), max(texts)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]


class Prompt(Rows, can_focus=True):
    """Closed it takes no room. Posts `Changed` when what it shows has changed, also when it opens and closes."""

    DEFAULT_CSS = "Prompt { height: 1; width: 1fr; display: none; }"

    class Changed(Message):
        pass

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.is_open = False
        self.prefix = ""
        self.value = ""
        self._at = 0
        self._before: Widget | None = None
        self._on_submit: Callable[[str], None] = _nothing
        self._on_change: Callable[[str], None] = _nothing
        self._on_cancel: Callable[[], None] = _nothing
        self._completer: Completer | None = None
        self._history: History | None = None
        self._recalled = 0
        self._draft = ""
        self._cycle: list[str] = []

    def open(
        self,
        prefix: str,
        initial: str = "",
        *,
        on_submit: Callable[[str], None],
        on_change: Callable[[str], None] | None = None,
        on_cancel: Callable[[], None] | None = None,
        completer: Completer | None = None,
        history: History | None = None,
    ) -> None:
        """Ask for one line. `on_change` is called at every edit, without delay; `on_submit` and `on_cancel` once."""
        self.prefix, self.value, self._at = prefix, initial[:LONGEST], len(initial[:LONGEST])
        self._on_submit, self._on_change = on_submit, on_change or _nothing
        self._on_cancel = on_cancel or _nothing
        self._completer, self._history = completer, history
        self._recalled, self._draft, self._cycle = 0, "", []
        if not self.is_open:
            self._before = self.screen.focused
        self.is_open = True
        self.display = True
        self.screen.set_focus(self, scroll_visible=False)
        self._shown()

    def cancel(self) -> None:
        """Close it as esc does."""
        if self.is_open:
            self._close()
            self._on_cancel()

    def offers(self) -> list[str]:
        """What the line could become."""
        return list(self._completer(self.value)) if self._completer else []

    @property
    def text(self) -> str:
        """What stands there, for tests and for dumps to a file."""
        return "".join(text for text, _ in self._line()).rstrip()

    def _close(self) -> None:
        self.is_open = False
        self.display = False
        if self._before is not None and self._before.is_attached:
            self.screen.set_focus(self._before, scroll_visible=False)
        self._shown()

    def _shown(self) -> None:
        self.refresh()
        self.post_message(self.Changed())

    # keys

    def on_key(self, event: Key) -> None:
        event.stop()
        event.prevent_default()
        edit = KEYS.get(event.key)
        if edit is not None:
            edit(self)
        elif event.is_printable and event.character:
            self._insert(event.character)

    def on_paste(self, event: Paste) -> None:
        event.stop()
        lines = event.text.splitlines()
        if lines:
            self._insert(safe_text(lines[0], LONGEST))

    def _insert(self, text: str) -> None:
        self._set((self.value[: self._at] + text + self.value[self._at :])[:LONGEST], self._at + len(text))

    def _set(self, value: str, at: int, *, edited: bool = True) -> None:
        if edited:
            self._cycle = []
        changed = value != self.value
        self.value, self._at = value, max(0, min(at, len(value)))
        self._shown()
        if changed:
            self._on_change(value)

    def _submit(self) -> None:
        value = self.value
        self._close()
        if self._history is not None:
            self._history.add(value)
        self._on_submit(value)

    def _move(self, to: int) -> None:
        self._set(self.value, to)

    def _right(self) -> None:
        if self._at == len(self.value) and (ghost := self._ghost()):
            self._set(self.value + ghost, len(self.value) + len(ghost))
        else:
            self._move(self._at + 1)

    def _delete(self, start: int, end: int) -> None:
        start = max(0, start)
        if start == end == 0 and not self.value:
            self.cancel()
            return
        self._set(self.value[:start] + self.value[end:], start)

    def _word_start(self) -> int:
        before = self.value[: self._at].rstrip()
        return before.rfind(" ") + 1

    def _recall(self, by: int) -> None:
        lines = self._history.lines if self._history is not None else []
        place = max(0, min(self._recalled + by, len(lines)))
        if place == self._recalled:
            return
        if self._recalled == 0:
            self._draft = self.value
        self._recalled = place
        value = lines[-place] if place else self._draft
        self._set(value, len(value))

    def _complete(self) -> None:
        if self._cycle:
            place = self._cycle.index(self.value) + 1 if self.value in self._cycle else 0
            value = self._cycle[place % len(self._cycle)]
            self._set(value, len(value), edited=False)
            return
        offers = self.offers()
        if not offers:
            return
        common = _common(offers)
        if len(offers) == 1 or len(common) > len(self.value):
            self._set(common, len(common))
        else:
            self._cycle = offers
            self._set(offers[0], len(offers[0]), edited=False)

    # drawing

    def _ghost(self) -> str:
        if self._at < len(self.value) or not self.value or self._cycle:
            return ""
        first = next(iter(self.offers()), "")
        return first[len(self.value) :] if first.startswith(self.value) else ""

    def _line(self) -> Line:
        ghost = self._ghost()
        under = self.value[self._at : self._at + 1] or ghost[:1] or " "
        spans: list[Span] = [(self._visible(self.value[: self._at]), ""), (under, "cursor")]
        rest = self.value[self._at + 1 :]
        spans.append((rest, "") if rest else (ghost[1:], "dim"))
        return ((f" {self.prefix}", "bold"), *spans)

    def _visible(self, before: str) -> str:
        """What stands left of the cursor, cut at its beginning where the row is too short."""
        room = max(8, self.size.width - len(self.prefix) - 4)
        while cell_len(before) > room:
            before = before[max(1, (cell_len(before) - room) // 2) :]
        return before

    def render_line(self, y: int) -> Strip:
        return to_strip(self._line(), self.size.width)


KEYS: dict[str, Callable[[Prompt], None]] = {
    "enter": Prompt._submit,
    "escape": Prompt.cancel,
    "tab": Prompt._complete,
    "up": lambda prompt: prompt._recall(1),
    "down": lambda prompt: prompt._recall(-1),
    "left": lambda prompt: prompt._move(prompt._at - 1),
    "right": Prompt._right,
    "home": lambda prompt: prompt._move(0),
    "end": lambda prompt: prompt._move(len(prompt.value)),
    "ctrl+e": lambda prompt: prompt._move(len(prompt.value)),
    "backspace": lambda prompt: prompt._delete(prompt._at - 1, prompt._at),
    "delete": lambda prompt: prompt._delete(prompt._at, prompt._at + 1),
    "ctrl+w": lambda prompt: prompt._delete(prompt._word_start(), prompt._at),
    "ctrl+u": lambda prompt: prompt._delete(0, prompt._at),
}
"""Keys that edit; `ctrl+a` belongs to screen(1), so Home alone goes to the beginning."""
