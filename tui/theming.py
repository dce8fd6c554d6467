"""`:theme`: which colours the screen has."""

from __future__ import annotations

from storage.errors import PacelineError, UsageError
from tui.base import ConsoleBase
from tui.themes import THEMES, allowed, textual_theme, use_styles


class Theming(ConsoleBase):
    """The part of the console that chooses its colours, and keeps the choice."""

    def begin_theme(self) -> None:
        """Take the theme of the last run, else that of the configuration."""
        for name in THEMES:
            self.register_theme(textual_theme(name))
        self._wear(self.kept.text("theme") or self.preferences.theme)

    def _wear(self, name: str) -> None:
        self._theme = allowed(name)
        use_styles(self._theme)
        self.theme = f"paceline-{self._theme}"

    def choose_theme(self, name: str = "") -> None:
        """Change to the theme of this name, or to the next one. Raises UsageError for a name that there is not."""
        name = name or THEMES[(THEMES.index(self._theme) + 1) % len(THEMES)]
        if name not in THEMES:
            raise UsageError(f"there is no theme '{name[:40]}'", hint=f"there are: {', '.join(THEMES)}")
        if allowed(name) != name:
            raise UsageError("NO_COLOR is set: this screen has no colours", hint="start it without NO_COLOR")
        self._wear(name)
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
