"""The console: wires screens, reader and engine together. It decides nothing.

What is shown comes from the feed's snapshots; what is done goes through the registry and the engine's control.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding
from textual.message import Message

from tui.actions import Situation, Target
from tui.commanding import Commanding
from tui.copying import Copying
from tui.feed import Feed, Snapshot
from tui.format import Times, set_times, span
from tui.freezing import Freezing
from tui.history import History
from tui.leaving import Leaving
from tui.link import LOST, NONE, Link
from tui.looks import LOOKS
from tui.safe_text import safe_text
from tui.screens.campaigns import CampaignsScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.failures import FailuresScreen
from tui.screens.help import HelpScreen
from tui.screens.jobs import AllJobsScreen
from tui.screens.log import LogScreen
from tui.screens.overview import OverviewScreen
from tui.screens.queues import QueuesScreen
from tui.screens.view import ViewScreen
from tui.state import FILE, KeptState
from tui.theme import terminal_theme
from tui.widgets.frame import FrameState
from tui.widgets.lines import Line


def wall_clock() -> int:
    return time.time_ns() // 1_000


class SnapshotRead(Message):
    """The feed has read what the open view shows."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotRead)


def _app_bindings() -> list[Binding]:
    return [
        # Quitting is asked for from every screen, also while a dialog or a list has the focus.
        Binding(",".join(look.keys), look.does, look.title, id=look.id, show=False, priority=look.id == "app.quit")
        for look in LOOKS
        if look.where == "app"
    ]


class PacelineApp(Commanding, Freezing, Copying, Leaving, App[int]):
    """The screen over one store and one link to an engine. Time and monotonic time are passed in; `state` is the
    folder of what is kept between runs (None: nothing is), `zone` that of local times."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "Paceline"
    DEFAULT_MODE = "overview"
    MODES: ClassVar = {
        "overview": OverviewScreen,
        "campaigns": CampaignsScreen,
        "jobs": AllJobsScreen,
        "failures": FailuresScreen,
        "queues": QueuesScreen,
        "log": LogScreen,
    }
    BINDINGS: ClassVar = _app_bindings()

    def __init__(
        self,
        database: Path,
        link: Link,
        *,
        environment: str,
        host: str,
        read_only: bool = False,
        state: Path | None = None,
        zone: tzinfo = UTC,
        now: Callable[[], int] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # Said here, because NO_COLOR is looked at before the theme is known: greys could be black on black.
        super().__init__(ansi_color=True)
        self.link = link
        self.state = state
        self.kept = KeptState(state / FILE if state is not None else None)
        self._zone = zone
        self._times = Times.UTC
        set_times(self._times, zone)
        self.history = History(state / "commands" if state is not None else None)
        self.now = now
        self.monotonic = monotonic
        self.feed = Feed(database, now=now, look=link.look, publish=self._read)
        self._place = Situation(
            environment=environment, production=environment.lower() == "production", read_only=read_only
        )
        self._host = safe_text(host, 40)
        self._snapshot: Snapshot | None = None
        self._message = ("", "")
        self._last_mode = "overview"

    # life

    def on_mount(self) -> None:
        self.register_theme(terminal_theme())
        self.theme = "paceline"
        self.feed.start()
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        self.feed.stop()

    def _read(self, snapshot: Snapshot) -> None:
        """Called in the reader's thread: only hands over."""
        if self.is_running:
            self.post_message(SnapshotRead(snapshot))

    def on_snapshot_read(self, message: SnapshotRead) -> None:
        before, self._snapshot = self._snapshot, message.snapshot
        if before is not None and before.link.word == LOST and message.snapshot.link.usable:
            self.say(f"back after {span(self.now() - before.link.since)}", "good")
        if message.snapshot.error:
            self.say(message.snapshot.error, "bad")
        if self.held:
            return
        if (view := self.view) is not None and self.lets_in(view, message.snapshot):
            view.take(message.snapshot)

    def _tick(self) -> None:
        """Let the time on the screen move; what has not changed is not drawn."""
        view = self.view
        if view is None:
            return
        if self.held or self.frozen_at is not None:
            view.draw_frame()
        else:
            view.redraw()

    @property
    def view(self) -> ViewScreen | None:
        """The open view, also under a dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ViewScreen)), None)

    @property
    def held(self) -> bool:
        """Whether a dialog holds the list still."""
        return isinstance(self.screen, ConfirmScreen)

    def on_confirm_screen_opened(self) -> None:
        if (view := self.view) is not None:
            view.draw_frame()

    # what the frame and the actions ask

    def situation(self) -> Situation:
        link = self._snapshot.link if self._snapshot else self.link.state
        frame = self._snapshot.frame if self._snapshot else {}
        now = self.now()
        lost = link.reason if link.word == LOST else "none runs on this database" if link.word == NONE else ""
        undo = self._undo.title if self._undo and self._undo.open(now) else ""
        paused = bool(frame.get("engine", {}).get("paused"))
        return replace(self._place, lost=lost, engine_paused=paused, undo=undo, now=now)

    def frame_state(self) -> FrameState:
        snapshot = self._snapshot
        return FrameState(
            environment=safe_text(self._place.environment, 20),
            host=self._host,
            production=self._place.production,
            read_only=self._place.read_only,
            link=snapshot.link if snapshot else self.link.state,
            now=self.now(),
            held=self.held,
            frozen_at=self.frozen_at,
            draining=f"DRAINING {self.link.in_flight()}" if self._draining else "",
            read_at=snapshot.at if snapshot else self.now(),
            frame=snapshot.frame if snapshot else {},
        )

    def common_targets(self) -> list[Target]:
        """What can be acted on from every view: the engine as a whole."""
        return [Target("engine", {})]

    def say(self, text: str, style: str = "") -> None:
        """The one message of row 23; it stands until the next one."""
        self._message = (safe_text(text, 300), style)
        if (view := self.view) is not None:
            view.draw_frame()

    def message_line(self) -> Line:
        text, style = self._message
        return ((f" {text}", style),) if text else ()

    # going

    def action_view(self, name: str) -> None:
        if name != self.current_mode:
            self._last_mode = self.current_mode
            self.switch_mode(name)
        else:
            while len(self.screen_stack) > 1:
                self.pop_screen()

    def action_last_view(self) -> None:
        self.action_view(self._last_mode)

    def action_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def action_leave(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.action_ask_quit()

    def action_help(self) -> None:
        view = self.view
        if view is not None and not isinstance(view, HelpScreen):
            self.push_screen(HelpScreen(view.MODE, view.crumb(), view.targets()))

    def action_refresh_now(self) -> None:
        self.link.look_now()
        self.feed.again()
        self.say("read again")

    def action_times(self) -> None:
        """UTC, local, relative, and round again."""
        self._times = self._times.next
        set_times(self._times, self._zone)
        self.say(f"times are {self._times.value}")
        if (view := self.view) is not None:
            view.redraw()

    def action_redraw(self) -> None:
        self.refresh(repaint=True, layout=True)
        self.screen.refresh(repaint=True, layout=True)
