"""Glyphs and words of every state, in plain ASCII, each with the name of a style in `tui.themes`.

The word of a state always stands beside its glyph, so that colour and glyph help and never carry alone.
"""

from __future__ import annotations

from typing import NamedTuple

from storage.model import SEND


class Mark(NamedTuple):
    """How one state is shown: its glyph, the word operators know it by, and the name of a style."""

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
WORK: dict[str, Mark] = {
    "processing": Mark(">", "running", "run"),
    "completed": Mark("+", "done", "good"),
    "flagged": Mark("+", "done !", "warn"),
}
"""Of background jobs what is called otherwise than of messages; a flagged one is done and should be looked at."""
STAGES: dict[str, Mark] = {
    "waiting": Mark(".", "waiting", "dim"),
    "running": Mark(">", "running", "run"),
    "done": Mark("+", "done", "good"),
    "failed": Mark("!", "failed", "bad"),
    "skipped": Mark("x", "skipped", "dim"),
}
GONE = Mark("-", "gone", "dim")
"""A row of a frozen list that belongs to it no more."""
CANCELLING = Mark("x", "cancelling", "dim")
"""Cancelled by hand, until there is no undo any more."""
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
    if state == "held" and row.get("reason") == "cancelled":
        return CANCELLING
    if row.get("kind", SEND) != SEND and state in WORK:
        return WORK["flagged" if state == "completed" and row.get("flag") else state]
    if state != "pending":
        return JOBS.get(state, Mark(" ", state, ""))
    if row.get("attempts") and row.get("error_key", row.get("error")):
        return JOBS["retry"]
    due = row.get("due_at")
    return JOBS["later"] if isinstance(due, int) and due > now else JOBS["due"]
