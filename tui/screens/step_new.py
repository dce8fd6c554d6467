"""One more message of a campaign's sequence: written first, then its wait and conditions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from tui import sequence_steps
from tui.actions import Row
from tui.cli.letters import document
from tui.screens.editor import EditorScreen
from tui.screens.questions import Question
from tui.screens.sequence_step import SequenceStepScreen
from tui.undo import Undo


class NewStepScreen(EditorScreen):
    """`campaign` as `Reader.campaign` gives it; `place` is where it goes (None: behind the last)."""

    def __init__(self, campaign: Row, place: int | None = None) -> None:
        mail = campaign["channel"] in sequence_steps.MAIL
        super().__init__(campaign["name"], "text", document("", {}, "") if mail else "", self._add)
        self._row = campaign
        self._place = place

    def token(self) -> Hashable:
        return ("new step", self._campaign)

    def crumb(self) -> str:
        return f"{self._campaign} > one more message"

    def hint(self) -> str:
        return "its wait and conditions come next"

    async def _add(self, given: dict[str, Any]) -> None:
        """Raises PacelineError; then nothing was added."""
        row, name = self._row, self._campaign
        steps, place = sequence_steps.with_step(row, given, self._place)
        if sequence_steps.reaches_at_once(row, place) and await self.console.ask(_reaches(row, place)) is None:
            self.console.say("nothing was added")
            return
        result = await self.call("campaign.edit", {"name": name, "version": row["version"], "steps": steps})
        before = {"name": name, "steps": sequence_steps.stored(row)}
        self.console.undos.add(Undo(f"add step {place} of {name}", "campaign.edit", before, self.console.now()))
        self.console.say(f"ok: {result['message']}; it waits three days unless you say otherwise", "good")
        self.console.call_later(self.console.push_screen, SequenceStepScreen(name, place))


def _reaches(row: Row, place: int) -> Question:
    lines = (
        f"whoever has had step {place - 1} gets it too,",
        "at once where its wait is over when the campaign goes on",
    )
    return Question(f"Add step {place} to {row['name']}?", lines)
