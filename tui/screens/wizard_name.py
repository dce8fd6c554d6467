"""Step 1: what the campaign is called and who sends it. With both the draft is made."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.accounts import Account
from engine.config import Config
from storage.errors import PacelineError
from tui.cli.campaign_make import new_args
from tui.cli.letters import Letter
from tui.screens.form import field, told
from tui.screens.wizard import StepScreen
from tui.screens.working import in_words
from tui.widgets.columns import Item, blank, heading


def limits(account: Account) -> str:
    """What keeps an account slow, in one line."""
    parts = [f"{account.concurrency} at once", *map(str, account.ceilings)]
    return f"{account.channel}  {account.sender}  {', '.join(parts)}"


class NameScreen(StepScreen):
    STEP = "name"

    def on_mount(self) -> None:
        super().on_mount()
        self._accounts: dict[str, Account] = {}
        self._problem = ""
        try:
            config: Config = self.console.load_config()
            self._accounts = dict(config.accounts)
        except PacelineError as error:
            self._problem = in_words(error)
        if not self.making.name and not self.making.wanted:
            self._ask_name()

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        campaign = data["campaign"]
        name = self.making.name or self.making.wanted
        enter = self.named("view.open")
        items = [field("name", "NAME", name or "-", f"letters, digits, . _ -   {enter} changes it"), blank()]
        items.append(heading(f"ACCOUNTS    {enter} chooses who sends"))
        if self._problem:
            items += told(self._problem, width, style="bad")
        elif not self._accounts:
            items += told("none is configured: paceline account add --help", width, style="warn")
        for key, account in self._accounts.items():
            chosen = campaign is not None and campaign["account"] == key
            items.append(field(("account", key), key, limits(account), style="good" if chosen else "",
                               note="chosen" if chosen else "", row=key))  # fmt: skip
        items.append(blank())
        if campaign is None:
            text = "With a name and an account the draft is made. Nothing is sent before the last step."
        else:
            on, away = self.named("view.tab"), self.named("campaign.cancel")
            text = f"The draft is made; {on} goes on. {away} on it in Campaigns throws it away."
        return [*items, *told(text, width)]

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change():
            return
        if key == "name":
            self._ask_name()
        else:
            self.work(self.console.before_keys(self._set_account(row)))

    def _ask_name(self) -> None:
        self.ask_line("name", self.making.name or self.making.wanted, self._named)

    def _named(self, name: str) -> None:
        if not name or not self.may_change():
            return
        if self.making.name:
            self.work(self._rename(name))
        else:
            self.making.wanted = name
            self.console.say(f"now the account that sends it: {self.named('view.open')} chooses")
            self.redraw()

    async def _rename(self, name: str) -> None:
        if name == self.making.name:
            return
        await self.call("campaign.edit", {"name": self.making.name, "rename": name})
        self.making.name = name
        self.watch_data()
        self.console.say(f"ok: it is called {name}", "good")

    async def _set_account(self, account: str) -> None:
        if self.making.name:
            if self.campaign is None or self.campaign["account"] != account:
                await self.call("campaign.edit", {"name": self.making.name, "account": account})
        elif not self.making.wanted:
            self._ask_name()
            return
        else:
            await self.call("campaign.new", new_args(self.making.wanted, account, {}, Letter(), unfinished=True))
            self.making.name = self.making.wanted
        self.go("people")
        self.console.say(f"ok: {self.making.name} is a draft, sent by {account}", "good")
