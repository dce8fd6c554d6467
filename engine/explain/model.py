"""What an explanation is made of: gates in their order, the one that holds, and the sentence when none does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that a job must pass. Times in microseconds UTC.

    `words` says how it stands, without a time; a closed gate opens at `opens_at` (`then` is the word for it), and not
    earlier; without that only a change opens it, or where `person` is true only a person. `since`: since when it has
    stood so. `action` is what control calls the remedy, `remedy` the command for it ("" for none). `numbers` are what
    the words were made of; `detail` is why in somebody else's words, such as a server's: it is told last, for it may be
    long. `idle`: open, and there is nothing to tell of it: no such limit is set, or nothing of its kind is under way.
    """

    name: str
    words: str
    open: bool = True
    opens_at: int | None = None
    then: str = "opens"
    since: int | None = None
    person: bool = False
    action: str = ""
    remedy: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    idle: bool = False
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values, times still in microseconds."""
        return {
            "gate": self.name,
            "open": self.open,
            "idle": self.idle,
            "words": self.words,
            "detail": self.detail,
            "opens_at": self.opens_at,
            "then": self.then,
            "since_at": self.since,
            "needs_person": self.person,
            "action": self.action,
            "remedy": self.remedy,
            "numbers": dict(self.numbers),
        }


def shut(name: str, words: str, **more: Any) -> Gate:
    """A closed gate that a change opens, or with `opens_at` time, or with `person` a person."""
    return Gate(name, words, False, **more)


def idle(name: str, words: str) -> Gate:
    """An open gate of which there is nothing to tell."""
    return Gate(name, words, idle=True)


def until(name: str, opens_at: int, now: int, words: str, opened: str, **more: Any) -> Gate:
    """Closed until a time; open with its other words once that has come."""
    if opens_at > now:
        return Gate(name, words, False, opens_at, **more)
    return Gate(name, opened, numbers=more.get("numbers", {}))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one `scope` (job, campaign, queue) and its `name` (a job's is its id). `said` tells what it does now or
    what became of it, `said_at` when (us); of a campaign that sends, the gates are those of its next message."""

    scope: str
    name: str
    state: str
    gates: tuple[Gate, ...] = ()
    said: str = ""
    said_at: int | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holding(self) -> Gate | None:
        """The gate that holds it: one that only a person opens, else the one that opens last (of equals the later
        one, which is nearer to the cause); without a time the first that is closed. None: it is under way, has ended,
        or is free to go."""
        return holding(self.gates)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, times still in microseconds."""
        return {**self.brief(), "gates": [gate.to_dict() for gate in self.gates]}

    def brief(self) -> dict[str, Any]:
        """What a sentence needs: `to_dict` without the gates that do not hold."""
        held = self.holding
        return {
            self.scope: int(self.name) if self.scope == "job" else self.name,
            "state": self.state,
            "holding": held.to_dict() if held else None,
            "opens_at": held.opens_at if held else None,
            "said": self.said,
            "said_at": self.said_at,
            "numbers": dict(self.numbers),
        }


def holding(gates: Iterable[Gate]) -> Gate | None:
    """See `Explanation.holding`."""
    closed = [gate for gate in gates if not gate.open]
    if person := next((gate for gate in closed if gate.person), None):
        return person
    dated = [gate for gate in reversed(closed) if gate.opens_at is not None]
    return max(dated, key=lambda gate: gate.opens_at or 0) if dated else next(iter(closed), None)
