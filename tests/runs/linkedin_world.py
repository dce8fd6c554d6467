"""A whole engine with one LinkedIn account, on simulated time, and the scripted service at the other end of a real
line. Time stands while a question is on its way, or a thread reads: neither takes simulated time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from run_world import World, toml

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.make import make_channel
from engine.channels.unipile.session import UnipileChannel
from engine.channels.unipile.transport import Transport
from storage.sqlite import SqliteStore
from tests.support.simulated import SimulatedClock, UnderWay
from tui.demo.unipile_rules import InvitationLedger, UnipileRules
from tui.demo.unipile_server import ACCOUNT, KEY, UnipileServer


class LinkedInWorld(World):
    """`serve` first, then `start`. Accounts are LinkedIn accounts unless they name a channel."""

    server: UnipileServer

    def __init__(self, folder: Path, clock: SimulatedClock, patch: Any) -> None:
        super().__init__(folder, clock)
        self._stack = AsyncExitStack()
        under_way = UnderWay(clock)
        patch.setenv("UNIPILE_KEY", KEY)
        patch.setattr(Transport, "ask", under_way.counted(Transport.ask))
        patch.setattr(UnipileChannel, "connect", under_way.counted(UnipileChannel.connect))
        patch.setattr(SqliteStore, "read", under_way.counted(SqliteStore.read))

    async def serve(self, **rules: Any) -> LinkedInWorld:
        """Start the service with these rules."""
        ledger = InvitationLedger(clock=self.clock)
        self.server = await self._stack.enter_async_context(UnipileServer(UnipileRules(**rules), ledger=ledger))
        return self

    async def stop_serving(self) -> None:
        await self._stack.aclose()

    def write_config(self) -> None:
        lines = []
        for name, changes in self.accounts.items():
            account = {
                "channel": "unipile",
                "url": self.server.url,
                "account_id": ACCOUNT,
                "api_key": {"env": "UNIPILE_KEY"},
                "reply_timeout": "1s",
                **changes,
            }
            lines.append(f"[accounts.{name}]")
            lines += [f"{key} = {toml(value)}" for key, value in account.items()]
        self.config.write_text("\n".join(lines))

    def _channel_of(self, account: Account) -> Channel:
        return make_channel(account)

    async def campaign(self, name: str = "c", people: Any = (), **more: Any) -> dict[str, Any]:
        """As in `World`; `people` are profiles, or (profile, first name, last name)."""
        spec: dict[str, Any] = {"account": "one", "text": "Hi {{ first_name | default('there') }}", "seed": 7}
        await self.call("campaign.new", name=name, **{**spec, **more})
        await self.invitees(name, people)
        await self.call("campaign.live", name=name)
        return await self.call("campaign.start", name=name)

    async def invitees(self, name: str, people: Any) -> None:
        rows = []
        for at, person in enumerate(people, 2):
            profile, first, last = (person, "", "") if isinstance(person, str) else person
            address = f"{profile}@example.org"
            rows.append((at, address, address, {"first_name": first, "last_name": last}, profile))
        begun = (await self.call("recipients.begin", campaign=name, source="people.csv"))["import_id"]
        await self.call("recipients.rows", import_id=begun, rows=rows)
        n = len(rows)
        await self.call(
            "recipients.commit", import_id=begun, campaign=name, rows=n, imported=n, rejected=0, duplicates=0
        )

    @property
    def sent(self) -> dict[str, int]:
        return self.server.ledger.by_profile()

    def job_of(self, profile: str, name: str = "c") -> dict[str, Any]:
        """The newest job of a person."""
        return self.rows(
            "SELECT j.* FROM jobs j JOIN recipients r ON r.id = j.recipient_id JOIN campaigns c ON c.id = "
            "j.campaign_id WHERE r.profile = ? AND c.name = ? ORDER BY j.id DESC LIMIT 1", profile, name,
        )[0]  # fmt: skip

    def check(self) -> None:
        """And nobody was invited twice, whatever was answered."""
        super().check()
        assert [profile for profile, n in self.sent.items() if n > 1] == []
