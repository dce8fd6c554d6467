"""The registry of actions and the context they run in.

An action is an async function `(context, args, actor) -> JSON-ready dict`, declared once with its name and its
arguments' model; control socket, command line and console call nothing else.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.clock import Clock
from engine.composer import Composer
from engine.config import Config
from engine.planning.limits import Limits
from engine.processors.registry import Registry
from storage.errors import RefusedError, UsageError
from storage.events import Event
from storage.model import Actor
from storage.nouns import Queue
from storage.store import Store

Result = dict[str, Any]


class Args(BaseModel):
    """Base of every action's arguments: unknown names are refused, so that a typo never widens a change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Hooks(Protocol):
    """What a running engine offers to control. Without an engine (`NO_ENGINE`) only the store changes."""

    @property
    def running(self) -> bool: ...

    def wake(self) -> None: ...

    def status(self) -> Result: ...

    def attend(self, console: str, actor: Actor) -> None:
        """A console shows that it is there."""
        ...

    def drain(self, why: str) -> None: ...

    async def reload(self) -> Result: ...

    async def tuned(self, queue: str) -> None:
        """The live tuning of a queue changed."""
        ...

    def end_job(self, job_id: int, by: str) -> bool:
        """Ask a running background job to end; False when it does not run."""
        ...

    def under_way(self) -> frozenset[int]:
        """The jobs that the engine itself has in hand, whatever the clock says of their leases."""
        ...


class NoEngine:
    """Hooks of a command that holds the lock for itself alone."""

    running = False

    def wake(self) -> None:
        return

    def status(self) -> Result:
        return {"running": False}

    def attend(self, console: str, actor: Actor) -> None:
        return

    def drain(self, why: str) -> None:
        raise RefusedError("no engine is running", hint="start one with `paceline engine run`")

    async def reload(self) -> Result:
        raise RefusedError("no engine is running", hint="the file is read when an engine starts")

    async def tuned(self, queue: str) -> None:
        return

    def end_job(self, job_id: int, by: str) -> bool:
        return False

    def under_way(self) -> frozenset[int]:
        return frozenset()


@dataclass(slots=True)
class Context:
    """What actions work with. `config` is replaced on reload; `make_channel` builds an account's way of sending."""

    store: Store
    clock: Clock
    config: Config
    composer: Composer
    make_channel: Callable[[Account], Channel]
    hooks: Hooks = field(default_factory=NoEngine)
    read_only: bool = False
    registry: Registry = field(default_factory=Registry)
    _planning: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _adding: defaultdict[int, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def planning(self, campaign_id: int) -> asyncio.Lock:
        """Held while a plan is written: two starts of one campaign follow each other. A pause never waits for it."""
        return self._planning[campaign_id]

    def adding(self, campaign_id: int) -> asyncio.Lock:
        """Held while a background job adds people to a campaign, which takes one import at a time."""
        return self._adding[campaign_id]

    async def queue_of(self, account: Account) -> Queue:
        return await self.store.ensure_queue(account.name, account.channel)

    async def limits_of(self, account: Account) -> Limits:
        """What an account's queue may do now: its configuration and what was tuned live."""
        return account.limits(self.config.zone).tuned((await self.queue_of(account)).tuning)


Handler = Callable[[Context, Any, Actor], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Action:
    """`reads` marks what changes nothing and is allowed read-only."""

    name: str
    args: type[Args]
    run: Handler
    reads: bool = False


ACTIONS: dict[str, Action] = {}


def action(name: str, args: type[Args] = Args, *, reads: bool = False) -> Callable[[Handler], Handler]:
    """Declare an action under its name."""

    def declare(run: Handler) -> Handler:
        if name in ACTIONS:
            raise ValueError(f"action {name} is declared twice")
        ACTIONS[name] = Action(name, args, run, reads)
        return run

    return declare


async def call(context: Context, name: str, args: dict[str, Any], actor: Actor) -> Result:
    """Run one action. Raises UsageError for an unknown name or bad arguments, RefusedError when read-only."""
    found = ACTIONS.get(name)
    if found is None:
        raise UsageError(f"there is no action '{name}'", hint="this program and the engine differ: use one version")
    if context.read_only and not found.reads:
        raise RefusedError(
            "this engine was started read-only: changes are refused", hint="start it without --read-only"
        )
    try:
        checked = found.args.model_validate(args)
    except ValidationError as error:
        # A name that is none explains the one that is missing: tell it first.
        found_wrong = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        first = found_wrong[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise UsageError(f"{name}: {where}: {first['msg']}", hint="see --help of the command") from None
    return await found.run(context, checked, actor)


def audit(kind: str, text: str, actor: Actor, **more: Any) -> Event:
    """The event that every change writes: who did what."""
    return Event(kind, f"{actor.user} {text}", actor=actor, **more)
