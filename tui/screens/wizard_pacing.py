"""Step 4: how the sends are spread. Every mode and preset with what it comes to for these people."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.accounts import Account
from engine.config import Config
from engine.planning.caps import least_time
from engine.planning.durations import exact_duration
from engine.planning.limits import MOST_AT_ONCE, Limits
from engine.planning.pacing import PRESETS, Pacing, estimate
from engine.planning.pacing_settings import PLAIN_RATE
from engine.planning.windows import Window
from storage.errors import PacelineError, UsageError
from tui.actions import Row
from tui.format import count, fit
from tui.screens.form import LABEL, field, told
from tui.screens.wizard import StepScreen
from tui.screens.working import in_words
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading

SHAPE = 46
"""Cells of what a pacing does."""
SPREAD = "spread"
"""Typed instead of a rate: the account's daily cap, evenly."""
SOME = 100
"""People that figures are for while nobody is in the campaign."""


@dataclass(frozen=True, slots=True)
class Way:
    """One row: a pacing to choose, or (`asks`) one whose figures are typed."""

    pacing: Pacing
    asks: str = ""

    def shape(self) -> str:
        """What it does, without its mode."""
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


def takes(pacing: Pacing, people: int, campaign: Row, account: Account | None, zone: str, now: int) -> str:
    """How long a pacing takes, with the account's own limits, through the campaign's window or else the account's."""
    try:
        limits = account.limits(zone) if account else Limits(concurrency=MOST_AT_ONCE)
        range_ = estimate(
            pacing,
            people,
            start=now,
            seed=campaign["seed"],
            concurrency=min(pacing.concurrency if pacing.mode == "blast" else 5, limits.concurrency),
            least=least_time(people, min_gap=limits.min_gap, caps=limits.caps),
            window=Window.from_dict(campaign["hours"]) if campaign["hours"] else limits.window,
            spread=limits.cap_a_day if pacing.spread else 0,
        )
    except UsageError as error:
        return error.message
    return range_.text.partition(" takes ")[2]


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
        items: list[Item] = told(self._problem, width, style="bad") if self._problem else []
        title = f"{self.named('view.open')} takes it"
        items.append(heading(f" {fit('', LABEL)} {fit(title, SHAPE)} TAKES"))
        for number, way in enumerate(ways(present)):
            same = way.pacing == present and not (way.asks and present.risk)
            text = takes(way.pacing, people, campaign, account, self._config.zone, now)
            label = f"{'*' if same else ' '} {way.pacing.mode}"
            shape = f"{fit(way.shape(), SHAPE)} {text}"
            items.append(field(("way", number), label, shape, style="good" if same else "", row=way))
        who = f"{count(people)} people" if left(campaign) else f"{SOME} people, as nobody is in it yet"
        ceiling = f"; account {account.name} sends at most {account.concurrency} at once" if account else ""
        after = ""
        if campaign["state"] == "active":
            undo = self.named("undo")
            after = f" It runs: what has not left is planned anew at once, order kept. {undo} takes it back."
        return [*items, blank(), *told(f"Figures for {who}{ceiling}.{after}", width)]

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change() or not isinstance(row, Way):
            return
        if row.asks:
            self.ask_line(row.asks, typed(row), lambda text: self.work(self._typed(row.pacing, text)))
        else:
            self.work(self._pace(row.pacing))

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
