"""One row of the table of `make crash`."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.crash.crash_world import Verdict

HEADINGS = ("fault", "runs", "people", "accepted", "lost", "twice", "uncertain", "expected")
WIDTHS = (47, 5, 7, 8, 5, 5, 9, 33)


@dataclass
class Row:
    """One fault over all its runs."""

    fault: str
    expected: str
    runs: int = 0
    people: int = 0
    accepted: int = 0
    lost: int = 0
    twice: int = 0
    uncertain: int = 0
    problems: list[str] = field(default_factory=list)
    of_jobs: bool = False
    """Its people are background jobs."""

    def add(self, verdict: Verdict, *, runs: int = 1) -> None:
        self.runs += runs
        self.people += verdict.recipients
        self.accepted += verdict.accepted
        self.lost += len(verdict.lost)
        self.twice += len(verdict.twice)
        self.uncertain += len(verdict.uncertain)
        self.problems += verdict.problems

    def cells(self) -> tuple[str, ...]:
        numbers = (self.runs, self.people, self.accepted, self.lost, self.twice, self.uncertain)
        return (self.fault, *(f"{n:,}" for n in numbers), self.expected)


def line(cells: tuple[str, ...]) -> str:
    return "  ".join(
        cell.ljust(width) if place in (0, len(WIDTHS) - 1) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ).rstrip()
