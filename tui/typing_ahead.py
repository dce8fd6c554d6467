"""Keys that come faster than the screen: each waits until the one before it is done, and the screen is there.

Textual hands a key to what has the focus now, while the key before it may still be on its way to open a prompt or a
screen; what was meant for that would then act on the list below it. So keys wait in a line. A key is done when a
message that was posted behind it has come up through the same queues (`Done`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any

from textual.app import ScreenStackError
from textual.events import Event, Key, Paste
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget

from tui.base import ConsoleBase
from tui.safe_text import safe_text
from tui.screens.view import ViewScreen
from tui.widgets.grid import Grid

LOOK = 0.02
"""Seconds between two looks at whether the first of the waiting keys may go on; nothing looks while none waits."""
PATIENCE = 50
"""Looks until a key goes on although nothing says that it may: a view whose rows do not come must still be left."""
OPENING_PATIENCE = 500
"""Looks until what was typed behind a key that opens a screen is forgotten: it was meant for that screen only."""


PASTED = 1_000_000
"""Characters of a paste that are taken."""


def pasted(text: str) -> str:
    """What was pasted, as lines of text. Here and not only where it lands: Textual's own fields, the palette's for
    one, draw a control character as it came."""
    lines = text[:PASTED].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(safe_text(part, PASTED) for part in line.split("\t")) for line in lines)


class Done(Message):
    """The key before this message has been answered."""


class TypingAhead(ConsoleBase):
    """The part of the console that keeps keys in their order."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._typed: deque[Key | Paste] = deque()
        self._answering: Widget | None = None
        """Who has the last key and has not answered it yet."""
        self._opening = 0
        self._looks = 0
        self._looking: Timer | None = None

    def before_keys(self, doing: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        """`doing`, which has to be awaited; what is typed from now on waits until it has ended."""
        self._opening += 1
        return self._kept_waiting(doing)

    async def _kept_waiting(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        finally:
            self._opening = max(0, self._opening - 1)

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            self._typed.append(Paste(pasted(event.text)) if isinstance(event, Paste) else event)
            await self._go_on()
        else:
            await super().on_event(event)

    async def on_done(self) -> None:
        self._answering = None
        await self._go_on()

    async def _go_on(self) -> None:
        while self._typed and not self._must_wait():
            await self._hand_over(self._typed.popleft())
        if self._typed and self._looking is None:
            self._looking = self.set_interval(LOOK, self._look)
        elif not self._typed and self._looking is not None:
            self._looking.stop()
            self._looking = None

    async def _look(self) -> None:
        self._looks += 1
        if self._opening and self._looks > OPENING_PATIENCE:
            self._typed.clear()
            self._opening = 0
            self.say("what was typed last was left out: the screen that it was for did not open in time", "warn")
        await self._go_on()

    async def _hand_over(self, event: Key | Paste) -> None:
        self._looks = 0
        receiver = self.focused or self.screen
        if isinstance(event, Key) and isinstance(receiver, Grid) and await self._listed(event.key):
            return
        await super().on_event(event)
        # A key of the whole program is answered by now, any other is on its way.
        self._answering = receiver if event.is_forwarded and receiver.post_message(Done()) else None

    async def _listed(self, key: str) -> bool:
        """Answer a key of a list at once, and draw it; false where nothing is bound to it. A list has no keys but the
        bound ones, so nothing is lost when the key does not climb through every container first."""
        if not (await self._check_bindings(key, priority=True) or await self._check_bindings(key)):
            return False
        if isinstance(self.screen, ViewScreen):
            self.screen.draw_now()
        return True

    def _must_wait(self) -> bool:
        if self._opening:
            return True
        try:
            screen = self.screen
        except ScreenStackError:  # typed before the first screen was there
            return self._looks < PATIENCE
        if self._looks >= PATIENCE:
            return False
        receiver = self._answering
        # A dialog that was answered goes without a word.
        if receiver is not None and receiver.is_attached and receiver.screen is screen:
            return True
        return isinstance(screen, ViewScreen) and not screen.answers
