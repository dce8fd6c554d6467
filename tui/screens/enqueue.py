"""A background job as a form: its kind, the fields of its payload with what they are, when and how urgent; made as a
whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any, ClassVar

from engine.priority import Weights
from storage.errors import PacelineError, UsageError
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.job_types import fields_of
from tui.cli.payloads import json_object, payload_of
from tui.format import clock
from tui.safe_text import safe_text
from tui.screens.form import FormScreen, field, told
from tui.widgets.columns import Item, blank, heading
from tui.widgets.prompt import LONGEST

ADD = "add"
URGENCIES = ("", *Weights().urgency)
"""What enter turns to the next of; "": none is said."""
ASKS = {
    "kind": "kind of job",
    "payload": "payload as JSON",
    "priority": "priority 1 to 10, nothing for that of its kind",
    "due_at": "not before, such as +2h or 2026-03-01 10:20, nothing for now",
    "queue": "queue, nothing for that of its kind",
    "unique": "a key that no other open job of its kind has",
}


@cache
def known_kinds() -> tuple[str, ...]:
    """The kinds that are installed here."""
    from engine.processors.registry import Registry

    return tuple(Registry().kinds())


@cache
def about(kind: str) -> tuple[str, tuple[Row, ...], str]:
    """What a kind does, the fields of its payload as `fields_of` tells them, and why that is not known ("" when it
    is)."""
    from engine.processors.registry import Registry

    try:
        processor = Registry().get(kind)
    except PacelineError as error:
        return "", (), error.message
    return processor.about, tuple(fields_of(processor.payload.model_json_schema())), ""


class EnqueueScreen(FormScreen):
    """`wanted`: the kind, "" when it was not said yet."""

    MODE = "jobs"
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)

    def __init__(self, wanted: str = "") -> None:
        super().__init__()
        self._kind = wanted
        self._payload: Row = {}
        self._given: Row = {}
        """What else was said, as `job.add` takes it."""
        self._problem = ""
        self.set_class(True, "-alone")

    def token(self) -> Hashable:
        return "new job"

    def reads(self) -> Callable[[Reader, int], Any]:
        return lambda reader, now: {}

    def crumb(self) -> str:
        return "Jobs > new"

    def targets(self) -> list[Target]:
        return []

    def ways(self) -> tuple[tuple[str, str], ...]:
        return self.ways_of(("view.open", "change, or make it"), ("app.back", "leave it"))

    # what is shown

    def items(self, data: Any, now: int, width: int) -> Sequence[Item]:
        does, fields, unknown = about(self._kind) if self._kind else ("which job?", (), "")
        found = [field("kind", "kind", self._kind or "-", does)]
        if unknown:
            found += told(unknown, width, style="bad")
        if self._kind:
            found += [blank(), heading("PAYLOAD")]
            found += [self._of_payload(one) for one in fields]
            found.append(
                field("payload", "as JSON", json.dumps(self._payload, ensure_ascii=False), "all of it at once")
            )
            found += [blank(), heading("WHEN AND HOW")]
            given = self._given
            due = clock(given["due_at"], now) if "due_at" in given else "now"
            found.append(field("priority", "priority", str(given.get("priority", "-")), "10 goes first; or:"))
            found.append(field("urgency", "urgency", given.get("urgency", "-"), "what the priority follows from"))
            found.append(field("due_at", "not before", due))
            found.append(field("queue", "queue", given.get("queue", "-"), "- is that of its kind"))
            found.append(field("unique", "key", given.get("unique", "-"), "made only when no open job has it"))
            found += [blank(), field(ADD, ADD, "make the job")]
        if self._problem:
            found += [blank(), *told(self._problem, width, style="bad")]
        return found

    def _of_payload(self, one: Row) -> Item:
        name = one["name"]
        value = "-"
        if name in self._payload:
            kept = self._payload[name]
            value = kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False)
        note = "required" if one["required"] else f"else {json.dumps(one['default'], ensure_ascii=False)}"
        words = f"{one['type']}; {note}{'; ' if one['about'] else ''}{one['about']}"
        style = "bad" if one["required"] and name not in self._payload else ""
        return field(("field", name), name, value, words, style=style)

    # changing

    def chosen(self, key: Hashable, row: Any) -> None:
        if not self.may_change():
            return
        if key == ADD:
            self.work(self._add())
        elif key == "urgency":
            now = self._given.pop("urgency", "")
            self._given.pop("priority", None)
            if following := URGENCIES[(URGENCIES.index(now) + 1) % len(URGENCIES)]:
                self._given["urgency"] = following
            self.redraw()
        elif isinstance(key, tuple):
            kept = self._payload.get(key[1], "")
            self._ask(key[1], kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False), self._take_field)
        elif key == "payload":
            self._ask("payload", json.dumps(self._payload, ensure_ascii=False), self._take)
        else:
            kept = self._kind if key == "kind" else "" if key == "due_at" else str(self._given.get(str(key), ""))
            self._ask(str(key), kept, self._take)

    def _ask(self, name: str, shown: str, take: Callable[[str, str], None]) -> None:
        if safe_text(shown, LONGEST) != shown:
            self.console.say("it holds what a line cannot show: paceline job add --payload-file makes it", "warn")
            return
        own = take == self._take
        known = known_kinds() if own and name == "kind" else ()
        self.ask_line(
            ASKS[name] if own else name, shown, lambda text: self.work(self._taken(take, name, text)),
            completer=lambda text: [one for one in known if one.startswith(text) and one != text],
        )  # fmt: skip

    async def _taken(self, take: Callable[[str, str], None], name: str, text: str) -> None:
        take(name, text)
        self._problem = ""

    def _take_field(self, name: str, text: str) -> None:
        if not text:
            self._payload.pop(name, None)
        else:
            self._payload |= payload_of(fields=[f"{name}={text}"]) or {}

    def _take(self, name: str, text: str) -> None:
        """What was typed of one value. Raises UsageError."""
        if name == "kind":
            self._kind = text
        elif name == "payload":
            self._payload = json_object(text or "{}", "payload")
        elif not text:
            self._given.pop(name, None)
        elif name == "priority":
            if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10):
                raise UsageError(f"priority: '{text[:20]}' is no number from 1 to 10")
            self._given.pop("urgency", None)
            self._given[name] = int(text)
        elif name == "due_at":
            from tui.cli.times import parse_time

            self._given[name] = parse_time(text, self.console.zone, now=self.console.now())
        else:
            self._given[name] = text

    async def _add(self) -> None:
        try:
            result = await self.call("job.add", {"kind": self._kind, "payload": self._payload, **self._given})
        except PacelineError as error:
            self._problem = error.message
            raise
        self.console.say(f"ok: {result['message']}", "good")
        self.console.feed.again()
        if self.is_attached:
            self.dismiss()
