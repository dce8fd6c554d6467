"""`[console]` of the configuration: how the console looks. The engine itself reads none of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ThemeName = Literal["terminal", "dark", "light"]
Accent = Literal["red", "yellow", "green", "blue", "magenta", "cyan"]

PRODUCTION = frozenset({"production", "prod"})


class ConsoleSettings(BaseModel):
    """`theme` is what a first run shows (`:theme` chooses another, which is kept), `accent` the colour of the first row
    (None: red in production, else none), `mouse` whether the terminal's mouse is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    theme: ThemeName = "terminal"
    accent: Accent | None = None
    mouse: bool = False


def is_production(environment: str) -> bool:
    """Whether an environment of this name is one where a slip reaches real people."""
    return environment.strip().lower() in PRODUCTION
