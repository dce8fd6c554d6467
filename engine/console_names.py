"""The words that `[console]` and `environment` are made of. Apart from their model, so that the console's first frame
need not wait for what checks a whole configuration."""

from __future__ import annotations

from typing import Literal

ThemeName = Literal["terminal", "dark", "light"]
Accent = Literal["red", "yellow", "green", "blue", "magenta", "cyan"]

PRODUCTION = frozenset({"production", "prod"})


def is_production(environment: str) -> bool:
    """Whether an environment of this name is one where a slip reaches real people."""
    return environment.strip().lower() in PRODUCTION
