"""The runners of all accounts: one each, with what is tended beside it; begun, tuned, replaced on reload, drained."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.composer import Letters
from engine.config import allow_listed
from engine.control.actions import Context
from engine.routes import make_ready
from engine.rules import Rules
from engine.runner import QueueRunner
from engine.unipile_account import UnipileAccount
from engine.watch import Watched
from storage.nouns import Queue


class QueueRunners:
    """None before the first `set`. `on_change` tells the scheduler that books changed; once `ending` is set no
    successor begins. Where an engine does not send (`sends`) there is never a runner."""

    def __init__(self, *, sends: bool, on_change: Callable[[], None], ending: asyncio.Event) -> None:
        self._sends = sends
        self._on_change = on_change
        self._ending = ending
        self.runners: dict[str, QueueRunner] = {}
        """By account."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tending: dict[str, asyncio.Task[None]] = {}
        self._retiring: dict[str, tuple[QueueRunner, asyncio.Task[None]]] = {}

    async def set(self, context: Context) -> None:
        """One runner per account of the configuration. Those whose account changed finish what they have in flight,
        and their successors begin then: nobody waits for a slow server here."""
        wanted = context.config.accounts if self._sends else {}
        for name, runner in list(self.runners.items()):
            if name in wanted and wanted[name] == runner.account:
                runner.tune(await _rules(context, wanted[name]))
                continue
            runner.drain()
            del self.runners[name]
            await self._leave(name)
            task = self._tasks.pop(name)
            if runner.in_flight:
                self._retiring[name] = (runner, asyncio.create_task(self._retire(context, name, task)))
            else:
                await task
        for name, account in wanted.items():
            if name not in self.runners and name not in self._retiring:
                await self._begin(context, account)

    async def _begin(self, context: Context, account: Account) -> None:
        rules = await _rules(context, account)
        queue = await context.queue_of(account)
        channel = context.make_channel(account)

        async def prepare(campaign_id: int) -> None:
            await make_ready(context.store, context.composer, context.config, campaign_id)

        runner = QueueRunner(
            queue,
            account,
            rules,
            store=context.store,
            channel=channel,
            letters=Letters(
                context.composer, prepare=prepare, may_reach=may_reach(context, account), clock=context.clock
            ),
            on_change=self._on_change,
            clock=context.clock,
            rng=random.Random(),  # noqa: S311 - jitter
        )
        self.runners[account.name] = runner
        if isinstance(account, UnipileAccount):
            self._tend(context, account, queue, channel)
        self._tasks[account.name] = asyncio.create_task(runner.run(), name=f"runner-{account.name}")

    def _tend(self, context: Context, account: UnipileAccount, queue: Queue, channel: Channel) -> None:
        """Give a LinkedIn channel its memory, and look after what it leaves open."""
        from engine.channels.unipile.session import UnipileChannel
        from engine.channels.unipile.tending import Tending

        if isinstance(channel, UnipileChannel):
            tending = Tending(
                queue,
                channel,
                account.look_up_cap,
                store=context.store,
                clock=context.clock,
                on_change=self._on_change,
            )
            self._tending[account.name] = asyncio.create_task(tending.run(), name=f"tending-{account.name}")

    async def _leave(self, name: str) -> None:
        """No longer look after an account; what it was asked is not waited for."""
        if (task := self._tending.pop(name, None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _retire(self, context: Context, name: str, task: asyncio.Task[None]) -> None:
        await asyncio.gather(task, return_exceptions=True)
        del self._retiring[name]
        if not self._ending.is_set():
            await self.set(context)

    async def tuned(self, context: Context, queue: str) -> None:
        """The live tuning of a queue changed."""
        runner = self.runners.get(queue)
        if runner is not None:
            runner.tune(await _rules(context, runner.account))

    # all of them, those included that only finish what they have

    def every(self) -> list[QueueRunner]:
        return [*self.runners.values(), *(runner for runner, _ in self._retiring.values())]

    def watched(self) -> list[Watched]:
        return [Watched(runner.queue.id, runner.rules) for runner in self.every()]

    def status(self, now: int) -> list[dict[str, Any]]:
        """What `engine status` shows of each account at `now` (us), by name."""
        return [
            {
                "queue": name,
                "state": runner.health.state.value,
                "in_flight": runner.in_flight,
                "concurrency": runner.rules.limits.concurrency,
                "places": runner.places,
                "throttle": runner.feedback.throttle,
                "min_gap": runner.rules.limits.min_gap,
                "caps": [list(cap) for cap in runner.rules.limits.ceilings(now)],
                "limits": runner.rules.limits.to_dict(),
                "held_by": runner.blocked_by,
                "trouble": runner.health.trouble or runner.trouble,
            }
            for name, runner in sorted(self.runners.items())
        ]

    # their end

    def ended(self) -> bool:
        """Whether one ended that nobody drained."""
        return any(task.done() for task in self.tasks())

    def tasks(self) -> list[asyncio.Task[None]]:
        """The loops of each account that has not been left."""
        return [*self._tasks.values(), *self._tending.values()]

    async def drain(self) -> None:
        """Begin nothing more; `finish` waits for what is inside the send window."""
        for name, runner in list(self.runners.items()):
            runner.drain()
            await self._leave(name)

    async def finish(self) -> None:
        """Until everything in flight has its answer."""
        retiring = [task for _, task in self._retiring.values()]
        await asyncio.gather(*self._tasks.values(), *retiring, return_exceptions=True)


async def _rules(context: Context, account: Account) -> Rules:
    """What holds for an account now; its limits are kept in the store, for whoever explains them."""
    queue = await context.queue_of(account)
    limits = await context.limits_of(account)
    await context.store.set_limits(queue.id, limits.to_dict())
    defaults = context.config.defaults
    return Rules(
        limits,
        account.retry_policy(defaults),
        account.cooling_ladder(defaults),
        account.alarm_rules(context.config.alarms),
    )


def may_reach(context: Context, account: Account) -> Callable[[str], bool]:
    """Whether an account may send to an address, by the allow-list as the configuration has it then."""
    if account.channel == "outbox":
        return lambda address: True
    return lambda address: allow_listed(context.config, address)
