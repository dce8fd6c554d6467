"""What every view has in common: the frame, the bindings of the registry, and how snapshots reach it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget

from storage.reader import Reader
from tui.actions import ACTIONS, Target
from tui.feed import Snapshot
from tui.format import plural
from tui.keymap import UNBOUND
from tui.link import LOST
from tui.looks import LOOKS, Look
from tui.lookup import available
from tui.missed import Missed, differences, with_gone
from tui.redrawing import RowCompositor
from tui.widgets import frame
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Rows
from tui.widgets.prompt import Prompt
from tui.widgets.views import Views

if TYPE_CHECKING:
    from tui.console import PacelineApp

Written = Callable[[Reader, int], Iterable[dict[str, Any]]]
"""Reads the rows that `w` writes, in their order, with the present (us)."""

PAGE = 200
"""Rows that one page of a long list holds."""


def action_bindings() -> list[BindingType]:
    """One binding an action. Several may share a key: whichever the toolkit finds first, the registry says which of
    them the row means. What only `:` can ask for is bound too, so that `keys.toml` can give it a key."""
    return [
        Binding(action.key or UNBOUND, f"press('{action.id}')", action.title, id=action.id, show=False)
        for action in ACTIONS
    ]


def look_bindings(*where: str, only: tuple[str, ...] = ()) -> list[BindingType]:
    """The bindings of these groups of looks; with `only`, just those of these ids."""
    return [
        Binding(
            ",".join(look.keys) or UNBOUND,
            look.does,
            look.title,
            id=look.id,
            show=False,
            priority=look.id == "view.filter",
        )
        for look in LOOKS
        if look.where in where and (not only or look.id in only)
    ]


def back_binding(does: str, *, priority: bool = False) -> Binding:
    """`app.back` for a screen whose step back is an action of its own: it follows that id's key."""
    back = next(look for look in LOOKS if look.id == "app.back")
    return Binding(",".join(back.keys), does, back.title, id=back.id, show=False, priority=priority)


class ViewScreen(Screen[None]):
    """One view. A subclass says what it reads (`reads`), how it shows that (`show`), and what its cursor is on."""

    CSS_PATH: ClassVar[Any] = "view.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*action_bindings(), *look_bindings("move")]
    MODE: ClassVar[str] = ""
    """The view's name in row 2."""
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)
    """Keys that look, shown in the last row before the actions."""
    broken = ""
    """Why the text that was typed behind `/` is no filter."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = rows = RowCompositor()
        self._on_terminal = rows.shown
        self.after: list[int] = [0]
        """Where each page that was turned to begins; the last one is shown."""
        self.data: Any = None
        self.data_token: Hashable = None
        """What `data` was read for: a filter typed since has another token, and its rows are still to come."""
        self.crumb_right = ""
        self._grid: Grid | None = None
        self._composed = False
        self._unreadable = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`/` comes before the list's own keys, as `:` does: what is typed behind it at once belongs to the prompt."""
        if action == "filter":
            return self.app.screen is self and (self.focused is None or isinstance(self.focused, Grid))
        return super().check_action(action, parameters)

    @property
    def console(self) -> PacelineApp:
        return cast("PacelineApp", self.app)

    def named(self, id: str) -> str:
        """What a sentence calls the key of an action or a look."""
        return self.console.keymap.named(id)

    # what a view is

    def token(self) -> Hashable:
        """Names what is read: a snapshot for another token is not this screen's."""
        return (type(self).__name__, self.after[-1])

    @abstractmethod
    def reads(self) -> Callable[[Reader, int], Any]: ...

    @abstractmethod
    def show(self, data: Any, now: int) -> None:
        """Put what was read on the screen; called again, with the same data, when only the time has moved."""

    @abstractmethod
    def crumb(self) -> str: ...

    @abstractmethod
    def body(self) -> Iterable[Widget]:
        """The widgets between row 3 and the message row."""

    def targets(self) -> list[Target]:
        """What actions are for, nearest first: the cursor's row, then the view's own thing."""
        return []

    def opens(self) -> ViewScreen | None:
        """The screen that enter goes to."""
        return None

    @property
    def tab(self) -> str:
        """The view that is marked in row 2."""
        return self.MODE

    def written(self) -> Written | None:
        """What `w` writes, where that is more than the rows which are read now; called in a thread."""
        return None

    def filter_off(self) -> str:
        """Why nothing may be done with what is shown: a filter that does not parse must never widen a set."""
        return ""

    def missed(self, data: Any) -> Missed:
        """How what was read now differs from what is shown."""
        return differences(self.data, data)

    def show_gone(self, data: Any) -> None:
        """Let the rows of a frozen view that are not in what was read now say so."""
        self.data = with_gone(self.data, data)

    def narrow(self, text: str) -> None:
        """Show only what this filter lets through: what was typed behind the view's word at `:`."""
        self.console.say(f"{self.MODE} takes no filter: '{text}' was left out", "warn")

    def grid(self) -> Grid | None:
        """The list that the cursor keys move in."""
        grid = self._grid
        if grid is None or not (grid.is_attached and grid.display):
            # Kept, because it is asked for several times a key, and a query looks at every widget.
            grid = self._grid = next((grid for grid in self.query(Grid) if grid.display), None)
        return grid

    # composition

    def compose(self) -> ComposeResult:
        yield Lines(id="status", over="status")
        yield Views(self.console.keymap, id="views")
        yield Lines(id="crumb")
        with Container(id="content"):
            yield from self.body()
        yield Lines(id="lost")
        yield Lines(id="message")
        yield Prompt(id="prompt")
        yield Lines(id="hints")
        yield Lines(id="small")

    @property
    def prompt(self) -> Prompt:
        """The prompt of this view: `self.prompt.open("/", ...)`."""
        return self.query_one(Prompt)

    def on_prompt_changed(self) -> None:
        if self._stands:
            self.set_class(self.prompt.is_open, "-asking")
            self.draw_frame()

    @property
    def _stands(self) -> bool:
        """Whether the widgets are there: a snapshot may come before they are, and after they have gone. Those inside
        the content come after those beside it, so the rows of the frame alone do not tell."""
        return self._composed and self.query_one_optional("#small") is not None

    @property
    def answers(self) -> bool:
        """Whether a key can be answered: there is something to answer it for, or a word on why there is not."""
        return self._stands and (self.data is not None or self._unreadable or self.prompt.is_open)

    def on_mount(self) -> None:
        if self._composed:  # the toolkit calls this too, after a subclass that calls it to go on from here
            return
        self._composed = True
        if (grid := self.grid()) is not None:
            # At once: what a screen asks for when it opens takes the focus from here.
            self.set_focus(grid, scroll_visible=False)
        self.redraw()

    def on_screen_suspend(self) -> None:
        self._on_terminal.forget()

    def on_screen_resume(self) -> None:
        self.watch_data()
        self.draw_frame()

    def watch_data(self) -> None:
        self.console.feed.watch(self.token(), self.reads())

    def on_resize(self, event: Resize) -> None:
        width, height = event.size
        self.set_class(frame.is_too_small(width, height), "-small")
        self.set_class(height < 20, "-short")
        if (small := self.query_one_optional("#small", Lines)) is None:  # left before its first size came
            return
        small.show(frame.too_small(width, height))
        self.call_after_refresh(self.redraw)

    # data and time

    def take(self, snapshot: Snapshot) -> None:
        if snapshot.token == self.token() and not snapshot.error:
            self.data, self.data_token = snapshot.data, snapshot.token
        self._unreadable = bool(snapshot.error)
        self.redraw()

    def redraw(self) -> None:
        if self._stands and self.data is not None and not frame.is_too_small(*self.size):
            self.show(self.data, self.console.present())
        self.draw_frame()

    def draw_frame(self) -> None:
        if not self._stands:
            return
        state = self.console.frame_state()
        width = self.size.width
        top = self.query_one("#status", Lines)
        top.show([frame.status(state, width)], over=frame.status_style(state))
        self.query_one("#views", Lines).show([frame.views(self.tab, width, self.console.keymap)])
        right = "STALE: actions are off" if self.console.situation().lost else self.crumb_right
        self.query_one("#crumb", Lines).show([frame.crumb(self.crumb(), right, width)])
        lost = state.link.word == LOST
        self.set_class(lost, "-lost")
        if lost:
            self.query_one("#lost", Lines).show(frame.lost_lines(state, self.console.keymap))
        message = self.query_one("#message", Lines)
        lines = self.console.message_lines(width)
        if len(lines) != len(message.lines or ((),)):
            message.styles.height = len(lines)
        message.show(lines)
        self.query_one("#hints", Lines).show([self.hints(width)])

    def draw_now(self) -> None:
        """Write what has changed to the terminal, where the toolkit would first pass each change on from widget to
        screen and then wait for its next frame. What changes the layout is left to it."""
        if not self.is_current or self.app._batch_count:
            return
        if self._layout_required or self._scroll_required or self._repaint_required or self._recompose_required:
            return
        changed = {widget for widget in self._compositor.visible_widgets if widget._repaint_required}
        if not changed or any(widget._layout_required or not isinstance(widget, Rows) for widget in changed):
            return
        for widget in changed:
            widget._repaint_required = False
        self._dirty_widgets |= changed
        self._compositor.update_widgets(self._dirty_widgets)
        self._compositor_refresh()

    def hints(self, width: int) -> Line:
        if self.console.held:
            return ((" esc", "key"), (" no", ""))
        if self.prompt.is_open:
            return frame.prompt_hints(self.prompt, self.broken, width)
        on = available(
            [*self.targets(), *self.console.common_targets()], self.console.situation(), self.console.keymap.key
        )
        return frame.hints(on, self.looks_on(), width, self.console.keymap)

    def looks_on(self) -> list[Look]:
        grid = self.grid()
        empty = grid is None or grid.cursor < 0
        return [look for look in LOOKS if look.id in self.HINTS and not (look.id == "view.open" and empty)]

    # keys

    def action_press(self, id: str) -> None:
        self.console.press(id, [*self.targets(), *self.console.common_targets()])

    def action_move(self, step: str) -> None:
        if (grid := self.grid()) is not None:
            grid.action_move(step)

    def action_open(self) -> None:
        screen = self.opens()
        if screen is not None:
            self.console.push_screen(screen)

    def action_next_tab(self) -> None:
        self.console.note("this view has one pane")

    def page_rows(self) -> list[dict[str, Any]]:
        """The rows of the page that is shown, for views that turn pages."""
        return []

    def action_turn_page(self, by: int) -> None:
        rows = self.page_rows()
        if by > 0 and len(rows) >= PAGE:
            self.after.append(rows[-1]["id"])
        elif by < 0 and len(self.after) > 1:
            self.after.pop()
        else:
            self.console.note("there is no further page" if by > 0 else "this is the first page")
            return
        self.watch_data()

    def page_text(self, noun: str, total: int | None = None) -> str:
        """`rows 201-400 of 12,480` for a list in pages."""
        rows = self.page_rows()
        first = (len(self.after) - 1) * PAGE
        of = f" of {total:,}" if total is not None else ""
        if not rows:
            return f"no {noun}s"
        if first == 0 and len(rows) < PAGE:
            return plural(len(rows), noun) if total is None or total == len(rows) else f"{len(rows):,}{of} {noun}s"
        keys = f"{self.named('view.next_page')} {self.named('view.previous_page')}"
        return f"{noun}s {first + 1:,}-{first + len(rows):,}{of}  {keys} page"

    def cursor_moved(self) -> None:
        """The list's cursor is on another row."""
        self.redraw_for_cursor()
        self.draw_frame()

    def redraw_for_cursor(self) -> None:
        """Draw what depends on the cursor's row, beside the list itself."""
        return
