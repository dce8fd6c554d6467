"""From an account to its way of sending: the one place that knows which channel belongs to which kind."""

from __future__ import annotations

from engine.accounts import Account, OutboxAccount
from engine.channels.channel import Channel


def make_channel(account: Account) -> Channel:
    """The channel of an account; imports only what that kind needs."""
    if isinstance(account, OutboxAccount):
        from engine.channels.outbox import OutboxChannel

        return OutboxChannel(account.folder)
    from engine.channels.smtp import SmtpChannel

    return SmtpChannel(account.settings())
