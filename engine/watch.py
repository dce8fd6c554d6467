"""What is looked at every minute: queues behind their plan, and what came back about messages sent long ago."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from engine.alarm_rules import behind_words, is_behind
from engine.alarms import judge
from engine.clock import Clock
from engine.planning.opening import parsed
from engine.rules import Rules
from storage.alarms import Overdue
from storage.model import HOUR, MINUTE
from storage.store import Store

if TYPE_CHECKING:
    from engine.planning.windows import Window

EVERY = MINUTE


class Watched(NamedTuple):
    """One queue that an engine runs, and the rules that hold for it."""

    queue_id: int
    rules: Rules


class Watch:
    """One look at all queues. `queues` are those that run here."""

    def __init__(self, store: Store, clock: Clock, queues: Callable[[], Iterable[Watched]]) -> None:
        self._store = store
        self._clock = clock
        self._queues = queues

    async def look(self) -> None:
        """Raise what is wrong, close what is over. Raises StoreError."""
        now = self._clock.now()
        queues = {one.queue_id: one.rules for one in self._queues()}
        await self._judge(queues, now)
        ceilings = {queue_id: rules.limits.ceilings(now) for queue_id, rules in queues.items()}
        words: dict[int, str] = {}
        for one in sorted(await self._store.overdue(ceilings), key=lambda one: one.due_at):
            rules = queues.get(one.queue_id)
            if rules is None:
                continue
            windows = _windows(one, rules)
            if is_behind(one.due_at, now, windows, rules.alarms):
                words.setdefault(one.queue_id, behind_words(one.campaign, windows, rules.alarms))
        await self._store.tell_behind(words)

    async def _judge(self, queues: dict[int, Rules], now: int) -> None:
        for scope, scope_id in await self._store.reputations_changed(now - HOUR):
            queue_id = scope_id if scope == "queue" else (await self._store.get_campaign(scope_id)).queue_id
            if queue_id in queues:
                await judge(self._store, scope, scope_id, queues[queue_id].alarms, now)


def _windows(one: Overdue, rules: Rules) -> list[Window]:
    own = [parsed(one.hours)] if one.hours else []
    return [*own, *([rules.limits.window] if rules.limits.window is not None else [])]
