"""The console: wires screens, reader and engine together. It decides nothing.

What is shown comes from the feed's snapshots; what is done goes through the registry and the engine's control.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from storage.model import MINUTE
from tui.attending import Attending
from tui.commanding import Commanding
from tui.dumping import Dumping
from tui.feed import Snapshot
from tui.freezing import Freezing
from tui.keymap import UNBOUND
from tui.looks import LOOKS
from tui.palette import Palettes
from tui.screens.overview import OverviewScreen
from tui.screens.view import ViewScreen
from tui.starting import Starting
from tui.telling import Telling
from tui.theming import Theming
from tui.widgets.grid import Grid
from tui.writing import Writing

RESTS_AFTER = 10
"""Ticks without anything new after which time moves on the screen in steps of `REST_STEP`, and with the minute."""
REST_STEP = 5


class SnapshotRead(Message):
    """The feed has read what the open view shows."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotRead)


def _app_bindings() -> list[BindingType]:
    return [
        # Quitting is asked for from every screen, also while a dialog or a list has the focus.
        Binding(
            ",".join(look.keys) or UNBOUND,
            look.does,
            look.title,
            id=look.id,
            show=False,
            priority=look.id in ("app.quit", "app.command"),
        )
        for look in LOOKS
        if look.where == "app"
    ]


def _when_opened(module: str, screen: str) -> Callable[[], ViewScreen]:
    """Import a view when it is opened: the first frame waits for none of them but its own."""

    def make() -> ViewScreen:
        made: ViewScreen = getattr(import_module(f"tui.screens.{module}"), screen)()
        return made

    return make


class PacelineApp(Commanding, Attending, Freezing, Telling, Theming, Dumping, Writing, Palettes, Starting):
    """The screen over one store and one link to an engine; see `ConsoleBase` for its arguments."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "Paceline"
    DEFAULT_MODE = "overview"
    # Those of the view that opens first: style sheets that come with a screen have all of them parsed anew.
    CSS_PATH: ClassVar = [f"screens/{sheet}" for sheet in OverviewScreen.CSS_PATH]
    MODES: ClassVar = {
        "overview": OverviewScreen,
        "campaigns": _when_opened("campaigns", "CampaignsScreen"),
        "jobs": _when_opened("jobs", "AllJobsScreen"),
        "failures": _when_opened("failures", "FailuresScreen"),
        "approvals": _when_opened("approvals", "ApprovalsScreen"),
        "queues": _when_opened("queues", "QueuesScreen"),
        "schedules": _when_opened("schedules", "SchedulesScreen"),
        "performance": _when_opened("performance", "PerformanceScreen"),
        "log": _when_opened("log", "LogScreen"),
    }
    BINDINGS: ClassVar[list[BindingType]] = _app_bindings()
    _still = 0
    """Ticks since the last snapshot."""
    _minute = 0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`:` comes before the list's own keys, so that what is typed behind it in one go belongs to the prompt; what
        is typed into a prompt, a form or a dialog keeps its colons."""
        if action == "command":
            return self.view is self.screen and (self.focused is None or isinstance(self.focused, Grid))
        return super().check_action(action, parameters)

    def on_mount(self) -> None:
        self.begin_times()
        self.set_keymap(self.keymap.for_toolkit())
        self.tell_notices()
        self.begin_view()
        self.feed.start()
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        self.keep_view()
        self.feed.stop()

    def publish(self, snapshot: Snapshot) -> None:
        """Called in the reader's thread: only hands over."""
        if self.is_running:
            self.post_message(SnapshotRead(snapshot))

    def on_snapshot_read(self, message: SnapshotRead) -> None:
        before, self._snapshot = self._snapshot, message.snapshot
        self._still = 0
        self.tell_news(before, message.snapshot)
        if message.snapshot.error:
            self.say(message.snapshot.error, "bad")
        if self.held:
            return
        if (view := self.view) is not None:
            if self.lets_in(view, message.snapshot):
                view.take(message.snapshot)
            else:
                view.draw_frame()  # row 1 does not freeze
            view.draw_now()
        self.begin_rest()

    def _tick(self) -> None:
        """Let the time on the screen move; what has not changed is not drawn, and at rest hardly looked at."""
        view, minute = self.view, self.now() // MINUTE
        self._still += 1
        link = self.link.state
        calm = link.usable and not link.silent and self.frozen_at is None
        at_rest = self._still > RESTS_AFTER and self._still % REST_STEP and minute == self._minute
        just_drawn = self._still == 1 and not self.held  # with a snapshot, since the last tick
        if view is None or (calm and (at_rest or just_drawn)):
            return
        self._minute = minute
        if self.held or self.frozen_at is not None:
            view.draw_frame()
        else:
            view.redraw()
        view.draw_now()

    def on_confirm_screen_opened(self) -> None:
        if (view := self.view) is not None:
            view.draw_frame()
