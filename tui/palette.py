"""`^p`: the command palette over the registry: what can be done with the row, where to go, what there is by name.

What is off stands there too, with the reason; choosing it says the reason once more. Nothing of a row is ever markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider, SearchIcon
from textual.content import Content
from textual.screen import Screen
from textual.style import Style

from storage.errors import PacelineError
from tui.acting import Acting
from tui.actions import ACTIONS, Action, Row, Target
from tui.inspecting import Inspecting
from tui.looks import LOOKS
from tui.names import load_names
from tui.screens.view import ViewScreen

if TYPE_CHECKING:
    from tui.console import PacelineApp


class Entry(NamedTuple):
    """One line of the palette: what it says, what stands dim behind it, and what it does."""

    title: str
    more: str
    run: Callable[[], object]


class RegistryProvider(Provider):
    """Everything that the registry knows, for what was under the cursor when the palette opened."""

    def __init__(self, screen: Screen[Any], match_style: Style | None = None) -> None:
        super().__init__(screen, match_style)
        self._names: dict[str, list[str]] = {}

    @property
    def console(self) -> PacelineApp:
        return cast("PacelineApp", self.app)

    async def startup(self) -> None:
        try:
            self._names = await self.console.read_once(load_names)
        except PacelineError:
            return

    def entries(self) -> Iterator[Entry]:
        console = self.console
        situation = console.situation()
        for target in console.targets():
            for action in ACTIONS:
                if action.scope == target.scope:
                    yield self._act(action, target, action.off(target.row, situation))
        for look in LOOKS:
            if look.where == "app":
                keys = console.keymap.shown(look.id)
                yield Entry(look.title, keys, partial(console.run_action, look.does))
        for scope, names in self._names.items():
            for name in names:
                yield Entry(f"{scope} {name}", "open", partial(console.show_one, scope, name))

    def _act(self, action: Action, target: Target, reason: str) -> Entry:
        name = str(target.row.get("name", target.row.get("id", "")))
        more = f"off: {reason}" if reason else self.console.keymap.shown(action.id)
        return Entry(f"{action.title} {name}".strip(), more, partial(self._begin, action, target.row))

    def _begin(self, action: Action, row: Row) -> None:
        console: Acting = self.console
        if reason := action.off(row, console.situation()):
            console.say(f"{action.title} is off: {reason}", "warn")
        else:
            console.begin(action, row)

    async def discover(self) -> Hits:
        for entry in self.entries():
            yield DiscoveryHit(_drawn(entry), entry.run, text=entry.title)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self.entries():
            score = matcher.match(entry.title)
            if score > 0:
                yield Hit(score, _drawn(entry), entry.run, text=entry.title)


def _drawn(entry: Entry) -> Content:
    title = Content(entry.title)
    return title + Content(f"   {entry.more}").stylize("dim") if entry.more else title


class Palette(CommandPalette):
    """The toolkit's palette, fed from the registry; in plain ASCII, because some of its glyphs have two widths."""

    CSS_PATH = "palette.tcss"

    def __init__(self) -> None:
        super().__init__([RegistryProvider], placeholder="action, view, campaign or queue")

    def on_mount(self) -> None:
        self.query_one(SearchIcon).icon = ":"


class Palettes(Inspecting):
    """The part of the console that opens the palette."""

    def action_palette(self) -> None:
        if isinstance(self.screen, ViewScreen) and not self.screen.has_class("-small"):
            self.push_screen(Palette())
