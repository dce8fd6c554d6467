"""`x`: why a job, a campaign or a queue does not run now: every gate in order, which one holds, and when it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

from tui.actions import Row, Target
from tui.explaining import asked_by, explained, limits_by_account
from tui.format import fit, wrap
from tui.lookup import job_targets
from tui.screens.page import Page
from tui.screens.raw import READ
from tui.screens.why import Stands, gates, why
from tui.widgets.columns import Item, blank, fixed, heading

LABEL, NAME = 7, 16
MARKS = {"open": "good", "closed": "paced", "HOLDS": "bad"}
"""How a gate stands, and the style of that word."""


class ExplainScreen(Page):
    """About one `scope` (job, campaign, queue): `row` names it."""

    HINTS: ClassVar = ("app.back",)

    def __init__(self, scope: str, row: Row) -> None:
        named = row["name"] if "name" in row else f"job {row['id']}"
        super().__init__({"job": "jobs", "campaign": "campaigns", "queue": "queues"}[scope], f"Why > {named}")
        self._scope = scope
        self._row: Row = {key: row[key] for key in ("id", "name") if key in row}

    def reads(self) -> Callable[..., Any]:
        scope, row, link, load_config = self._scope, self._row, self.console.link, self.console.load_config
        # For an account that no engine has served yet; read once, and not before the reader asks.
        accounts = cache(lambda: limits_by_account(load_config))
        return lambda reader, now: {
            "answer": explained(asked_by(reader, now, link.state, accounts()), scope, row),
            "row": READ[scope](reader, row),
        }

    def items(self, data: Any, now: int) -> list[Item]:
        answer, width = data["answer"], self.size.width
        items = [*self._said(why(answer, now, self.named), width)]
        if answer["gates"]:
            items.append(heading(f"{fit('', LABEL)} {fit('GATE', NAME)} HOW IT STANDS"))
        for i, stands in enumerate(gates(answer, now, self.named)):
            items += self._gate(stands, i, width)
        if others := answer.get("campaigns"):
            items += [blank(), heading("ITS CAMPAIGNS, IN THEIR TURN    enter: why")]
        for other in others or ():
            line = f"{fit(other['campaign'], 20)} {why(other, now, None)}"
            items.append(fixed(((fit(line, width - 3), ""),), ("campaign", other["campaign"]), other["campaign"]))
        return items

    def _said(self, sentence: str, width: int) -> Iterator[Item]:
        for i, part in enumerate(wrap(sentence, max(20, width - 8))):
            yield fixed(((" WHY    " if i == 0 else "        ", "head"), (part, "")))

    def _gate(self, stands: Stands, place: int, width: int) -> Iterator[Item]:
        style = "dim" if stands.word == "open" else ""
        first = True
        for part in wrap(stands.words, max(20, width - LABEL - NAME - 6)):
            label = ((fit(stands.word, LABEL), MARKS[stands.word]), (f" {fit(stands.gate, NAME)} ", style))
            if first:
                yield fixed((*label, (part, style)), ("gate", place))
            else:
                yield fixed(((f"  {fit('', LABEL + NAME + 2)}{part}", style),))
            first = False

    def chosen(self, row: Any) -> None:
        if row is not None:
            self.console.push_screen(ExplainScreen("campaign", {"name": row}))

    def action_press(self, id: str) -> None:
        if id.endswith(".explain"):
            self.console.note("this page tells why")
        else:
            super().action_press(id)

    def targets(self) -> list[Target]:
        if self.data is None:
            return []
        row = self.data["row"]
        return job_targets(row) if self._scope == "job" else [Target(self._scope, row)]
