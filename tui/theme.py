"""Glyphs, words and colours of the screen: plain ASCII and the terminal's own sixteen colours.

The word of a state always stands beside its glyph, so that colour and glyph help and never carry alone.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

STYLES: dict[str, Style] = {
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
}


class Mark(NamedTuple):
    """How one state is shown: its glyph, the word operators know it by, and a name of `STYLES`."""

    glyph: str
    word: str
    style: str


JOBS: dict[str, Mark] = {
    "later": Mark("@", "later", "later"),
    "due": Mark(".", "due", "dim"),
    "paced": Mark("=", "paced", "paced"),
    "retry": Mark("~", "retry", "warn"),
    "processing": Mark(">", "sending", "run"),
    "held": Mark("o", "held", "warn"),
    "completed": Mark("+", "sent", "good"),
    "failed": Mark("!", "failed", "bad"),
    "uncertain": Mark("?", "uncertain", "ask"),
    "bounced": Mark("<", "bounced", "bad"),
    "skipped": Mark("x", "skipped", "dim"),
    "draft": Mark(".", "draft", "dim"),
}
CAMPAIGNS: dict[str, Mark] = {
    "active": Mark(">", "running", "run"),
    "paused": Mark("|", "paused", "stopped"),
    "draft": Mark(".", "draft", "dim"),
    "completed": Mark("+", "done", "good"),
    "cancelled": Mark("x", "cancelled", "dim"),
    "sched": Mark("@", "sched", "later"),
}
QUEUES: dict[str, Mark] = {
    "ready": Mark("+", "ready", "good"),
    "cooling": Mark("=", "cooling", "paced"),
    "probing": Mark("~", "probing", "warn"),
    "paused": Mark("|", "paused", "stopped"),
    "needs_attention": Mark("!", "attention", "bad"),
    "restricted": Mark("!", "restricted", "bad"),
}
BATCHES: dict[str, Mark] = {
    "loading": Mark(".", "loading", "dim"),
    "ready": Mark(">", "running", "run"),
    "done": Mark("+", "done", "good"),
}
KINDS: dict[str, str] = {
    "soft": "warn", "net": "warn", "hard": "bad", "content": "bad", "config": "bad", "unknown": "bad",
    "uncertain": "ask", "held": "warn",
}  # fmt: skip


def job_mark(row: dict[str, object], now: int) -> Mark:
    """The mark of a job row: `pending` is told apart by its time and its tries."""
    state = str(row["state"])
    if state != "pending":
        return JOBS.get(state, Mark(" ", state, ""))
    if row.get("attempts") and row.get("error_key", row.get("error")):
        return JOBS["retry"]
    due = row.get("due_at")
    return JOBS["later"] if isinstance(due, int) and due > now else JOBS["due"]


def terminal_theme() -> Theme:
    """The terminal's own colours and background, so that any terminal and any number of colours will do."""
    base = BUILTIN_THEMES["ansi-dark"]
    return Theme(
        name="paceline",
        ansi=True,
        primary=base.primary,
        secondary=base.secondary,
        warning=base.warning,
        error=base.error,
        success=base.success,
        accent=base.accent,
        foreground=base.foreground,
        background=base.background,
        surface=base.surface,
        panel=base.panel,
        boost=base.boost,
        variables=dict(base.variables),
    )
