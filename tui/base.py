"""What every part of the console builds on: where it stands, what it shows, and the one message above the hints."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import App

from engine.console_names import is_production
from storage.errors import PacelineError
from tui.actions import Target
from tui.feed import Feed, Snapshot
from tui.format import wrap
from tui.history import History
from tui.link import LOST, NONE, STARTING, Link
from tui.lookup import Situation
from tui.preferences import Preferences
from tui.safe_text import safe_text
from tui.screens.confirm import ConfirmScreen
from tui.screens.view import ViewScreen
from tui.state import FILE, KeptState
from tui.undo import UndoList
from tui.widgets.frame import FrameState
from tui.widgets.lines import Line

if TYPE_CHECKING:
    from engine.config import Config

MESSAGE_ROWS = 3
"""Rows that a message may take from the content: what went wrong is told with its remedy."""

WITHOUT = {NONE: "none runs on this database", STARTING: "it is starting, in a moment"}
"""Why no engine can be asked, in states that have one reason only."""


def wall_clock() -> int:
    """The present in microseconds UTC."""
    return time.time_ns() // 1_000


def no_config() -> Config:
    """A configuration without accounts."""
    from engine.config import Config

    return Config()


class ConsoleBase(App[int]):
    """The state that the parts of the console share. Time (us UTC) and monotonic time (s) are passed in; `state` is the
    folder of what is kept between runs (None: nothing is), `zone` that of local times, `config` reads the
    configuration as it stands now (accounts for previews and checks). `rest` is called in a thread when the first
    picture stands; it does what a start needs besides, returns sentences to tell, and ends the console by raising."""

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
        config: Callable[[], Config] = no_config,
        rest: Callable[[], Sequence[str]] = tuple,
        preferences: Preferences | None = None,
        now: Callable[[], int] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # Said here, because NO_COLOR is looked at before the theme is known: greys could be black on black.
        super().__init__(ansi_color=True)
        self.database = database
        self.link = link
        self.state = state
        self.kept = KeptState(state / FILE if state is not None else None)
        self.history = History(state / "commands" if state is not None else None)
        self.filters = History(state / "filters" if state is not None else None)
        self.zone = zone
        self.load_config = config
        self.rest = rest
        self.preferences = preferences or Preferences()
        self.keymap = self.preferences.keymap
        self.now = now
        self.monotonic = monotonic
        self.feed = Feed(database, now=now, look=link.look, publish=self.publish)
        self.undos = UndoList()
        self.frozen_at: int | None = None
        """When the screen was frozen (us); None: live."""
        self.draining = False
        self._place = Situation(
            environment=environment,
            production=is_production(environment),
            read_only=read_only,
            named=self.keymap.named,
        )
        self._host = safe_text(host, 40)
        self._snapshot: Snapshot | None = None
        self._message = ("", "")
        self._message_of: Hashable = None

    def publish(self, snapshot: Snapshot) -> None:
        """Hand over what the feed has read; called in the reader's thread."""

    @property
    def view(self) -> ViewScreen | None:
        """The open view, also under a dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, ViewScreen)), None)

    @property
    def held(self) -> bool:
        """Whether a dialog holds the list still. While the console ends there is no screen."""
        return bool(self.screen_stack) and isinstance(self.screen, ConfirmScreen)

    def present(self) -> int:
        """The moment that the screen shows."""
        return self.now() if self.frozen_at is None else self.frozen_at

    def situation(self) -> Situation:
        """The surroundings of every action, as they are now."""
        link = self._snapshot.link if self._snapshot else self.link.state
        frame = self._snapshot.frame if self._snapshot else {}
        now = self.now()
        lost = WITHOUT.get(link.word, "") or (link.reason if link.word == LOST else "")
        undo = next((undo.title for undo in self.undos.open(now)), "")
        paused = bool(frame.get("engine", {}).get("paused"))
        return self._place._replace(lost=lost, engine_paused=paused, undo=undo, now=now)

    def frame_state(self) -> FrameState:
        """What the rows around every view show."""
        snapshot = self._snapshot
        return FrameState(
            environment=safe_text(self._place.environment, 20),
            host=self._host,
            accent=self.preferences.accent,
            production=self._place.production,
            read_only=self._place.read_only,
            link=snapshot.link if snapshot else self.link.state,
            now=self.now(),
            held=self.held,
            frozen_at=self.frozen_at,
            draining=f"DRAINING {self.link.in_flight()}" if self.draining else "",
            read_at=snapshot.at if snapshot else self.now(),
            frame=snapshot.frame if snapshot else {},
        )

    def common_targets(self) -> list[Target]:
        """What can be acted on from every view: the engine as a whole."""
        return [Target("engine", {})]

    def say(self, text: str, style: str = "") -> None:
        """The one message above the hints; it stands until the next one."""
        self._message, self._message_of = (safe_text(text, 300), style), None
        if (view := self.view) is not None:
            view.draw_frame()

    def note(self, text: str) -> None:
        """A message about what the open view shows; it goes when that view shows something else, or another opens."""
        self._message, self._message_of = (safe_text(text, 300), ""), self._shown()
        if (view := self.view) is not None:
            view.draw_frame()

    def _shown(self) -> Hashable:
        return None if (view := self.view) is None else (id(view), view.token())

    def tell(self, error: PacelineError) -> None:
        """Say what kept something from being done, and the remedy."""
        self.say(f"{error.message}{f' - {error.hint}' if error.hint else ''}", "bad")

    def tell_notices(self) -> None:
        """Say first what is wrong with the operator's own files; `paceline doctor` lists all of it."""
        notices = self.preferences.notices
        if notices:
            more = f" ({len(notices) - 1} more: paceline doctor)" if len(notices) > 1 else ""
            self.say(f"{notices[0]}{more}", "warn")

    def message_lines(self, width: int) -> list[Line]:
        """The message in as many rows as it needs, at most `MESSAGE_ROWS`."""
        if self._message_of is not None and self._message_of != self._shown():
            self._message, self._message_of = ("", ""), None
        text, style = self._message
        if cell_len(text) < width:
            return [((f" {text}", style),) if text else ()]
        return [((f" {line}", style),) for line in wrap(text, width - 2)[:MESSAGE_ROWS]]
