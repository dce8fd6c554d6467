"""The three themes: the terminal's own sixteen colours, and a dark and a light one of our own.

A style has a name everywhere; `STYLES` says what that name looks like now. Under NO_COLOR the first theme alone
is used: it says with reverse, bold and dim what the others say with backgrounds.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

TERMINAL, DARK, LIGHT = "terminal", "dark", "light"

_SIXTEEN: dict[str, Style] = {
    "": Style(),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "head": Style(bold=True),
    "key": Style(bold=True),
    "good": Style(color="green"),
    "bad": Style(color="red"),
    "warn": Style(color="yellow"),
    "run": Style(color="cyan", bold=True),
    "later": Style(color="blue"),
    "paced": Style(color="magenta"),
    "ask": Style(color="magenta", reverse=True),
    "stopped": Style(color="yellow", reverse=True),
    "cursor": Style(reverse=True),
    "tab": Style(reverse=True, bold=True),
    "status": Style(reverse=True),
    "production": Style(color="white", bgcolor="red", bold=True),
    "lost": Style(color="red", reverse=True, bold=True),
    "accent-red": Style(color="white", bgcolor="red", bold=True),
    "accent-yellow": Style(color="black", bgcolor="yellow", bold=True),
    "accent-green": Style(color="black", bgcolor="green", bold=True),
    "accent-blue": Style(color="white", bgcolor="blue", bold=True),
    "accent-magenta": Style(color="white", bgcolor="magenta", bold=True),
    "accent-cyan": Style(color="black", bgcolor="cyan", bold=True),
}


class Palette(NamedTuple):
    """Colours of one theme as `#rrggbb`; each pair of text and ground has a contrast of at least 4.5 (WCAG 2.2 AA)."""

    ground: str
    text: str
    dim: str
    good: str
    bad: str
    warn: str
    run: str
    later: str
    paced: str
    cursor: str
    on_cursor: str
    bar: str
    on_bar: str


_DARK = Palette(
    ground="#14181d", text="#d9dfe5", dim="#98a3ae", good="#7bd18c", bad="#ff8f85", warn="#e6c469", run="#6ed3e8",
    later="#93b4ff", paced="#dca6f2", cursor="#2b4b73", on_cursor="#ffffff", bar="#39434f", on_bar="#f2f5f8",
)  # fmt: skip
_LIGHT = Palette(
    ground="#fbfbfa", text="#1d2228", dim="#586170", good="#0f6327", bad="#b3241c", warn="#784c00", run="#005c70",
    later="#0b46ad", paced="#78209b", cursor="#cfe2ff", on_cursor="#10161d", bar="#d8dde3", on_bar="#1d2228",
)  # fmt: skip
_ACCENTS = {
    "red": ("#ffffff", "#b3241c"), "yellow": ("#1d1800", "#e6c469"), "green": ("#ffffff", "#1d6b35"),
    "blue": ("#ffffff", "#1d56c0"), "magenta": ("#ffffff", "#8a2fae"), "cyan": ("#00222a", "#6ed3e8"),
}  # fmt: skip


def _painted(palette: Palette) -> dict[str, Style]:
    bar = Style(color=palette.on_bar, bgcolor=palette.bar)
    alarm = Style(color="#ffffff", bgcolor="#b3241c", bold=True)
    # A row is drawn as it is given, over nothing: each of its pieces brings the ground along.
    plain = Style(color=palette.text, bgcolor=palette.ground)
    styles = {
        "": Style(),
        "dim": Style(color=palette.dim),
        "bold": Style(bold=True),
        "head": Style(bold=True),
        "key": Style(bold=True),
        "good": Style(color=palette.good),
        "bad": Style(color=palette.bad),
        "warn": Style(color=palette.warn),
        "run": Style(color=palette.run, bold=True),
        "later": Style(color=palette.later),
        "paced": Style(color=palette.paced),
        "ask": Style(color=palette.ground, bgcolor=palette.paced),
        "stopped": Style(color=palette.ground, bgcolor=palette.warn),
        "cursor": Style(color=palette.on_cursor, bgcolor=palette.cursor),
        "tab": Style(color=palette.on_cursor, bgcolor=palette.cursor, bold=True),
        "status": bar,
        "production": alarm,
        "lost": Style(color="#b3241c", bgcolor="#ffffff", bold=True),
        **{f"accent-{name}": Style(color=on, bgcolor=ground, bold=True) for name, (on, ground) in _ACCENTS.items()},
    }
    return {name: plain + style for name, style in styles.items()}


_LOOKS: dict[str, dict[str, Style]] = {TERMINAL: _SIXTEEN, DARK: _painted(_DARK), LIGHT: _painted(_LIGHT)}
THEMES = (TERMINAL, DARK, LIGHT)
STYLES: dict[str, Style] = dict(_SIXTEEN)
"""What each name looks like now: one screen has one operator, so this is one setting for the process."""


def use_styles(theme: str) -> None:
    """From now on names look as in this theme; a redraw of the screen is the caller's."""
    STYLES.update(_LOOKS[theme])


def allowed(theme: str) -> str:
    """`theme` where there is one of that name and colours are wanted; else the terminal's own."""
    return theme if theme in THEMES and not os.environ.get("NO_COLOR") else TERMINAL


def textual_theme(theme: str) -> Theme:
    """The same for the toolkit's own widgets: the palette, the editor, plots."""
    name = f"paceline-{theme}"
    if theme == TERMINAL:
        base = BUILTIN_THEMES["ansi-dark"]
        return Theme(
            name=name, ansi=True, primary=base.primary, secondary=base.secondary, warning=base.warning,
            error=base.error, success=base.success, accent=base.accent, foreground=base.foreground,
            background=base.background, surface=base.surface, panel=base.panel, boost=base.boost,
            variables=dict(base.variables),
        )  # fmt: skip
    palette = _DARK if theme == DARK else _LIGHT
    return Theme(
        name=name, dark=theme == DARK, primary=palette.later, secondary=palette.run, warning=palette.warn,
        error=palette.bad, success=palette.good, accent=palette.paced, foreground=palette.text,
        background=palette.ground, surface=palette.ground, panel=palette.bar,
        variables={"block-cursor-background": palette.cursor, "block-cursor-foreground": palette.on_cursor},
    )  # fmt: skip
