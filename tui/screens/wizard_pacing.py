"""Step 4: how the sends are spread. Every mode and preset with what it comes to for these people."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.config import Config
from engine.estimating import Share
from engine.planning.caps import parse_cap
from engine.planning.durations import exact_duration
from engine.planning.limits import MOST_AT_ONCE, Limits
from engine.planning.pacing import PRESETS, Pacing
from engine.planning.pacing_settings import PLAIN_RATE, QUOTAS
from engine.planning.windows import Window
from engine.plans import windows_of
from storage.errors import PacelineError, UsageError
from storage.row_nouns import campaign_of
from tui.actions import Row
from tui.format import count, fit
from tui.screens.form import LABEL, field, told
from tui.screens.window_fields import PARTS, typed_part, window_items, with_part
from tui.screens.wizard import StepScreen
from tui.screens.working import in_words
from tui.tuning import tune
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading

SHAPE = 46
"""Cells of what a pacing does."""
CLOCKS = 2_000
"""People up to whom their own clocks are reckoned with, for each of a dozen pacings at each look."""
SPREAD = "spread"
"""Typed instead of a rate: the account's daily cap, evenly."""
PROVIDER_NAMES = {
    "gmail": "Gmail free",
    "workspace": "Workspace",
    "linkedin_free": "LinkedIn free",
    "linkedin_paid": "LinkedIn paid",
    "cold": "cold mailbox",
}
SHARES = {
    "priority": ("priority", "1 to 10; 10 runs first", "10 runs before all others of the account"),
    "weight": ("weight", "1 to 100", "turns of the queue beside others of its priority"),
    "concurrency": ("at once", "so many at once", "of this campaign, within its account's limit"),
}
"""What a campaign has of its queue: label, what is asked for, and what it means."""
SOME = 100
"""People that figures are for while nobody is in the campaign."""


@dataclass(frozen=True, slots=True)
class Way:
    """One row: a pacing to choose, or (`asks`) one whose figures are typed."""

    pacing: Pacing
    asks: str = ""
    provider: str = ""

    def within(self, limits: Limits) -> Limits:
        """An account's limits, with what a provider takes among them."""
        quota = map(parse_cap, QUOTAS[self.provider]) if self.provider else ()
        return replace(limits, caps=(*limits.caps, *quota))

    def shape(self) -> str:
        """What it does, without its mode."""
        if self.provider:
            takes_in = ", ".join(QUOTAS[self.provider])
            return f"{PROVIDER_NAMES[self.provider]}: {self.pacing.figures()}; {takes_in}"
        words = self.pacing.describe().partition(": ")[2].partition(" (")[0]
        if not self.asks:
            return f"{self.pacing.risk}: {words}"
        return f"{words}, or other figures ..."


def ways(now: Pacing) -> list[Way]:
    """Every preset, and a steady, a human and an own blast beginning from what the campaign has now."""
    found = [Way(Pacing.preset(name)) for name in PRESETS]
    own = now.mode == "blast" and not now.risk
    found.append(Way(now if own else Pacing(), "how many at once and the delay, such as 10 2s"))
    found.append(
        Way(
            now if now.mode == "steady" else Pacing(mode="steady"),
            "rate, such as 60/min or 30/h, or spread for the day's cap",
        )
    )
    found.append(
        Way(
            now if now.mode == "human" else Pacing(mode="human"),
            "gaps, such as 15m 90m, or 15m 90m 5 30m with a rest after 5",
        )
    )
    return found


def providers() -> list[Way]:
    """What is fit for each provider, by its name."""
    return [Way(Pacing.preset(name), provider=name) for name in PROVIDER_NAMES]


def typed(way: Way) -> str:
    """What stands at the prompt when a pacing is typed."""
    pacing = way.pacing
    if pacing.mode == "steady":
        return SPREAD if pacing.spread else str(pacing.rate)
    if pacing.mode == "human":
        rests = f" {pacing.burst} {exact_duration(pacing.rest)}" if pacing.burst else ""
        return f"{exact_duration(pacing.gap_min)} {exact_duration(pacing.gap_max)}{rests}"
    return f"{pacing.concurrency} {exact_duration(pacing.batch_delay)}"


def read_typed(now: Pacing, text: str) -> Pacing:
    """The pacing `now` with the figures that were typed; what has no figure there (jitter, the shape of gaps) stays.
    Raises UsageError."""
    return Pacing.from_dict({**now.to_dict(), **_figures(now.mode, text)})


def _figures(mode: str, text: str) -> dict[str, Any]:
    if mode == "steady":
        spread = text.strip().lower() == SPREAD
        return {"spread": spread, "rate": str(PLAIN_RATE) if spread else text}
    words = text.split()
    if mode == "human" and len(words) == 4:
        return {"gap_min": words[0], "gap_max": words[1], "burst": _number(words[2], "15m 90m 5 30m"), "rest": words[3]}
    if len(words) != 2:
        example = "15m 90m" if mode == "human" else "10 2s"
        raise UsageError(f"'{text[:40]}' is not two values", hint=f"for example {example}")
    if mode == "human":
        return {"gap_min": words[0], "gap_max": words[1], "burst": 0, "rest": 0}
    return {"concurrency": _number(words[0], "10 2s"), "batch_delay": words[1]}


def _number(word: str, example: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 9):
        raise UsageError(f"'{word[:20]}' is no number", hint=f"for example {example}")
    return int(word)


def takes(
    pacing: Pacing, people: int, campaign: Row, limits: Limits, now: int, clocks: Sequence[Mapping[str, Any]] = ()
) -> str:
    """How long a pacing takes, within its account's limits, through the windows of campaign and account together.
    `clocks`: fields of people, which say whose clock is which: those of the others are taken to be like them."""
    at_once = pacing.concurrency if pacing.mode == "blast" else 5
    try:
        sent = replace(campaign_of(campaign), concurrency=at_once)
        share = Share(windows_of(sent, limits), limits)
        if share.asks and clocks and people <= CLOCKS:
            texts = [json.dumps(fields) for fields in clocks]
            share.add_all((texts * (people // len(texts) + 1))[:people])
        elif share.asks:
            share = Share([replace(window, recipient_zone="") for window in windows_of(sent, limits)], limits)
            share.add(n=people)
        else:
            share.add(n=people)
        text = share.estimate(sent, pacing, now).text
    except PacelineError as error:
        return error.message
    return text.partition(" takes ")[2] or text


class PacingScreen(StepScreen):
    STEP = "pacing"

    def on_mount(self) -> None:
        super().on_mount()
        self._problem = ""
        self._config = Config()
        try:
            self._config = self.console.load_config()
        except PacelineError as error:
            self._problem = in_words(error)

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        campaign = data["campaign"]
        if campaign is None:
            return told("There is no such campaign any more.", width, style="bad")
        present = Pacing.from_dict(campaign["pacing"])
        account = self._config.accounts.get(campaign["account"])
        people = left(campaign) or SOME
        limits = Limits(concurrency=MOST_AT_ONCE)
        if account is not None:
            limits = account.limits(self._config.zone).tuned(data["tuning"])
        items: list[Item] = told(self._problem, width, style="bad") if self._problem else []
        title = f"{self.named('view.open')} takes it"
        items.append(heading(f" {fit('', LABEL)} {fit(title, SHAPE)} TAKES"))

        def row(number: int, way: Way, same: bool) -> Item:
            text = takes(way.pacing, people, campaign, way.within(limits), now, data["people"])
            label = f"{'*' if same else ' '} {way.pacing.mode}"
            shape = f"{fit(way.shape(), SHAPE)} {text}"
            return field(("way", number), label, shape, style="good" if same else "", row=way)

        own, fit_for = ways(present), providers()
        same = [way.pacing == present and not (way.asks and present.risk) for way in own]
        items += [row(number, way, same[number]) for number, way in enumerate(own)]
        items += self._share_items(campaign, limits.window)
        items += [
            blank(),
            heading(f" {fit('', LABEL)} {fit('fit for a provider; what it takes in a day', SHAPE)} TAKES"),
        ]
        for number, way in enumerate(fit_for, len(own)):
            items.append(row(number, way, way.pacing == present and not any(same)))
        who = f"{count(people)} people" if left(campaign) else f"{SOME} people, as nobody is in it yet"
        ceiling = f"; account {account.name} sends at most {limits.concurrency} at once" if account else ""
        after = ""
        if campaign["state"] == "active":
            undo = self.named("undo")
            after = f" It runs: what has not left is planned anew at once, order kept. {undo} takes it back."
        cap = f" What a provider takes is a cap of the account: {self.named('queue.tune')} on its queue sets one."
        return [*items, blank(), *told(f"Figures for {who}{ceiling}.{after}{cap}", width)]

    def _share_items(self, campaign: Row, shared: Window | None) -> list[Item]:
        """When it may send, within the window that its account's campaigns share, and its part of the queue."""
        whose = f"as its account: {shared.describe()}" if shared else "at any hour"
        note = f"and only while {whose.removeprefix('as ')}" if shared and campaign["hours"] else ""
        shares = [
            field(("share", name), label, str(campaign[name]), words) for name, (label, _, words) in SHARES.items()
        ]
        return [
            blank(),
            heading(" WINDOW AND SHARE"),
            *window_items(campaign["hours"], without=whose, note=note),
            *shares,
        ]

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change() or self.campaign is None:
            return
        if isinstance(key, tuple) and key[0] == "window":
            part, window = str(key[1]), self.campaign["hours"]
            self.ask_line(
                PARTS[part][1], typed_part(window, part), lambda text: self.work(self._window(window, part, text))
            )
        elif isinstance(key, tuple) and key[0] == "share":
            name = str(key[1])
            ask, present = SHARES[name][1], str(self.campaign[name])
            self.ask_line(ask, present, lambda text: self.work(self._tune({name: _number(text, present)})))
        elif not isinstance(row, Way):
            return
        elif row.asks:
            self.ask_line(row.asks, typed(row), lambda text: self.work(self._typed(row.pacing, text)))
        else:
            self.work(self._pace(row.pacing))

    async def _window(self, window: Row, part: str, text: str) -> None:
        await self._tune({"window": with_part(window, part, text)})

    async def _tune(self, wanted: Row) -> None:
        await tune(self.console, "campaign.tune", {"name": self.making.name, **wanted})

    async def _typed(self, now: Pacing, text: str) -> None:
        await self._pace(read_typed(now, text))

    async def _pace(self, pacing: Pacing) -> None:
        campaign = self.campaign
        if campaign is None:
            return
        args = {"name": campaign["name"], "pacing": pacing.to_dict()}
        result = await self.call("campaign.pace", args)
        before = {**args, "pacing": campaign["pacing"], "concurrency": campaign["concurrency"]}
        self.console.undos.add(Undo(f"pacing of {campaign['name']}", "campaign.pace", before, self.console.now()))
        self.console.say(f"ok: {result['message']}", "good")


def left(campaign: Row) -> int:
    """How many are still to be sent: everybody of a draft, what waits of one that runs."""
    counts = campaign["counts"]
    waiting = int(counts["pending"] + counts["held"])
    return waiting or (int(campaign["recipients"]) if campaign["state"] == "draft" else 0)
