"""The words of `:`, as tables: which go to a view, which show one thing, which are a key's, which name an action."""

from __future__ import annotations

from tui.actions import ACTIONS, Action
from tui.looks import LOOKS, Look

PLACES: dict[str, str] = {
    "overview": "overview", "over": "overview", "campaigns": "campaigns", "camp": "campaigns", "campaign": "campaigns",
    "jobs": "jobs", "job": "jobs", "failures": "failures", "fail": "failures", "queues": "queues", "queue": "queues",
    "approvals": "approvals", "appr": "approvals",
    "schedules": "schedules", "schedule": "schedules", "sched": "schedules",
    "performance": "performance", "perf": "performance", "log": "log", "events": "log",
}  # fmt: skip
"""Words that go to a view."""
LISTS = {
    ("campaign", "list"): "campaigns",
    ("job", "list"): "jobs",
    ("job", "failures"): "failures",
    ("approval", "list"): "approvals",
    ("queue", "list"): "queues",
    ("alarm", "list"): "overview",
    ("schedule", "list"): "schedules",
    ("pipeline", "list"): "schedules",
}
SHOWS = {
    ("campaign", "show"): "campaign",
    ("queue", "show"): "queue",
    ("job", "show"): "job",
    ("inbox", "show"): "inbox",
    ("schedule", "show"): "schedule",
}
MAKE = (("campaign", "new"), ("schedule", "add"), ("job", "add"))
"""Here the name alone is enough, or nothing at all: the rest is asked for."""
PAGES = {("suppression", "list"): "suppressions", ("inbox", "list"): "inbox"}
"""Lists that are pages over any view, by the word of their key."""
START = ("start",)
"""What a lost engine's block offers: `engine run` in one word, here in this console."""
DECIDE = ("campaign", "resolve")
"""Without a job: all that is uncertain, one after the other."""
LEAVE = ("q", "quit")
HELP = ("help",)
RUNS: dict[str, Look] = {
    look.word: look
    for look in LOOKS
    if look.id.startswith("app.") and look.id not in ("app.command", "app.help", "app.back", "app.leave", "app.quit")
}
"""Words of the keys that only look."""
TAKE_NAME = ("app.theme", "app.dump", "app.write", "app.suppressions", "app.inbox")
"""Of those, the ones that a name may stand behind."""
THEME_NAMES = ("terminal", "dark", "light")
UNDO = ("undo",)

BY_WORDS: dict[tuple[str, ...], Action] = {}
for _action in ACTIONS:
    if _action.twin and _action.words:
        BY_WORDS.setdefault(_action.words, _action)
