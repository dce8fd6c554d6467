"""What people do with the whole engine: status, pause, resume, drain, reload, account test."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from engine.accounts import Account
from engine.channels.channel import Channel, ChannelError, Session
from engine.control.actions import Args, Context, Result, action, audit
from storage.errors import PacelineError
from storage.model import Actor


class AccountArgs(Args):
    name: str


class StatusArgs(Args):
    console: str = Field("", max_length=80)
    """Names the console that asks, so that it is listed as attached; "" for a command."""


class AccountTestError(PacelineError):
    code = "account"
    exit_code = 1


@action("engine.status", StatusArgs, reads=True)
async def status(context: Context, args: StatusArgs, actor: Actor) -> Result:
    if args.console:
        context.hooks.attend(args.console, actor)
    return context.hooks.status()


@action("engine.pause")
async def pause(context: Context, args: Args, actor: Actor) -> Result:
    """Pause everything: no new attempt begins, what is in flight finishes."""
    changed = await context.store.set_engine_paused(True, audit("engine.paused", "paused everything", actor))
    context.hooks.wake()
    return {"success": True, "paused": True, "message": "paused" if changed else "was paused already"}


@action("engine.resume")
async def resume(context: Context, args: Args, actor: Actor) -> Result:
    changed = await context.store.set_engine_paused(False, audit("engine.resumed", "resumed everything", actor))
    context.hooks.wake()
    return {"success": True, "paused": False, "message": "resumed" if changed else "was not paused"}


@action("engine.drain")
async def drain(context: Context, args: Args, actor: Actor) -> Result:
    """Finish what is inside the send window, then end the engine."""
    context.hooks.drain(f"asked by {actor.user}")
    await context.store.add_event(audit("engine.drained", "drains the engine", actor))
    return {"success": True, "message": "draining: what is in flight finishes, then the engine ends"}


@action("engine.reload")
async def reload(context: Context, args: Args, actor: Actor) -> Result:
    """Read the configuration again; a file with a mistake changes nothing."""
    result = await context.hooks.reload()
    await context.store.add_event(audit("engine.reloaded", "reloaded the configuration", actor))
    return {"success": True, **result}


@action("account.test", AccountArgs)
async def test_account(context: Context, args: AccountArgs, actor: Actor) -> Result:
    """Connect and log in, send nothing."""
    account = context.config.account(args.name)
    session = await open_session(context.make_channel, account)
    await session.close()
    return {"success": True, "account": account.name, "message": f"account {account.name}: connected and ready"}


async def open_session(make_channel: Callable[[Account], Channel], account: Account) -> Session:
    """A session for one message of a person's own. Raises AccountTestError: no connection, or no login."""
    try:
        return await make_channel(account).open()
    except ChannelError as error:
        raise AccountTestError(
            f"account '{account.name}' ({error.outcome.phase}): {error.outcome.text}",
            hint="check its address, its TLS setting and where its secrets stand",
        ) from None
