"""The keys that change nothing: moving, going, reading again."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """A key that changes nothing. `does` is the Textual action it runs; `where` groups it in the help."""

    id: str
    title: str
    keys: tuple[str, ...]
    does: str
    where: str
    twin: str = ""
    hint: bool = False

    @property
    def word(self) -> str:
        """What `:` calls it."""
        return self.id.partition(".")[2].replace("_", "-")

    @property
    def asked(self) -> bool:
        """Whether `:` knows its word; the rest needs the key."""
        if self.id in ("app.command", "app.back", "app.leave"):
            return False
        return self.id.startswith("app.") or self.does.startswith("view(")


LOOKS: tuple[Look, ...] = (
    Look("move.down", "down", ("j", "down"), "move('down')", "move"),
    Look("move.up", "up", ("k", "up"), "move('up')", "move"),
    Look("move.half_down", "half a page down", ("ctrl+d",), "move('half_down')", "move"),
    Look("move.half_up", "half a page up", ("ctrl+u",), "move('half_up')", "move"),
    Look("move.page_down", "page down", ("pagedown", "ctrl+f"), "move('page_down')", "move"),
    Look("move.page_up", "page up", ("pageup", "ctrl+b"), "move('page_up')", "move"),
    Look("move.top", "top", ("g", "home"), "move('top')", "move"),
    Look("move.end", "end", ("G", "end"), "move('end')", "move"),
    Look("view.open", "open", ("enter",), "open", "move", hint=True),
    Look("view.tab", "next tab or pane", ("tab",), "next_tab", "move"),
    Look("view.next_page", "next 200 rows", ("right_square_bracket",), "turn_page(1)", "move"),
    Look("view.previous_page", "previous 200 rows", ("left_square_bracket",), "turn_page(-1)", "move"),
    Look("view.filter", "filter or search", ("slash",), "filter", "shape", hint=True),
    Look("view.faults", "only faults, then all", ("exclamation_mark",), "faults", "shape"),
    Look("view.aside_left", "columns to the left", ("h", "left"), "aside(-1)", "columns"),
    Look("view.aside_right", "columns to the right", ("l", "right"), "aside(1)", "columns"),
    Look("view.columns", "choose the columns", ("c",), "columns", "columns"),
    Look("view.sort_left", "sort by a column before", ("less_than_sign",), "sort_column(-1)", "columns"),
    Look("view.sort_right", "sort by a column after", ("greater_than_sign",), "sort_column(1)", "columns"),
    Look("view.sort", "the next order", ("s",), "sort", "order"),
    Look("view.flip", "turn the order round", ("S",), "flip", "order"),
    Look("mark.one", "mark", ("space",), "mark", "mark", hint=True),
    Look("mark.range", "mark a range", ("v",), "range", "mark"),
    Look("mark.all", "all, in sight, none", ("asterisk",), "mark_all", "mark"),
    Look("mark.none", "clear the marks", ("u",), "unmark", "mark"),
    Look("view.only", "only rows that hold words", ("ampersand",), "only", "text"),
    Look("view.older_match", "next match, older", ("n",), "match(-1)", "text"),
    Look("view.newer_match", "next match, newer", ("N",), "match(1)", "text"),
    Look("view.overview", "Overview", ("1",), "view('overview')", "app", "paceline engine status"),
    Look("view.campaigns", "Campaigns", ("2",), "view('campaigns')", "app", "paceline campaign list"),
    Look("view.jobs", "Jobs", ("3",), "view('jobs')", "app", "paceline job list"),
    Look("view.failures", "Failures", ("4",), "view('failures')", "app", "paceline job failures"),
    Look("view.approvals", "Approvals", ("5",), "view('approvals')", "app", "paceline approval list"),
    Look("view.queues", "Queues", ("6",), "view('queues')", "app", "paceline queue list"),
    Look("view.schedules", "Schedules", ("7",), "view('schedules')", "app", "paceline schedule list"),
    Look("view.performance", "Performance", ("8",), "view('performance')", "app", "paceline engine status"),
    Look("view.log", "Log", ("9",), "view('log')", "app", "paceline events"),
    Look("view.last", "last view", ("minus",), "last_view", "app"),
    Look("app.freeze", "freeze, catch up", ("f",), "freeze", "app"),
    Look("app.times", "times: UTC, local, relative", ("t",), "times", "app"),
    Look("app.copy", "copy name or id", ("y",), "copy", "app"),
    Look("app.copy_menu", "copy menu", ("Y",), "copy_menu", "app"),
    Look("app.actions", "all actions, and why", ("a",), "actions", "app"),
    Look("app.raw", "raw record", ("i",), "raw", "app"),
    Look("app.write", "write rows to a file", ("w",), "write", "app"),
    Look("app.dump", "dump the screen", (), "dump", "app"),
    Look("app.undo_list", "undo list", ("Z",), "undo_list", "app"),
    Look(
        "app.suppressions",
        "opt-outs: who must not be contacted",
        ("O",),
        "suppressions",
        "app",
        "paceline suppression list",
    ),
    Look("app.inbox", "bounces, replies: what came back", ("B",), "inbox", "app", "paceline inbox list"),
    Look("app.palette", "command palette", ("ctrl+p",), "palette", "app"),
    Look("app.theme", "next theme", (), "theme", "app"),
    Look("app.diag", "diagnosis", (), "diagnosis", "app"),
    Look("app.command", "command", ("colon",), "command", "app"),
    Look("app.back", "back one step", ("escape",), "back", "app"),
    Look("app.leave", "back, at the top quit", ("q",), "leave", "app"),
    Look("app.quit", "quit", ("ctrl+q", "ctrl+c"), "ask_quit", "app"),
    Look("app.help", "this help", ("question_mark",), "help", "app", "paceline --help"),
    Look("app.refresh", "read again, look for a lost engine", ("ctrl+r",), "refresh_now", "app"),
    Look("app.redraw", "redraw the screen", ("ctrl+l",), "redraw", "app"),
)
