"""The job under the cursor beside a wide list: read and drawn when the cursor rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.timer import Timer

from storage.errors import PacelineError
from tui.actions import Row
from tui.lookup import KeyOf, own_key
from tui.screens import job_work
from tui.screens.job import attempt_items, facts, load
from tui.screens.returned import came_back
from tui.widgets.lines import Line, Lines

if TYPE_CHECKING:
    from tui.console import PacelineApp

WIDE = 140
"""The screen's width from which the pane is there."""
REST = 0.15
"""Seconds without a move before the job is read: who holds a key down is not slowed by it."""
AGAIN = 1.0
"""Seconds before a job that changed under the cursor is read again: half of what a frame costs, 4 times a second."""


def pane_lines(row: Row, now: int, width: int, height: int, named: KeyOf = own_key) -> list[Line]:
    """What a job is, and its attempts with the server's words, behind a line that parts it from the list."""
    inner = width - 2
    lines: list[Line] = [((f" JOB {row['id']}", "bold"),), *facts(row, now, inner, named)]
    if "task" in row:
        lines += [item.line(inner) for item in job_work.items(row, now, inner)]
    else:
        items = attempt_items(row, now, inner)
        lines += [(), ((" ATTEMPTS", "head"),)]
        lines += [item.line(inner) for item in items] or [((" none yet", "dim"),)]
        lines += [item.line(inner) for item in came_back(row["came_back"], now, inner)]
    lines += [()] * (height - len(lines))
    return [(("| ", "dim"), *line) for line in lines[:height]]


class JobPane(Lines):
    """Follows a list's cursor."""

    def __init__(self) -> None:
        super().__init__(id="pane")
        self._wanted: tuple[int, int] | None = None
        self._timer: Timer | None = None

    def follow(self, row: Row | None) -> None:
        """Show this job once it has been left alone for a moment."""
        wanted = (row["id"], row["updated_at"]) if row is not None else None
        if wanted == self._wanted or not self.display:
            return
        before, self._wanted = self._wanted, wanted
        moved = before is None or wanted is None or before[0] != wanted[0]
        if self._timer is not None:
            if not moved:
                return
            self._timer.stop()
        self._timer = self.set_timer(REST if moved else AGAIN, self._rested)

    def _rested(self) -> None:
        self._timer = None
        if self._wanted is None:
            self.show([])
        else:
            self.run_worker(self._read(self._wanted[0]), group="pane", exclusive=True)

    async def _read(self, job_id: int) -> None:
        console = cast("PacelineApp", self.app)
        try:
            row: Row = await console.read_once(lambda reader, now: load(reader, now, job_id, console.link.state))
        except PacelineError:
            self.show([])
            return
        self.show(pane_lines(row, console.present(), self.size.width, self.size.height, console.keymap.named))
