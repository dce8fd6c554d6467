"""One person corrected: enter changes the value under the cursor, and a message that failed is retried if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from engine.compose.message import SUPPLIED
from engine.intake.mapping import EMAIL
from storage.errors import PacelineError
from storage.people_page import jobs_of, person
from storage.reader import Reader
from storage.retries import retried_by_hand
from tui.actions import Row, Target
from tui.format import clock, fit
from tui.lookup import action
from tui.safe_text import safe_text
from tui.screens.form import FormScreen, told
from tui.screens.letter_parts import fields_of
from tui.screens.questions import Question, where
from tui.screens.recipient import NAME, PersonScreen
from tui.theme import job_mark
from tui.undo import Undo
from tui.widgets.columns import Item, blank, fixed, heading
from tui.widgets.prompt import LONGEST

ADDRESS = "address"


def load(reader: Reader, name: str, person_id: int) -> dict[str, Any]:
    """The `person`, their `jobs`, the `campaign`, and the fields that its message uses (`used`)."""
    campaign = reader.campaign(name)
    step = campaign["steps"][0]
    try:
        used = fields_of((step["subject"], False), (step["text"], False), (step["html"], True))
    except PacelineError:
        # A draft whose message is still being written: its people can be corrected all the same.
        used = []
    return {
        "person": person(reader, person_id), "jobs": jobs_of(reader, person_id), "campaign": campaign, "used": used,
    }  # fmt: skip


def stored(database: Path, person_id: int) -> Row:
    """The person as stored, with every character. For a thread of its own."""
    with Reader(database) as reader:
        return person(reader, person_id)


def value_item(key: Hashable, name: str, value: str, note: str = "") -> Item:
    """A value that enter changes."""
    return fixed(
        ((fit(name, NAME) + " ", "head"), (value, ""), (f"  {note}" if note else "", "warn")), key, (key, name)
    )


class RecipientEditScreen(PersonScreen, FormScreen):
    """The form of one person of a campaign. Each change is made at once, compared with what was seen."""

    load = staticmethod(load)

    def crumb(self) -> str:
        return f"{super().crumb()} > edit"

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        found, used = data["person"], data["used"]
        fields = {name: value for name, value in found["fields"].items() if name != EMAIL}
        items = [heading("PERSON"), value_item(ADDRESS, ADDRESS, found["address"]), blank(), heading("FIELDS")]
        for name, value in fields.items():
            if isinstance(value, list):
                items += told(f"{name}: {len(value)} rows of the file, which stay as they are", width)
            else:
                items.append(value_item(("field", name), name, str(value), missing(name, str(value), used)))
        for name in used:
            if name not in found["fields"] and name not in (EMAIL, *SUPPLIED):
                items.append(value_item(("field", name), name, "", missing(name, "", used)))
        for job in data["jobs"]:
            items += [blank(), *_job_items(job, now, width)]
        undo = self.named("undo")
        words = f"A change is made at once and {undo} takes it back; the Message-ID stays."
        return [*items, blank(), *told(words, width)]

    def targets(self) -> list[Target]:
        return [Target("job", job) for job in self.data["jobs"][:1]] if self.data else []

    # changing

    def chosen(self, key: Hashable, row: Any) -> None:
        if self.may_change():
            self.work(self._ask(row, of_address=key == ADDRESS))

    async def _ask(self, name: str, *, of_address: bool) -> None:
        raw = await asyncio.to_thread(stored, self.console.database, self._person_id)
        value = raw["address"] if of_address else raw["fields"].get(name, "")
        shown = safe_text(value, LONGEST)
        if shown != value:
            # What cannot be seen is not edited blindly.
            self.console.say(f"{name} holds what a line cannot show: paceline recipients edit --set changes it", "warn")
            return

        def then(text: str) -> None:
            if text == value:
                self.console.say("nothing was changed")
            else:
                self.work(self._change(raw, "" if of_address else name, text))

        self.ask_line(name, shown, then)

    async def _change(self, raw: Row, name: str, text: str) -> None:
        """Change the field `name`, or without one the address, of the person as they were read, and offer a retry of
        what failed."""
        args: Row = {"campaign": self._campaign, "address": raw["address"]}
        back: Row = dict(args)
        if not name:
            args["new_address"], back["new_address"] = text, raw["address"]
        else:
            before = raw["fields"].get(name)
            args |= {"fields": {name: text}, "expected": {name: before}}
            back |= {"fields": {name: before}, "expected": {name: text}}
        result = await self.call("recipients.edit", args)
        back["address"] = result["address"]
        self.console.undos.add(Undo(f"edit of {raw['address']}", "recipients.edit", back, self.console.now()))
        self.console.feed.again()
        if not await self._retry(result):
            self.console.say(f"ok: {result['message']}", "good")

    async def _retry(self, result: Row) -> bool:
        """Ask whether what failed or is held is tried again now, and do it as `R` does."""
        if not result["retryable"]:
            return False
        lines = (
            result["message"].partition(";")[0],
            "once it is accepted, the address and the fields stay as they are",
        )
        question = Question(f"Retry now to {result['address']}{where(self.console.situation())}?", lines)
        if await self.console.ask(question) is None:
            return False
        for job_id, state, lease in result["retryable"]:
            self.console.begin(action("job.retry"), {"id": job_id, "state": state, "lease": lease})
        return True


def missing(name: str, value: str, used: Sequence[str]) -> str:
    """Said beside a field that the message uses and the person does not bring."""
    return "the message uses it" if name in used and not value.strip() else ""


def _job_items(job: Row, now: int, width: int) -> list[Item]:
    mark = job_mark(job, now)
    reason = f" ({job['reason']})" if job["reason"] else ""
    spans = ((" MESSAGE  ", "head"), (f"{mark.glyph} {mark.word}{reason}", mark.style))
    items = [fixed((*spans, (f"  since {clock(job['updated_at'], now)}   job {job['id']}", "")))]
    if retried_by_hand(job) and job["error"]:
        items += told(job["error"], width)
    return items
