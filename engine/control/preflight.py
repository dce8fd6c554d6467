"""Before a start: everything that would go wrong with a campaign, as the engine itself would meet it."""

from __future__ import annotations

from collections.abc import Callable

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.transaction import SmtpSession
from engine.control.actions import Context, Result, action
from engine.control.common import Named, find
from engine.control.engine import AccountTestError, open_session
from engine.preflight.examine import Connect, examine
from engine.preflight.subject import Login
from storage.model import Actor


@action("campaign.preflight", Named, reads=True)
async def preflight(context: Context, args: Named, actor: Actor) -> Result:
    """Every finding, with its severity and its fix; changes nothing and asks nobody but the DNS."""
    await find(context, args)
    report = await examine(context.store.read, context.config, args.name, now=context.clock.now())
    return report.to_json()


@action("campaign.preflight_connected", Named)
async def preflight_connected(context: Context, args: Named, actor: Actor) -> Result:
    """As `campaign.preflight`, and log in at the account's server; sends nothing. Like `account.test`, no read."""
    await find(context, args)
    report = await examine(
        context.store.read,
        context.config,
        args.name,
        now=context.clock.now(),
        connect=logging_in(context.make_channel),
    )
    return report.to_json()


def logging_in(make_channel: Callable[[Account], Channel]) -> Connect:
    """The account test, as a preflight asks for it."""

    async def connect(account: Account) -> Login:
        try:
            session = await open_session(make_channel, account)
        except AccountTestError as error:
            return Login(trouble=error.message)
        size = session.size_limit if isinstance(session, SmtpSession) else 0
        await session.close()
        return Login(size=size)

    return connect
