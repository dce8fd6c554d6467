"""Step 5: what would go wrong, what would happen when, and the start. Of any campaign: its preflight."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.errors import PacelineError
from storage.model import Approval
from tui.actions import Row, Target
from tui.approval_words import approval_in_words
from tui.format import clock, count, wrap
from tui.preflighting import CONNECTED, READING, Found, examples, look, verdict
from tui.safe_rows import clean
from tui.safe_text import safe_text
from tui.screens.form import LABEL, told
from tui.screens.form import field as value
from tui.screens.opening import open_screen
from tui.screens.wizard import Making, StepScreen, has_message
from tui.screens.working import in_words
from tui.widgets.columns import Item, blank, heading

NOT_LIVE = "reaches only the allow-list and outbox accounts"
LIVE = "reaches everybody in it"
GLYPHS = {"refuses": "!", "warns": "~", "skipped": ".", "ok": "+"}
STYLES = {"refuses": "bad", "warns": "warn", "skipped": "dim", "ok": "dim"}


@dataclass(slots=True)
class Checked:
    """What was found for one version of a campaign: the preflight, and the plan of a start or why there is none."""

    version: int
    connected: bool = False
    """Whether the account's server is asked as well."""
    found: Found | None = None
    plan: Row = field(default_factory=dict)
    refused: str = ""


class CheckScreen(StepScreen):
    STEP = "check"

    def __init__(self, making: Making, *, connect: bool = False) -> None:
        """`connect`: ask the account's server at once."""
        super().__init__(making)
        self._connects = connect
        self._checked: Checked | None = None

    def show(self, data: dict[str, Any], now: int) -> None:
        campaign = data["campaign"]
        if campaign is not None and (self._checked is None or self._checked.version != campaign["version"]):
            self._checked = Checked(campaign["version"], connected=self._connects)
            self.work(self._check(campaign, self._checked))
        if campaign is not None and campaign["state"] == "active" and not self.making.alone:
            self._started(campaign)
            return
        super().show(data, now)

    async def _check(self, campaign: Row, checked: Checked) -> None:
        name = campaign["name"]
        try:
            checked.found = clean(await self._found(name, connect=checked.connected))
        except PacelineError as error:
            checked.refused = in_words(error)
            return
        if campaign["state"] == "draft" and campaign["recipients"] and has_message(campaign):
            try:
                checked.plan = await self.call("campaign.start", {"name": name, "dry_run": True})
            except PacelineError as error:
                checked.refused = in_words(error)

    async def _found(self, name: str, *, connect: bool) -> Found:
        """As the engine sees it; without one, as it looks from here."""
        if connect or self.console.link.state.usable:
            return await self.call(CONNECTED if connect else READING, {"name": name})
        console = self.console
        return await asyncio.to_thread(look, console.database, console.load_config(), name, now=console.now())

    def _connect(self) -> None:
        """Check again, and log in at the account's server."""
        campaign, old = self.campaign, self._checked
        if campaign is None or old is None or not self.may_change():
            return
        self.console.say("logging in ...")
        self._checked = Checked(campaign["version"], connected=True, found=old.found, plan=old.plan)
        self.work(self._check(campaign, self._checked))

    # what stands there

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        campaign, checked = data["campaign"], self._checked
        if campaign is None or checked is None:
            return told("There is no such campaign any more.", width, style="bad")
        found = checked.found
        if found is None:
            return told(checked.refused or "checking ...", width, style="bad" if checked.refused else "dim")
        items = self._plan_items(campaign, found, checked, now, width)
        items += [blank(), heading(f"PREFLIGHT    {verdict(found)}")]
        for number, finding in enumerate(found["findings"]):
            items += _finding_items(number, finding, width)
        return items

    def _plan_items(self, campaign: Row, found: Found, checked: Checked, now: int, width: int) -> list[Item]:
        live = bool(campaign["live"])
        items = [
            value(
                "preview",
                "MESSAGE",
                campaign["steps"][0]["subject"] or "no subject",
                f"{self.named('view.open')}: as each person sees it",
            ),
            value("test", "TEST", "send one to yourself", "no job, no count"),
            *_login_items(found, checked, self.named("view.open")),
            value("live", "LIVE" if live else "NOT LIVE", LIVE if live else NOT_LIVE, style="warn" if live else ""),
            *self._approval_items(campaign),
        ]
        takes = found["estimate"].partition(" takes ")[2]
        plan_text = f"{count(found['to_send'])} to send, {found['pacing']}{f'; takes {takes}' if takes else ''}"
        items += told(plan_text, width, label="PLAN")
        plan = checked.plan
        if plan.get("first_due"):
            first, last = (clock(plan[key], now, seconds=True) for key in ("first_due", "last_due"))
            times = f"first {first}, last {last}, done about {clock(plan['estimated_completion'], now)}"
            held = f"; {count(plan['held'])} would be held for you" if plan.get("held") else ""
            items += told(times + held, width)
        if checked.refused and found["ok"]:
            items += told(checked.refused, width, style="bad")
        if campaign["state"] == "draft":
            ready = bool(plan.get("queued"))
            ways = f"{self.named('view.open')} or {self.named('campaign.start')}"
            note = f"{ways}; it asks first" if ready else "see below what is missing"
            people = int(plan.get("queued") or found["to_send"])
            items.append(value("start", "START", f"send to {count(people)} people", note,
                               style="good" if ready else "dim"))  # fmt: skip
        return items

    def _approval_items(self, campaign: Row) -> list[Item]:
        """Who must say yes before anything leaves: chosen while it is a draft, afterwards only shown where it is
        somebody."""
        words = approval_in_words(campaign["approval"], campaign["approval_time"])
        if campaign["state"] != "draft":
            return [value("approval", "APPROVAL", words, "")] if words else []
        note = f"{self.named('view.open')}: nobody, each message, or once"
        return [value("approval", "APPROVAL", words or "nobody has to approve it", note)]

    # choosing

    def chosen(self, key: Hashable, row: Any) -> None:
        campaign = self.campaign
        if campaign is None:
            return
        if key == "preview":
            self.work(open_screen(self.console, "campaign.preview", campaign))
        elif key == "test":
            self.action_press("campaign.test")
        elif key == "live":
            self.action_press("campaign.live")
        elif key == "login":
            self._connect()
        elif key == "approval":
            self._turn_approval(campaign)
        elif key == "start":
            self.action_press("campaign.start")
        else:
            self.console.say(row or "there is nothing to mend here")

    def _turn_approval(self, campaign: Row) -> None:
        """The next one of nobody, each message, the campaign as a whole."""
        if campaign["state"] != "draft" or not self.may_change():
            return
        kinds = [kind.value for kind in Approval]
        after = kinds[(kinds.index(campaign["approval"]) + 1) % len(kinds)]
        self.work(self._set_approval(campaign["name"], after))

    async def _set_approval(self, name: str, approval: str) -> None:
        result = await self.call("campaign.edit", {"name": name, "approval": approval})
        self.console.say(f"ok: {result['message']}", "good")

    def targets(self) -> list[Target]:
        return [Target("campaign", self.campaign)] if self.campaign else []

    def _started(self, campaign: Row) -> None:
        """It runs: from here on its own screen tells more."""
        from tui.screens.campaign import CampaignScreen

        self.console.switch_screen(CampaignScreen(campaign["name"]))


def _login_items(found: Found, checked: Checked, key: str) -> list[Item]:
    """Where there is a server to ask: ask it."""
    if not any(finding["check"] == "login" for finding in found["findings"]):
        return []
    words = "the server was asked" if checked.connected else "the server was not asked"
    return [value("login", "LOGIN", words, f"{key}: connect and log in, send nothing")]


def _finding_items(number: int, finding: Found, width: int) -> list[Item]:
    severity = finding["severity"]
    style = STYLES[severity]
    items = told(finding["message"], width, style=style)
    # The cursor stops at each finding, so that a long list can be read to its end.
    first = wrap(safe_text(finding["message"], 2_000), max(20, width - LABEL - 4))[0]
    label = f"{GLYPHS[severity]} {severity}"
    items[0] = value(("finding", number), label, first, style=style, row=finding["fix"])
    if finding["examples"]:
        items += told(", ".join(examples(finding)), width, style="dim")
    if finding["fix"]:
        items += told(f"-> {finding['fix']}", width)
    return items
