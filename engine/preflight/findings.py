"""What a preflight finds: one line a thing, with how bad it is and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

FEW = 5
"""How many people a finding names."""


class Severity(StrEnum):
    """`REFUSES`: the start is refused. `WARNS`: it starts, and this goes wrong or may. `SKIPPED`: it could not be
    checked. In the order in which they are told."""

    REFUSES = "refuses"
    WARNS = "warns"
    SKIPPED = "skipped"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Example:
    """One person: the row of the imported file, the address, and what there is to know beside it."""

    row: int
    recipient: str
    note: str = ""


@dataclass(slots=True)
class Group:
    """How many people something is true of, and the first of them."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example) -> None:
        self.count += 1
        if len(self.examples) < FEW:
            self.examples.append(example)

    def merge(self, other: Group, *, note: str) -> None:
        """Add everybody of another group, with one note beside them."""
        room = FEW - len(self.examples)
        self.count += other.count
        self.examples += [replace(example, note=note) for example in other.examples[:room]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `check` names what was looked at, `fix` is the command or the setting that mends it ("" where nothing
    is to be mended), `count` how many people it concerns (0: the campaign as a whole)."""

    check: str
    severity: Severity
    message: str
    fix: str = ""
    count: int = 0
    examples: tuple[Example, ...] = ()


def refuses(check: str, message: str, fix: str = "", group: Group | None = None) -> Finding:
    return _finding(check, Severity.REFUSES, message, fix, group)


def warns(check: str, message: str, fix: str = "", group: Group | None = None) -> Finding:
    return _finding(check, Severity.WARNS, message, fix, group)


def skipped(check: str, message: str, fix: str = "") -> Finding:
    return _finding(check, Severity.SKIPPED, message, fix, None)


def ok(check: str, message: str) -> Finding:
    return _finding(check, Severity.OK, message, "", None)


def _finding(check: str, severity: Severity, message: str, fix: str, group: Group | None) -> Finding:
    group = group or Group()
    return Finding(check, severity, message, fix, group.count, tuple(group.examples))


@dataclass(frozen=True, slots=True)
class Report:
    """A whole preflight. `to_send` people have no message yet; `completion` (us) and `estimate` are what a start would
    say, None and "" where it could not; `fields` are those that the message uses."""

    campaign: str
    state: str
    live: bool
    to_send: int
    pacing: str
    estimate: str
    completion: int | None
    fields: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a start would be accepted."""
        return not self.of(Severity.REFUSES)

    def of(self, severity: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is severity]

    def to_json(self) -> dict[str, Any]:
        """JSON values; times in microseconds UTC. The worst findings come first."""
        return {
            "campaign": self.campaign,
            "state": self.state,
            "ok": self.ok,
            "live": self.live,
            "to_send": self.to_send,
            "pacing": self.pacing,
            "estimate": self.estimate,
            "estimated_completion": self.completion,
            "fields": list(self.fields),
            "sums": {severity.value: len(self.of(severity)) for severity in Severity},
            "findings": [asdict(finding) for finding in in_order(self.findings)],
        }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, those of one severity as they were found."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))
