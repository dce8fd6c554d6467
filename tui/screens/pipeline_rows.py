"""How pipelines read in view 7: their last run a row each, and below the list its stages. Pure."""

from __future__ import annotations

from functools import partial

from tui.actions import Row
from tui.format import clock, fit, span
from tui.safe_text import safe_text
from tui.screens.stage_ladder import funnel_words, stage_rows
from tui.widgets.columns import Item, blank, heading
from tui.widgets.lines import Line

_STYLES = {
    "pending": "warn", "processing": "run", "completed": "good", "failed": "bad", "held": "warn", "skipped": "dim",
}  # fmt: skip
_LEFT = 22 + 1 + 10 + 1
_WORDS = {"processing": "running", "pending": "queued", "completed": "done"}


def pipeline_items(rows: list[Row], now: int) -> list[Item]:
    """A section of the last run of each pipeline, with the blank line behind it; nothing where none has run."""
    if not rows:
        return []
    return [
        heading("PIPELINES"),
        *(
            Item(partial(_run_line, row, now), ("pipeline", row["kind"]), ("pipeline", row["kind"], row))
            for row in rows
        ),
        blank(),
    ]


def _run_line(row: Row, now: int, width: int) -> Line:
    began = clock(row["started_at"] or row["due_at"], now)
    left = f"{fit(safe_text(row['kind']), 22)} {fit(began, 10)} "
    state = fit(str(_WORDS.get(row["state"], row["state"])), 8)
    took = f" {fit(span(row['ran']) if row['ran'] else '-', 6)}  "
    room = max(0, width - _LEFT - 8 - len(took))
    told, style = _told(row, room)
    return ((left, ""), (state, _STYLES.get(row["state"], "")), (took, ""), (fit(told, room), style))


def _told(row: Row, room: int) -> tuple[str, str]:
    """What matters most of a run, and how it is drawn."""
    if row["state"] in ("failed", "held"):
        return safe_text(row["last_error"]), _STYLES[row["state"]]
    if row["state"] == "processing":
        at = next((stage for stage in row["stages"] if stage["state"] == "running"), None)
        return (f"{at['position']}/{len(row['stages'])} {safe_text(at['name'])}" if at else ""), "run"
    if row["flag"]:
        return f"! {safe_text(row['flag'])}", "warn"
    return funnel_words(row, room), ""


def ladder_lines(row: Row, now: int, width: int) -> list[Line]:
    """The stages of a run, each with its state, its time and its figures."""
    state = _WORDS.get(row["state"], row["state"])
    title = (
        f" {row['kind']}: {state}, job {row['id']}, {row['origin']}, {clock(row['started_at'] or row['due_at'], now)}"
    )
    lines: list[Line] = [((" " + "-" * (width - 2), "dim"),), ((fit(safe_text(title), width), "bold"),)]
    return [*lines, *(line for _, [line] in stage_rows(row["stages"], now, width, whole=False))]
