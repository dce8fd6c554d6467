"""How the console ends: by a key, with a question while an embedded engine has work; or by a signal, from outside."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from rich.text import Text
from textual.command import CommandPalette

from tui.acting import Acting
from tui.link import EMBEDDED
from tui.screens.confirm import ConfirmScreen
from tui.screens.questions import Question, quit_busy
from tui.screens.view import ViewScreen

log = logging.getLogger("paceline.screen")

DRAIN_LIMIT = 600.0
"""Seconds that the end of the engine is waited for: RFC 5321 gives a server ten minutes for its last reply."""


class Leaving(Acting):
    """The part of the console that ends it."""

    _cut_short = False

    def action_ask_quit(self) -> None:
        """Quit, or close the open question with No, or the open prompt."""
        if isinstance(self.screen, ConfirmScreen | CommandPalette):
            self.screen.dismiss(None)
        elif isinstance(self.screen, ViewScreen) and self.screen.prompt.is_open:
            self.screen.prompt.cancel()
        else:
            self.run_worker(self._quit(), group="quit")

    async def _quit(self) -> None:
        link = self.link.state
        if link.word != EMBEDDED:
            self.exit(0)
            return
        flying = self.link.in_flight()
        if self.draining:
            question = Question(
                "End now, without waiting?", (f"{flying} in flight become uncertain: sent or not, nobody knows then.",)
            )
            if await self.ask(question) is not None:
                self._cut_short = True
                self.link.cut("the console was closed again")
            return
        if flying or self._has_work():
            frame = self._snapshot.frame if self._snapshot else {}
            running = sum(row["state"] == "active" for row in frame.get("campaigns", []))
            if await self.ask(quit_busy(flying, running, self.situation())) is None:
                return
        await self.drain_and_end(0)

    def _has_work(self) -> bool:
        frame = self._snapshot.frame if self._snapshot else {}
        return any(
            row["state"] == "active" and row["counts"]["pending"] + row["counts"]["processing"]
            for row in frame.get("campaigns", [])
        )

    async def drain_and_end(self, code: int) -> None:
        """Let the embedded engine finish what is in flight, then end the screen."""
        self.draining = True
        key = self.keymap.named("app.quit")
        self.say(f"draining: nothing new begins, what is in flight finishes; {key} ends at once")
        self.link.drain("the console was closed")
        await asyncio.to_thread(self.link.join, DRAIN_LIMIT)
        self.exit(1 if self._cut_short else code)

    def begin_drain(self, why: str) -> None:
        """From another thread: show that a signal drains the engine."""
        self._outside(self._show_drain, why)

    def end_from_outside(self, code: int) -> None:
        """From another thread: end the screen with this code."""
        self._outside(self.exit, code)

    def _outside(self, call: Callable[[Any], None], value: Any) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(call, value)
            except RuntimeError:  # it has just ended
                return

    def _show_drain(self, why: str) -> None:
        self.draining = True
        self.say(f"{why}: draining, what is in flight finishes; a second signal cuts")

    def _fatal_error(self) -> None:
        """Textual's door for a fault of the screen: all of it goes to the log, one sentence to the person. A traceback
        would show what stood in the variables, addresses and secrets among it."""
        fault = self._exception
        log.error("the screen met a fault", exc_info=fault)
        if os.environ.get("PACELINE_DEBUG"):
            super()._fatal_error()
            return
        if self._exit_renderables:
            return  # one fault often brings another: the first is the one to tell
        kind = type(getattr(fault, "error", None) or fault).__name__
        self.panic(
            Text(
                f"paceline: the screen met a fault ({kind}) and was closed; an engine in it drains\n"
                f"  this is a bug in Paceline: {self.database.name}.console.log beside the database says where"
            )
        )
