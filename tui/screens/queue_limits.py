"""A queue's limits as a form: what holds now, where it comes from, how full each cap is; each changed on the spot."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from engine.config import Config
from engine.planning.caps import parse_ramp
from engine.planning.limits import Limits
from storage.errors import NotFoundError, PacelineError, UsageError
from storage.queue_facts import caps_used
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import count, fit
from tui.limit_words import LABELS, LimitRow, limit_rows, period_of
from tui.screens.form import LABEL, FormScreen, field, told
from tui.screens.window_fields import NONE, PARTS, VALUE, typed_part, window_items, with_part
from tui.screens.working import in_words
from tui.tuning import tune
from tui.widgets.columns import Item, blank, heading

RESET = "reset"
ASKS = {
    "rate": "rate, such as 30/min or 200/h",
    "concurrency": "so many at once",
    "min_gap": "time between two starts, such as 30s",
    "domain_gap": "time between two to one domain, such as 5s",
    "caps": "caps, such as 400/day, 2000/week calendar",
    "warmup": "warm-up, such as 5+1..20 or 10+10%..200",
}
SHORT = {**LABELS, "min_gap": "min gap", "domain_gap": "domain gap"}
"""Labels that fit into the form's column."""


def asked(name: str, text: str) -> dict[str, Any]:
    """The arguments of `queue.tune` for what was typed of a limit: a value, "none" or "reset". Raises UsageError."""
    word = text.strip()
    if not word:
        raise UsageError(
            "nothing was typed: it stays as it is", hint=f'"{NONE}" takes it away, "{RESET}" gives it back'
        )
    if word.lower() == RESET:
        return {"reset": [name]}
    if word.lower() == NONE:
        if name == "concurrency":
            raise UsageError("at least one at once: pause the queue to send nothing")
        return {"set": {name: [] if name == "caps" else None}}
    if name == "concurrency" and not (word.isascii() and word.isdecimal() and len(word) < 9):
        raise UsageError(f"'{word[:20]}' is no number", hint="for example 5")
    values: dict[str, Any] = {
        "concurrency": lambda: int(word),
        "rate": lambda: [rate.strip() for rate in word.split(",")],
        "caps": lambda: [cap.strip() for cap in word.split(",")],
        "warmup": lambda: parse_ramp(word).to_dict(),
    }
    return {"set": {name: values[name]() if name in values else word}}


def load(reader: Reader, now: int, name: str, configured: Limits | None) -> dict[str, Any]:
    """`row` of the queue, the `limits` that hold now, and how much of each cap is `used`."""
    row = next((row for row in reader.queues() if row["name"] == name), None)
    if row is None:
        raise NotFoundError(f"there is no queue '{name}'", hint="see `paceline queue list`")
    limits = configured.tuned(row["tuning"]) if configured else Limits.from_dict(row["limits"])
    return {"row": row, "limits": limits.to_dict(), "used": caps_used(reader, row["id"], limits.ceilings(now), now)}


class QueueLimitsScreen(FormScreen):
    """Every limit of one queue, with what was tuned live beside what the configuration says."""

    MODE = "queues"
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._queue = name
        self._problem = ""
        self._answer: Row = {}
        """The last change's, shown while it holds."""
        self._configured: Limits | None = None
        self.set_class(True, "-alone")

    def on_mount(self) -> None:
        try:
            config = self.console.load_config()
            self._configured = _limits_of(config, self._queue)
        except PacelineError as error:
            self._problem = in_words(error)
        super().on_mount()

    def token(self) -> Hashable:
        return ("limits", self._queue)

    def reads(self) -> Any:
        name, configured = self._queue, self._configured
        return lambda reader, now: load(reader, now, name, configured)

    def crumb(self) -> str:
        return f"Queues > {self._queue} > limits"

    def targets(self) -> list[Target]:
        return []

    def _rows(self, data: Row) -> list[LimitRow]:
        return limit_rows(Limits.from_dict(data["limits"]), self._configured, data["row"]["tuning"])

    def items(self, data: Row, now: int, width: int) -> Sequence[Item]:
        items: list[Item] = told(self._problem, width, style="bad") if self._problem else []
        items.append(heading(f" {fit('', LABEL)} {self.named('view.open')} changes it"))
        for limit in self._rows(data):
            style = "warn" if limit.tuned else "" if limit.words else "dim"
            if limit.name == "window":
                items += window_items(data["limits"]["window"], without=NONE, note=limit.source, style=style)
            else:
                shown = f"{limit.words or NONE:<{VALUE}}"
                items.append(field(limit.name, SHORT[limit.name], shown, limit.source, style=style, row=limit))
        if data["row"]["tuning"]:
            words = "all of them back to the configuration"
            items += [blank(), field(RESET, RESET, words)]
        if self._answer and self._answer["tuning"] == data["row"]["tuning"]:
            items += [blank(), *told(self._answer["message"], width, style="good")]
        used = "   ".join(f"{count(cap['used'])}/{count(cap['n'])} {period_of(cap)}" for cap in data["used"])
        items += [blank(), *told(used or "no cap is set", width, label="used")]
        undo = self.named("undo")
        rule = (
            f'What is typed holds at once, without a restart, until it is reset: "{NONE}" takes a limit away, '
            f'"{RESET}" gives the configured one back. What is in flight is left alone. {undo} takes a change back.'
        )
        return [*items, *told(rule, width)]

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change() or self.data is None:
            return
        if key == RESET:
            self.work(self._tune({"reset": list(LABELS)}))
        elif isinstance(row, LimitRow):
            self.ask_line(ASKS[row.name], row.typed, lambda text: self.work(self._typed(row.name, text)))
        elif isinstance(key, tuple):
            part, window = str(key[1]), self.data["limits"]["window"]
            ask = f"{PARTS[part][1]}{f' or {RESET}' if part == 'hours' else ''}"
            self.ask_line(ask, typed_part(window, part), lambda text: self.work(self._window(window, part, text)))

    async def _typed(self, name: str, text: str) -> None:
        await self._tune(asked(name, text))

    async def _window(self, window: Row | None, part: str, text: str) -> None:
        if part == "hours" and text.lower() == RESET:
            await self._tune({"reset": ["window"]})
        else:
            await self._tune({"set": {"window": with_part(window, part, text) or None}})

    async def _tune(self, wanted: Row) -> None:
        self._answer = await tune(self.console, "queue.tune", {"name": self._queue, **wanted})


def _limits_of(config: Config, queue: str) -> Limits | None:
    """What the configuration says of a queue; None for an account that is not in it."""
    account = config.accounts.get(queue)
    return account.limits(config.zone) if account is not None else None
