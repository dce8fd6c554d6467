"""One measured figure beside its goal, and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` in the unit that `form` prints; it holds when it is at most `goal`. Without a goal it only informs."""

    what: str
    value: float
    form: str
    goal: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "holds" if self.value <= self.goal else "MISSED"


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, of at least two values."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def table(figures: Sequence[Figure]) -> str:
    """Goal, measured value and verdict, one line a figure."""
    rows = [("what", "goal", "measured", "", "")]
    for figure in figures:
        goal = "" if figure.goal is None else f"<= {figure.form.format(figure.goal)}"
        rows.append((figure.what, goal, figure.form.format(figure.value), figure.verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for what, goal, value, verdict, note in rows:
        line = f"{what:<{widths[0]}}  {goal:>{widths[1]}}  {value:>{widths[2]}}  {verdict:<{widths[3]}}  {note}"
        lines.append(line.rstrip())
    return "\n".join(lines)
