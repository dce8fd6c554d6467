"""`:theme`: which colours the screen has."""

from __future__ import annotations

from textual.app import App

from storage.errors import PacelineError, UsageError
from tui.base import ConsoleBase
from tui.themes import THEMES, allowed, textual_theme, use_styles


class Theming(ConsoleBase):
    """The part of the console that chooses its colours, and keeps the choice."""

    _dressed = False
    """Whether the style sheet was made for this theme before anything was drawn by it."""

    def on_load(self) -> None:
        self.begin_theme()

    def begin_theme(self) -> None:
        """Take the theme of the last run, else that of the configuration. Before the screen: changed later, every rule
        of the style sheet is parsed and applied anew, which a first picture would wait for."""
        for name in THEMES:
            self.register_theme(textual_theme(name))
        self.set_reactive(App.theme, self._named(self.kept.text("theme") or self.preferences.theme))
        self.stylesheet.set_variables(self.get_css_variables())
        self._dressed = True

    def refresh_css(self, animate: bool = True) -> None:
        """The toolkit asks once more when it starts, whatever its theme: that one is left out."""
        if self._dressed:
            self._dressed = False
        else:
            super().refresh_css(animate)

    def _named(self, name: str) -> str:
        self._theme = allowed(name)
        use_styles(self._theme)
        return f"paceline-{self._theme}"

    def choose_theme(self, name: str = "") -> None:
        """Change to the theme of this name, or to the next one. Raises UsageError for a name that there is not."""
        name = name or THEMES[(THEMES.index(self._theme) + 1) % len(THEMES)]
        if name not in THEMES:
            raise UsageError(f"there is no theme '{name[:40]}'", hint=f"there are: {', '.join(THEMES)}")
        if allowed(name) != name:
            raise UsageError("NO_COLOR is set: this screen has no colours", hint="start it without NO_COLOR")
        self.theme = self._named(name)
        self.kept.keep_text("theme", name)
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                widget.refresh()
        self.say(f"theme: {name}")

    def action_theme(self, name: str = "") -> None:
        try:
            self.choose_theme(name)
        except PacelineError as error:
            self.tell(error)
