"""From an account to its way of sending: the one place that knows which channel belongs to which kind."""

from __future__ import annotations

from engine.accounts import Account, OutboxAccount
from engine.channels.channel import Channel
from engine.clock import SystemClock
from engine.unipile_account import UnipileAccount
from engine.webhook_account import WebhookAccount


def make_channel(account: Account) -> Channel:
    """The channel of an account; imports only what that kind needs."""
    if isinstance(account, OutboxAccount):
        from engine.channels.outbox import OutboxChannel

        return OutboxChannel(account.folder)
    if isinstance(account, UnipileAccount):
        from engine.channels.unipile.session import UnipileChannel

        return UnipileChannel(account.settings(), SystemClock())
    if isinstance(account, WebhookAccount):
        from engine.channels.webhook.channel import WebhookChannel

        return WebhookChannel(account.settings(), SystemClock())
    from engine.channels.smtp import SmtpChannel

    return SmtpChannel(account.settings())
