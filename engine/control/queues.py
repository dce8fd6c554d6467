"""What people do with a queue: pause, resume, probe, tune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from engine import routes
from engine.accounts import Account
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.common import messages, window_of
from engine.planning.caps import Cap, parse_rate
from engine.planning.limits import TUNABLE, Limits
from engine.planning.spreading import check_cap
from engine.plans import check_opens, windows_of
from engine.replanning import replan
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.model import Actor, CampaignState, QueueState
from storage.nouns import Queue

_CAPS = ("rate", "cap", "caps")
"""What the caps are tuned by, together or some of them."""


class QueueArgs(Args):
    name: str


class TuneArgs(QueueArgs):
    """`set`: limits by name as `Limits.to_dict` writes them, None takes one away; a window without a zone has its
    account's. `rate` ("30/min") takes the place of the one rate (rolling, of an hour or less) that there is, of several
    the place of the one of its period; a list of them is all that there are from now on. Of `cap` each takes the place
    of the cap of its period: a new daily cap lifts neither the rate nor the weekly one. `caps` are all that there are,
    but for the rates when it names none. `reset`: names that go back to the configuration. `exactly`: the whole tuning
    instead ({}: nothing is tuned any more), which is how a tuning is undone. `dry_run`: answer what it would come to,
    and change nothing."""

    set: dict[str, Any] = Field(default_factory=dict)
    reset: list[str] = Field(default_factory=list)
    exactly: dict[str, Any] | None = None
    dry_run: bool = False


async def _queue(context: Context, name: str) -> Queue:
    if name in context.config.accounts:
        return await context.queue_of(context.config.account(name))
    queue = await context.store.get_queue(name)
    if queue is None:
        names = ", ".join(sorted(context.config.accounts)) or "none"
        raise NotFoundError(f"there is no queue '{name}'", hint=f"there are: {names}")
    return queue


async def _set(context: Context, queue: Queue, state: QueueState, kind: str, verb: str, actor: Actor) -> Result:
    changed = await context.store.set_queue_state(
        queue.id,
        state,
        reason=f"by {actor.user}" if state is QueueState.PAUSED else "",
        event=audit(kind, f"{verb} queue {queue.name}", actor, queue_id=queue.id),
    )
    context.hooks.wake()
    message = f"queue {queue.name} is {state.value}" if changed else f"queue {queue.name} was {state.value} already"
    return {"success": True, "queue": queue.name, "state": state.value, "was": queue.state.value, "message": message}


@action("queue.pause", QueueArgs)
async def pause(context: Context, args: QueueArgs, actor: Actor) -> Result:
    return await _set(context, await _queue(context, args.name), QueueState.PAUSED, "queue.paused", "paused", actor)


@action("queue.resume", QueueArgs)
async def resume(context: Context, args: QueueArgs, actor: Actor) -> Result:
    """Lift a pause, a cooling, or what needed attention: a person says that it is mended. One that is ready and slowed
    down goes at its full rate again; a pause in between does not forget that it was slowed down."""
    queue = await _queue(context, args.name)
    if queue.state is not QueueState.READY or not queue.throttle:
        return await _set(context, queue, QueueState.READY, "queue.resumed", "resumed", actor)
    event = audit("queue.recovers", f"gave queue {queue.name} its full rate again", actor, queue_id=queue.id)
    await context.store.set_throttle(queue.id, 0, event)
    context.hooks.wake()
    message = f"queue {queue.name} goes at its full rate again"
    return {"success": True, "queue": queue.name, "state": "ready", "was": "ready", "message": message}


@action("queue.probe", QueueArgs)
async def probe(context: Context, args: QueueArgs, actor: Actor) -> Result:
    """Try one message now instead of waiting for the end of a cooling; success makes the queue ready."""
    queue = await _queue(context, args.name)
    if queue.state is QueueState.READY:
        raise RefusedError(f"queue '{queue.name}' is ready: there is nothing to probe")
    if queue.state is QueueState.PAUSED:
        raise RefusedError(f"queue '{queue.name}' is paused", hint=f"paceline queue resume {queue.name}")
    return await _set(context, queue, QueueState.PROBING, "queue.probed", "probes", actor)


@action("queue.tune", TuneArgs)
async def tune(context: Context, args: TuneArgs, actor: Actor) -> Result:
    """Other limits from now on, without a restart; what is in flight is left alone. Plans follow where they stand on
    what changed. The tuning stays until it is reset, also over a restart."""
    account = context.config.account(args.name)
    queue = await context.queue_of(account)
    configured = account.limits(context.config.zone)
    before = configured.tuned(queue.tuning)
    if isinstance(window := args.set.get("window"), dict):
        args.set["window"] = window_of(window, account, context.config.zone)
    tuning = _tuning(queue.tuning, configured, before, args)
    after = configured.tuned(tuning)
    if account.channel == "unipile" and after.concurrency != 1:
        raise RefusedError("invitations leave one at a time: concurrency stays 1", hint="tune the gap or the caps")
    if tuning == queue.tuning:
        words = "; ".join(f"{name} {words}" for name, words in after.describe())
        return _tuned(queue, after, queue.tuning, 0, f"queue {queue.name} stays as it is: {words}")
    await _check_plans(context, account.name, before, after)
    said = _difference(before, after)
    if args.dry_run:
        return _tuned(queue, after, queue.tuning, 0, f"queue {queue.name} would have: {said}")
    await context.store.set_tuning(
        queue.id, tuning, audit("queue.tuned", f"tuned {queue.name}: {said}", actor, queue_id=queue.id)
    )
    await context.store.set_limits(queue.id, after.to_dict())
    await context.hooks.tuned(queue.name)
    moved = await _plan_anew(context, account, before, after)
    context.hooks.wake()
    planned = f"; {messages(moved)} planned anew" if moved else ""
    return _tuned(await context.queue_of(account), after, queue.tuning, moved, f"queue {queue.name}: {said}{planned}")


def _tuning(old: dict[str, Any], configured: Limits, before: Limits, args: TuneArgs) -> dict[str, Any]:
    """The tuning that was asked for. Raises UsageError naming the limit."""
    known = (*TUNABLE, "rate", "cap")
    for name in (*args.set, *args.reset, *(args.exactly or {})):
        if name not in known:
            raise UsageError(f"limits.{name[:40]}: there is no such limit", hint=f"there are: {', '.join(known)}")
    if args.exactly is not None:
        return args.exactly
    given = {name: value for name, value in args.set.items() if name not in _CAPS}
    tuning = {name: value for name, value in old.items() if name not in args.reset} | given
    if any(name in _CAPS for name in (*args.set, *args.reset)):
        tuning["caps"] = [str(cap) for cap in _caps(configured, before, args)]
    # What is set to what the configuration says is not tuned: it follows the file when that changes.
    return {name: value for name, value in tuning.items() if configured.tuned({name: value}) != configured}


def _caps(configured: Limits, before: Limits, args: TuneArgs) -> tuple[Cap, ...]:
    """The caps that were asked for: rates, then the others; each of the two as before where nothing was said of it."""
    fast = [cap for cap in (configured if "rate" in args.reset else before).caps if cap.is_rate]
    slow = [cap for cap in (configured if "caps" in args.reset else before).caps if not cap.is_rate]
    if "caps" in args.set:
        wanted = Limits().tuned({"caps": args.set["caps"]}).caps
        fast = [cap for cap in wanted if cap.is_rate] or fast
        slow = [cap for cap in wanted if not cap.is_rate]
    rate = args.set.get("rate", [])
    given = list(Limits().tuned({"caps": args.set.get("cap", [])}).caps)
    if rate is not None and not isinstance(rate, list):
        given.append(parse_rate(str(rate), field="limits.rate"))
    elif "rate" in args.set:
        fast = [parse_rate(str(text), field="limits.rate") for text in rate or ()]
    fast = _rate_for(fast, [cap for cap in given if cap.is_rate])
    return (*fast, *_in_place(slow, [cap for cap in given if not cap.is_rate]))


def _rate_for(rates: Sequence[Cap], given: Sequence[Cap]) -> list[Cap]:
    """Who types one rate means the one that there is. Of several, such as 2/min and 40/h, the others stay: to slow the
    one down must not lift the other."""
    return list(given) if given and len(rates) == 1 else _in_place(rates, given)


def _in_place(caps: Sequence[Cap], given: Sequence[Cap]) -> list[Cap]:
    """These caps, with the given ones in place of those of their periods."""
    periods = {cap.period for cap in given}
    return sorted([*(cap for cap in caps if cap.period not in periods), *given], key=lambda cap: cap.period)


def _difference(before: Limits, after: Limits) -> str:
    was, now = before.describe(), after.describe()
    kept = {name for name, _ in now if name != "cap"}
    gone = [f"no {name} {words} any more" for name, words in was if (name, words) not in now and name not in kept]
    return ", ".join([f"{name} {words}" for name, words in now if (name, words) not in was] + gone) or "as configured"


async def _plan_anew(context: Context, account: Account, before: Limits, after: Limits) -> int:
    """Plan the campaigns of a queue again when what their plans stand on has changed; how many messages were."""
    if _planned_on(before) == _planned_on(after) and before.caps == after.caps:
        return 0
    moved = 0
    for name in await context.store.active_campaigns(account.name):
        campaign = await context.store.get_campaign(name)
        on_caps = campaign.pacing.get("spread")
        if not on_caps and _planned_on(before) == _planned_on(after):
            continue
        async with context.planning(campaign.id):
            campaign = await context.store.get_campaign(name)
            if campaign.state is CampaignState.ACTIVE:
                limits = await routes.limits_of(context, campaign)
                moved += (await replan(context.store, campaign, limits, now=context.clock.now())).n
    return moved


async def _check_plans(context: Context, queue: str, before: Limits, after: Limits) -> None:
    """Refuse, before anything is changed, what a running campaign could not be planned by: a window that is never open
    while its own is, no cap a day for one that spreads it."""
    if after.window == before.window and after.caps == before.caps:
        return
    for name in await context.store.active_campaigns(queue):
        campaign = await context.store.get_campaign(name)
        if after.window != before.window:
            check_opens(campaign, windows_of(campaign, after), context.clock.now())
        if campaign.pacing.get("spread"):
            check_cap(after.cap_a_day)


def _planned_on(limits: Limits) -> tuple[object, ...]:
    """The limits by which jobs were given their times, when they were planned or in the line of a domain."""
    return limits.window, limits.min_gap, limits.domain_gap


def _tuned(queue: Queue, limits: Limits, was: dict[str, Any], moved: int, message: str) -> Result:
    return {
        "success": True,
        "queue": queue.name,
        "state": queue.state.value,
        "tuning": queue.tuning,
        "was": was,
        "limits": limits.to_dict(),
        "planned": moved,
        "message": message,
    }
