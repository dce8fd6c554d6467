"""What the demo's relay accepted, in memory and in a file that outlives it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.clock import Clock, SystemClock
from tui.demo.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message for one recipient that the relay took: `at` in microseconds UTC, `size` in bytes."""

    recipient: str
    sender: str
    message_id: str
    at: int
    size: int


class Ledger:
    """What the relay accepted and how often it refused: the judge of every test about duplicates and losses.

    With `path` each acceptance is appended there as one JSON line, before the 250 is sent, so that it
    outlives whoever is killed and another process can read along.
    """

    def __init__(self, path: Path | None = None, *, clock: Clock | None = None) -> None:
        self.accepted: list[Accepted] = []
        self.refused: Counter[int] = Counter()
        """Refusals by reply code, of any command."""
        self._clock = clock or SystemClock()
        self._file = path.open("a", encoding="ascii", buffering=1) if path else None

    def accept(self, transaction: Transaction) -> None:
        for recipient in transaction.recipients:
            entry = Accepted(
                recipient,
                transaction.sender,
                transaction.message_id,
                self._clock.now(),
                len(transaction.content),
            )
            self.accepted.append(entry)
            if self._file:
                self._file.write(json.dumps(asdict(entry)) + "\n")

    def by_recipient(self) -> dict[str, int]:
        """Recipient -> how many messages were accepted for it."""
        return dict(Counter(entry.recipient for entry in self.accepted))

    def close(self) -> None:
        if self._file:
            self._file.close()

    @staticmethod
    def read(path: Path) -> list[Accepted]:
        """What a ledger's file holds up to its last complete line."""
        whole, _, _ = path.read_text("ascii").rpartition("\n")
        return [Accepted(**json.loads(line)) for line in whole.splitlines()]
