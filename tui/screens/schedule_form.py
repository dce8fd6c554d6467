"""A schedule as a form: made or changed, with its next five firings beside what is typed; saved as a whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine.planning.cron import SHORTCUTS
from engine.planning.durations import exact_duration, parse_duration
from engine.planning.missed import POLICIES
from engine.schedule_words import OVERLAPS, missed_words
from storage.errors import PacelineError, UsageError
from storage.model import HOUR
from storage.reader import Reader
from storage.schedule_facts import schedule
from tui.actions import Row, Target
from tui.safe_text import safe_text
from tui.screens.form import FormScreen, field, told
from tui.screens.schedule_rows import firing_line, preview
from tui.screens.view import back_binding
from tui.screens.working import in_words
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading
from tui.widgets.prompt import LONGEST

SAVE = "save"
NEW: Row = {
    "name": "", "cron": "", "zone": "UTC", "kind": "", "payload": {}, "queue": "", "priority": 0, "missed": "run_once",
    "grace": HOUR, "most": 10, "overlap": "skip",
}  # fmt: skip
"""A schedule of which nothing was said yet; its zone is the configured one."""
ASKS = {
    "name": "name",
    "cron": "minute hour day month weekday",
    "zone": "zone, such as America/New_York",
    "kind": "kind of job",
    "payload": "payload as JSON",
    "queue": "queue, nothing for that of its kind",
    "priority": "priority 1 to 10, 0 for that of its kind",
    "grace": "made up for when at most so late, such as 1h",
    "most": "made up for at most so many",
}
TURNED: dict[str, Sequence[str]] = {"missed": POLICIES, "overlap": tuple(OVERLAPS)}
"""What enter turns to the next of."""


def typed(name: str, text: str) -> Any:
    """What was typed of a field, as `schedule.add` takes it. Raises UsageError."""
    if name == "payload":
        from tui.cli.payloads import json_object

        return json_object(text or "{}", "payload")
    if name in ("priority", "most"):
        if not (text.isascii() and text.isdecimal() and len(text) < 9):
            raise UsageError(f"{name}: '{text[:20]}' is no number")
        return int(text)
    return parse_duration(text, field="grace") if name == "grace" else text


def stored(database: Path, name: str) -> Row:
    """The schedule as stored, with every character. For a thread of its own."""
    with Reader(database) as reader:
        return schedule(reader, name)


class ScheduleFormScreen(FormScreen):
    """`name`: the schedule that is changed, "" for a new one; `wanted`: what a new one is to be called."""

    MODE = "schedules"
    BINDINGS: ClassVar = [back_binding("leave_form")]
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)

    def __init__(self, name: str = "", wanted: str = "") -> None:
        super().__init__()
        self._name = name
        self._given: Row = {"name": wanted} if wanted else {}
        """What was said here, by field."""
        self._seen: Row | None = None
        """The schedule as it was when the form was opened: the engine compares."""
        self._typing: tuple[str, str] = ("", "")
        """The field whose line is open, with what stands there now."""
        self._problem = ""
        self._leaving = False
        """Somebody was told that going back loses what was changed."""
        self._zone = NEW["zone"]
        self.set_class(True, "-alone")

    def on_mount(self) -> None:
        try:
            self._zone = self.console.load_config().zone
        except PacelineError as error:
            self._problem = in_words(error)
        super().on_mount()

    def token(self) -> Hashable:
        return ("schedule form", self._name)

    def reads(self) -> Any:
        name = self._name
        return lambda reader, now: schedule(reader, name) if name else {}

    def crumb(self) -> str:
        return f"Schedules > {self._name or 'new'}{' > edit' if self._name else ''}"

    def targets(self) -> list[Target]:
        return []

    def values(self) -> Row:
        """What the schedule would say."""
        return {**NEW, "zone": self._zone, **(self._seen or {}), **self._given}

    def show(self, data: Any, now: int) -> None:
        if self._seen is None and data:
            self._seen = data
        super().show(data, now)

    def items(self, data: Row, now: int, width: int) -> Sequence[Item]:
        values = self.values()
        items = told(self._problem, width, style="bad") if self._problem else []
        items.append(heading(f" {self.named('view.open')} changes the value under the cursor"))
        if not self._name:
            items.append(self._field("name", values["name"], "letters, digits, dots, dashes, underscores"))
        items += [
            self._field("cron", values["cron"], "or @hourly, @daily, @weekly, @monthly"),
            self._field("zone", values["zone"], "whose clocks the expression means"),
            self._field("kind", values["kind"], "what is made when it fires"),
            self._field("payload", json.dumps(values["payload"], ensure_ascii=False), ""),
            self._field("queue", values["queue"] or "that of its kind", ""),
            self._field("priority", str(values["priority"] or "that of its kind"), ""),
            self._field("missed", values["missed"], missed_words(values["missed"], values["grace"], values["most"])),
        ]
        if values["missed"] == "run_once":
            items.append(self._field("grace", exact_duration(values["grace"]), "how late one is still made up for"))
        elif values["missed"] == "catch_up":
            items.append(self._field("most", str(values["most"]), "so many are made up for"))
        items.append(self._field("overlap", values["overlap"], OVERLAPS.get(values["overlap"], "")))
        items += [field(SAVE, SAVE, "check it and save it" if self._given else "nothing was changed"), blank()]
        return [*items, *self._preview(values, now, width)]

    def _field(self, name: str, value: str, note: str) -> Item:
        return field(name, name, value or "-", note, style="warn" if name in self._given else "", row=name)

    def _preview(self, values: Row, now: int, width: int) -> list[Item]:
        name, text = self._typing
        cron, zone = (text if name == one else values[one] for one in ("cron", "zone"))
        if not cron.strip():
            return told("the next five firings are shown here", width, style="dim")
        words, firings, why_not = preview(cron, zone.strip(), now)
        if why_not:
            return told(why_not, width, style="bad")
        lines = [firing_line("NEXT" if i == 0 else "", firing, now, width) for i, firing in enumerate(firings)]
        return [*told(f"{words}, {zone}", width), *(Item(lambda width, line=line: line) for line in lines)]  # type: ignore[misc]

    async def action_leave_form(self) -> None:
        """One step back; what was changed and not saved is lost by the second one only."""
        if self._given and not self._leaving:
            self._leaving = True
            self.console.say(f"not saved: {self.named('app.back')} again leaves it as it was", "warn")
        else:
            await self.console.action_back()

    # changing

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change():
            return
        name = str(key)
        values = self.values()
        if name == SAVE:
            self.work(self._save())
        elif name in TURNED:
            ways = TURNED[name]
            self._take(name, ways[(ways.index(values[name]) + 1) % len(ways)])
        elif name == "payload":
            self.work(self._ask_payload())
        else:
            shown = exact_duration(values[name]) if name == "grace" else str(values[name] or "")
            self._ask(name, shown)

    async def _ask_payload(self) -> None:
        payload = self._given.get("payload")
        if payload is None:
            found = await asyncio.to_thread(stored, self.console.database, self._name) if self._name else NEW
            payload = found["payload"]
        shown = json.dumps(payload, ensure_ascii=False)
        if safe_text(shown, LONGEST) != shown:
            # What cannot be seen is not edited blindly.
            self.console.say(
                "it holds what a line cannot show: paceline schedule edit --payload-file changes it", "warn"
            )
            return
        self._ask("payload", shown)

    def _ask(self, name: str, shown: str) -> None:
        offers: dict[str, Callable[[], Sequence[str]]] = {"cron": lambda: list(SHORTCUTS), "kind": _kinds}
        known = offers[name]() if name in offers else ()

        def change(text: str) -> None:
            self._typing = (name, text)
            self.redraw()

        def end() -> None:
            self._typing = ("", "")
            self.redraw()

        def then(text: str) -> None:
            end()
            self.work(self._typed(name, text))

        self.ask_line(
            ASKS[name], shown, then, on_cancel=end, on_change=change if name in ("cron", "zone") else None,
            completer=lambda text: [one for one in known if one.startswith(text) and one != text],
        )  # fmt: skip

    async def _typed(self, name: str, text: str) -> None:
        self._take(name, typed(name, text))

    def _take(self, name: str, value: Any) -> None:
        before = (self._seen or {**NEW, "zone": self._zone})[name]
        if value == before:
            self._given.pop(name, None)
        else:
            self._given[name] = value
            self._leaving = False
        self.redraw()

    async def _save(self) -> None:
        if not self._given:
            self.console.say("nothing was changed")
            return
        if self._seen is not None:
            result = await self.call(
                "schedule.edit", {"name": self._name, "version": self._seen["version"], **self._given}
            )
            if result["was"]:
                back = {"name": self._name, **result["was"]}
                self.console.undos.add(
                    Undo(f"edit of schedule {self._name}", "schedule.edit", back, self.console.now())
                )
        else:
            values = self.values()
            result = await self.call("schedule.add", {name: values[name] for name in NEW})
            self.console.undos.add(
                Undo(f"schedule {values['name']}", "schedule.remove", {"name": values["name"]}, self.console.now())
            )
        self.console.say(f"ok: {result['message']}", "good")
        self.console.feed.again()
        if self.is_attached:
            self.dismiss()


def _kinds() -> list[str]:
    """The kinds that are installed here."""
    from engine.processors.registry import Registry

    return Registry().kinds()
