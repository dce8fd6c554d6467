"""An account's limits and rules as its runner needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.alarm_rules import AlarmRules
from engine.planning.limits import Limits
from engine.planning.opening import Openings
from engine.retry import CoolingLadder, RetryPolicy
from storage.limits import GateLimits


@dataclass(frozen=True, slots=True)
class Rules:
    """`limits`: what the queue may do, live tuning included."""

    limits: Limits
    retry: RetryPolicy
    cooling: CoolingLadder
    alarms: AlarmRules


class LiveRules:
    """The rules of one queue as they hold now: replaced by live tuning while messages are in flight.

    What the gate needs is worked out once per calendar period, not once per message."""

    def __init__(self, rules: Rules, now: Callable[[], int]) -> None:
        self._now = now
        self.set(rules)

    def set(self, rules: Rules) -> None:
        """From now on these."""
        self.rules = rules
        self._gate: GateLimits | None = None
        self._since = self._until = 0
        self.openings = Openings(rules.limits.window)

    @property
    def concurrency(self) -> int:
        return self.rules.limits.concurrency

    def gate(self, now: int) -> GateLimits:
        """The limits of the gate at `now` (us)."""
        if self._gate is None or not self._since <= now < self._until:
            self._gate, self._since, self._until = self.rules.limits.at_gate(now)
        return self._gate
