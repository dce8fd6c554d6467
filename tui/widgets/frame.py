"""The five rows around every view, as pure functions from what is known to lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from storage.model import DAY, MINUTE, SECOND
from tui.actions import Action
from tui.format import clock, fit, per_minute, short, span
from tui.keymap import Keymap
from tui.keynames import shown_key
from tui.later import is_later
from tui.link import LOST, NONE, STARTING, LinkState
from tui.looks import Look
from tui.pace import limits_of, pace_text, planned
from tui.widgets.lines import Line, Span, spread

if TYPE_CHECKING:
    from tui.widgets.prompt import Prompt

VIEWS = (
    ("overview", "Over"),
    ("campaigns", "Camp"),
    ("jobs", "Jobs"),
    ("failures", "Fail"),
    ("approvals", "Appr"),
    ("queues", "Queue"),
    ("schedules", "Sched"),
    ("performance", "Perf"),
    ("log", "Log"),
)
"""Every view with its word in row 2."""

SMALLEST = (60, 15)
"""Columns and rows without which no view is drawn."""


PACE = 10
"""Cells of the pace in row 1, more where what is meant takes more: `240/240 min`."""

BEAT = 10 * SECOND
"""Two heartbeats: before that, none is missing."""


@dataclass(frozen=True, slots=True)
class FrameState:
    """What the frame shows beside the data: who and where, the link, and what holds the screen."""

    environment: str
    host: str
    production: bool
    read_only: bool
    link: LinkState
    now: int
    accent: str = ""
    held: bool = False
    frozen_at: int | None = None
    draining: str = ""
    read_at: int = 0
    frame: dict[str, Any] = field(default_factory=dict)


def status(state: FrameState, width: int) -> Line:
    """Row 1: where this is, what runs, how fast, what failed, the time. Positions stay. Too narrow, the place is cut
    first, then what else stands elsewhere goes; the environment stays whole, and the time is never cut."""
    frame, host = state.frame, f"@{state.host}"
    pace = runs = failed = ""
    if frame and state.link.word != LOST:
        speed = per_minute(frame["rates"], state.now, over=MINUTE)
        begun = [campaign for campaign in frame["campaigns"] if not is_later(campaign, state.now)]
        running = sum(campaign["state"] == "active" for campaign in begun)
        paused = sum(campaign["state"] == "paused" for campaign in frame["campaigns"])
        meant = planned(begun, limits_of(state.link.status))
        most = max(PACE, len(pace_text(meant or 0, meant, brief=True)))
        pace, runs = f"{pace_text(speed, meant, brief=True):<{most}}", f"run {running} pause {paused}"
    if frame:
        failed = f"FAIL {short(frame['counts']['failed'])}"
        failed += "" if state.link.word == LOST else f" {clock(state.now, state.now)}"
    access = "--" if not state.link.usable else "ro" if state.read_only else "rw"
    every = (pace, runs, failed)
    for name, parts in (("PACELINE ", every), ("", every), ("", (pace, failed)), ("", (failed,))):
        right = f" {access}|{'|'.join(filter(None, (mode(state), *parts)))}"
        least = f" {name}{state.environment}"
        if cell_len(least) + len(right) < width:
            break
    return ((fit(f"{fit(least + host, max(cell_len(least), width - 1 - len(right)))}{right}", width), ""),)


def mode(state: FrameState) -> str:
    """Whether what stands on the screen is live, held by a dialog, draining or lost, and whose engine it is."""
    link = state.link
    if state.draining:
        return state.draining
    if link.word == LOST:
        next_look = max(0, link.next_try - state.now)
        return (
            f"LOST {span(state.now - link.since)}, try {link.tries + 1}, next {span(next_look + SECOND - 1)}"
            f"|data of {clock(state.read_at, state.now, seconds=True)} (stale)"
        )
    if link.word in (NONE, STARTING):
        return link.word
    engine = f"{link.word} {link.pid}" if link.word == "ATTACHED" else link.word
    if link.silent:
        return f"SILENT {span(state.now - link.silent)} {link.pid}"
    if state.held:
        return f"HELD {engine}"
    if state.frozen_at is not None:
        return f"FROZEN {span(state.now - state.frozen_at)} {engine}"
    paused = state.frame and state.frame["engine"].get("paused")
    return f"{'PAUSED ALL' if paused else 'LIVE'} {engine}"


def status_style(state: FrameState) -> str:
    if state.link.word == LOST:
        return "lost"
    if state.accent:
        return f"accent-{state.accent}"
    return "production" if state.production else "status"


def view_words(keymap: Keymap) -> list[tuple[str, str]]:
    """Every view with what row 2 shows of it: its key and its word."""
    return [(name, f"{shown_key(keymap.key(f'view.{name}'))}{word}") for name, word in VIEWS]


def views(current: str, width: int, keymap: Keymap | None = None) -> Line:
    """Row 2: the views that exist, the open one marked by brackets as well as by colour."""
    keys = keymap or Keymap()
    spans: list[Span] = [(" ", "")]
    for name, text in view_words(keys):
        spans.append((text, "tab" if name == current else ""))
        spans.append((" ", ""))
    help = shown_key(keys.key("app.help"))
    ways = f"{shown_key(keys.key('app.command'))}cmd  {f'{help}help ' if help else ''}"
    return spread(tuple(spans), ((ways, "dim"),), width)


def crumb(left: str, right: str, width: int) -> Line:
    return spread(((f" {left}", "bold"),), ((f"{right} ", ""),) if right else (), width)


def hints(actions: Sequence[Action], looks: Sequence[Look], width: int, keymap: Keymap | None = None) -> Line:
    """The last row: keys of what is under the cursor that work now, the first ones first; what does not fit makes way
    for shorter ones behind it."""
    keys = keymap or Keymap()
    entries = [(keys.key(look.id), look.title) for look in looks] + [(keys.key(one.id), one.title) for one in actions]
    spans: list[Span] = []
    used = 1
    for key, title in ((shown_key(key), title) for key, title in entries if key):
        size = len(key) + len(title) + 3
        if used + size > width + 2:
            continue
        spans += [(" ", ""), (key, "key"), (f" {title} ", "")]
        used += size
    return tuple(spans)


def prompt_hints(prompt: Prompt, wrong: str, width: int) -> Line:
    """The last row under an open prompt: what the word under the cursor could become, else what is `wrong` with the
    line, else the prompt's keys."""
    value, offers = prompt.value, prompt.offers()
    if len(offers) > 1:
        start = value.rfind(" ") + 1
        return ((fit(" " + "  ".join(offer[start:] for offer in offers), width), "dim"),)
    if wrong and prompt.prefix == "/":
        return ((f" {wrong}", "warn"),)
    does = " keep it  " if prompt.prefix == "/" else " do it  "
    return ((" enter", "key"), (does, ""), ("tab", "key"), (" complete  ", ""), ("esc", "key"), (" leave it", ""))


def is_too_small(width: int, height: int) -> bool:
    """Whether a view cannot be drawn at this size: what it needs is said in its place."""
    return width < SMALLEST[0] or height < SMALLEST[1]


def too_small(width: int, height: int) -> list[Line]:
    return [
        ((f"needs {SMALLEST[0]}x{SMALLEST[1]}, is {width}x{height}", ""),),
        (("`paceline engine status` works everywhere", ""),),
    ]


def lost_lines(state: FrameState, keymap: Keymap | None = None) -> list[Line]:
    """The block that says what a lost engine means, and what can be done."""
    keys = keymap or Keymap()
    again, leave = keys.named("app.refresh"), keys.named("app.leave")
    ways = f"{again} retry now   :start an engine here   :diag details   {leave} quit"
    engine = state.frame.get("engine", {})
    beat = engine.get("heartbeat_at")
    running = state.frame.get("counts", {}).get("processing", 0)
    known = beat and state.now - beat < 365 * DAY
    silent = f", no heartbeat for {span(state.now - beat)}" if known and state.now - beat >= BEAT else ""
    seen = f"Last heartbeat {clock(beat, state.now, seconds=True)}. " if known else ""
    return [
        ((f" ENGINE  {state.link.reason}{silent}.", "bad"),),
        (("         Nothing is sent while no engine runs.", ""),),
        ((f"         {seen}Jobs then running: {running} (recovered on start).", ""),),
        ((f"         {ways}", ""),),
    ]
