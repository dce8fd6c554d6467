"""`[console]` of the configuration: how the console looks. The engine itself reads none of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from engine.console_names import PRODUCTION, Accent, ThemeName, is_production

__all__ = ["PRODUCTION", "Accent", "ConsoleSettings", "ThemeName", "is_production"]


class ConsoleSettings(BaseModel):
    """`theme` is what a first run shows (`:theme` chooses another, which is kept), `accent` the colour of the first row
    (None: red in production, else none), `mouse` whether the terminal's mouse is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    theme: ThemeName = "terminal"
    accent: Accent | None = None
    mouse: bool = False
