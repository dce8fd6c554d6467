"""One message of a campaign's sequence: what it waits for, whom it reaches, what it says, and what became of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from engine.sequences import CONDITIONS
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.letters import document
from tui.cli.step_rows import step_rows
from tui.format import count, plural
from tui.screens.editor import EditorScreen
from tui.screens.form import FormScreen, field, told
from tui.sequence_steps import MAIL, stored
from tui.undo import Undo
from tui.widgets.columns import Item, blank, heading

SHOWN = 40
"""Lines of the text that stand below the values."""


def load(reader: Reader, name: str, number: int) -> dict[str, Any]:
    """The `campaign`, its `step` as stored and the `row` of what became of it. None for both when it is gone."""
    campaign = reader.campaign(name)
    if number > len(campaign["steps"]):
        return {"campaign": campaign, "step": None, "row": None}
    row = step_rows(reader, campaign)[number - 1]
    return {"campaign": campaign, "step": campaign["steps"][number - 1], "row": row}


class SequenceStepScreen(FormScreen):
    HINTS: ClassVar = ("view.open",)

    def __init__(self, name: str, number: int) -> None:
        super().__init__()
        self._campaign = name
        self._number = number

    def token(self) -> Hashable:
        return ("step", self._campaign, self._number)

    def reads(self) -> Any:
        name, number = self._campaign, self._number
        return lambda reader, now: load(reader, name, number)

    def crumb(self) -> str:
        return f"Campaigns > {self._campaign} > step {self._number}"

    def targets(self) -> list[Target]:
        if self.data is None:
            return []
        campaign = self.data["campaign"]
        step = Target("step", {**campaign, "step": self._number})
        return [step, Target("sequence", campaign), Target("campaign", campaign)]

    # what is shown

    def items(self, data: dict[str, Any], now: int, width: int) -> Sequence[Item]:
        step, row = data["step"], data["row"]
        if step is None:
            return told(f"step {self._number} was taken out", width, style="warn")
        self.crumb_right = f"{self._number} of {len(data['campaign']['steps'])}"
        items: list[Item] = []
        if self._number > 1:
            words = (
                ", ".join(CONDITIONS[word] for word in step["conditions"]) or "to everybody whom the one before reached"
            )
            items += [
                field("wait", "WAIT", row["wait"], 'after the step before: "3d", "36h", "3 business days"'),
                field("conditions", "ONLY IF", " ".join(step["conditions"]) or "-", words),
                field("channel", "CHANNEL", row["channel"], "smtp, outbox, unipile or webhook"),
            ]
        else:
            items += told("at the start", width, label="BEGINS")
        if self._mail():
            items.append(field("subject", "SUBJECT", step["subject"] or "-"))
        items.append(field("text", "TEXT", _size(step["text"]), f"{self.named('view.open')}: write it here"))
        if self._mail():
            items.append(field("html", "HTML", _size(step["html"]), "beside the text, or alone"))
        if row["pacing"]:
            items += told(row["pacing"], width, label="PACE")
        items += [blank(), *told(_became(row), width, label="SO FAR")]
        if n := row["waits_for_acceptance"]:
            items += told(f"the next step waits for {plural(n, 'invitation')} to be accepted", width, style="warn")
        source = step["text"] or step["html"]
        if source.strip():
            items += [blank(), heading("TEXT" if step["text"].strip() else "HTML")]
            items += [part for line in source.split("\n")[:SHOWN] for part in told(line[:500], width) or [blank()]]
        return items

    def _mail(self) -> bool:
        return self.data is not None and self.data["row"]["channel"] in MAIL

    # changing

    def chosen(self, key: Hashable, row: Any) -> None:
        step = self.data["step"] if self.data else None
        if step is None or not self.may_change():
            return
        if key in ("text", "html"):
            self.work(self._write(str(key), step))
        elif key == "conditions":
            words = " ".join(step["conditions"])
            self.ask_line("only if", words, self._conditions, completer=_conditions_offered)
        elif key in ("wait", "channel", "subject"):
            before = self.data["row"]["wait"] if key == "wait" else step[key]
            self.ask_line(str(key), before, lambda text: self.work(self._edit({str(key): text})))

    def _conditions(self, text: str) -> None:
        self.work(self._edit({"conditions": text.replace(",", " ").split()}))

    async def _write(self, part: str, step: Row) -> None:
        mail = part == "text" and self._mail()
        content = document(step["subject"], step["headers"], step["text"]) if mail else step[part]
        await self.console.push_screen(EditorScreen(self._campaign, part, content, self._edit))

    async def _edit(self, given: dict[str, Any]) -> None:
        """Raises PacelineError; then nothing was changed."""
        campaign = self.data["campaign"]
        if self._number == 1:
            first = campaign["steps"][0]
            args, before = given, {part: first[part] for part in given}
        else:
            steps = stored(campaign)
            before = {"steps": [dict(step) for step in steps]}
            steps[self._number - 2].update(given)
            args = {"steps": steps}
        name = campaign["name"]
        result = await self.call("campaign.edit", {"name": name, "version": campaign["version"], **args})
        undo = Undo(f"step {self._number} of {name}", "campaign.edit", {"name": name, **before}, self.console.now())
        self.console.undos.add(undo)
        self.console.say(f"ok: {result['message']}; it uses {', '.join(result['fields']) or 'no field'}", "good")


def _conditions_offered(typed: str) -> list[str]:
    done, _, last = typed.rpartition(" ")
    return [f"{done} {word}".strip() for word in CONDITIONS if word.startswith(last)]


def _became(row: Row) -> str:
    words = ("sent", "waiting", "skipped", "failed")
    told_of = [f"{count(row[word])} {word}" for word in words if row[word]]
    told_of += [f"{count(row['needs_you'])} need you"] * bool(row["needs_you"])
    return ", ".join(told_of) or "nobody has come to it yet"


def _size(text: str) -> str:
    return plural(text.rstrip("\n").count("\n") + 1, "line") if text.strip() else "none"
