"""Making a campaign, step by step: each step is a screen, and what it settled stands in the draft at once.

So a step can be left at any time: esc goes one back, q leaves, and the draft can be continued later. Alone, outside the
wizard, the same screens change one thing of a campaign that exists.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from storage.errors import NotFoundError
from storage.reader import Reader
from tui.actions import Row, Target
from tui.screens.form import FormScreen
from tui.screens.people_file import PeopleFile
from tui.screens.view import back_binding
from tui.widgets.lines import Line, Lines, Span

STEPS = (("name", "Name"), ("people", "People"), ("letter", "Message"), ("pacing", "Pacing"), ("check", "Check"))


@dataclass(slots=True)
class Making:
    """What the steps share: the draft's name ("" before there is one), whether this is one step `alone`, and what was
    chosen but is not in the draft yet."""

    name: str = ""
    alone: bool = False
    wanted: str = ""
    """The name that was typed before the draft was made."""
    file: PeopleFile = field(default_factory=PeopleFile)


def load(reader: Reader, name: str) -> dict[str, Any]:
    """`campaign` (None before there is one), `people`: the fields of its first ones, `fields`: the names that the first
    one brings, and what is live `tuning` of its queue."""
    if not name:
        return {"campaign": None, "people": [], "fields": [], "tuning": {}}
    campaign = reader.campaign(name)
    people = [row["fields"] for row in reader.recipients(campaign["id"])]
    fields = sorted(people[0]) if people else []
    return {"campaign": campaign, "people": people, "fields": fields, "tuning": reader.tuning(campaign["account"])}


def has_message(campaign: Row) -> bool:
    step = campaign["steps"][0]
    return bool(step["text"].strip() or step["html"].strip())


def done(step: str, campaign: Row | None) -> bool:
    """Whether a step has what a start needs of it."""
    if campaign is None:
        return False
    if step == "people":
        return bool(campaign["recipients"])
    return has_message(campaign) if step == "letter" else step != "check"


def first_open(campaign: Row) -> str:
    """The step at which a draft is continued."""
    return next((name for name, _ in STEPS if not done(name, campaign)), "check")


class StepScreen(FormScreen):
    """One step. A subclass names itself by `STEP`."""

    STEP: ClassVar[str] = ""
    HINTS: ClassVar[tuple[str, ...]] = ("view.open", "view.tab")
    BINDINGS: ClassVar = [back_binding("step_back")]

    def __init__(self, making: Making) -> None:
        super().__init__()
        self.making = making
        self.set_class(making.alone, "-alone")

    def token(self) -> Hashable:
        return (self.STEP, self.making.name)

    def reads(self) -> Any:
        name = self.making.name

        def read(reader: Reader, now: int) -> dict[str, Any]:
            try:
                return load(reader, name)
            except NotFoundError:
                # It was renamed or is gone: by another console, or between a rename and this read.
                return load(reader, "")

        return read

    def crumb(self) -> str:
        title = dict(STEPS)[self.STEP].lower()
        if self.making.alone:
            return f"Campaigns > {self.making.name} > {title}"
        return f"New campaign  {self.making.name}".rstrip()

    @property
    def campaign(self) -> Row | None:
        """The draft as it was last read."""
        found: Row | None = self.data["campaign"] if self.data else None
        return found

    def show(self, data: dict[str, Any], now: int) -> None:
        self.query_one("#above", Lines).show([self._strip()])
        super().show(data, now)

    def _strip(self) -> Line:
        spans: list[Span] = [(" ", "")]
        for number, (name, title) in enumerate(STEPS, 1):
            here = name == self.STEP
            mark = "+" if done(name, self.campaign) else "."
            spans += [(f" {number} {title} {mark} ", "tab" if here else "dim" if mark == "." else ""), (" ", "")]
        return tuple(spans)

    def ways(self) -> tuple[tuple[str, str], ...]:
        if self.making.alone:
            return super().ways()
        last = STEPS[-1][0] == self.STEP
        on = () if last else (("view.tab", "next step"),)
        return self.ways_of(("view.open", "change"), *on, ("app.back", "step back"), ("app.leave", "leave"))

    # going

    def action_next_tab(self) -> None:
        """The next step, once this one has what it needs to go on."""
        names = [name for name, _ in STEPS]
        at = names.index(self.STEP)
        if self.making.alone:
            self.console.say(f"{self.named('app.back')} goes back")
        elif not self.making.name:
            self.console.say("give it a name and an account first", "warn")
        elif at + 1 < len(names):
            self.go(names[at + 1])
        else:
            self.console.say(f"this is the last step: {self.named('campaign.start')} starts the campaign")

    def action_step_back(self) -> None:
        names = [name for name, _ in STEPS]
        at = names.index(self.STEP)
        if self.making.alone or at == 0:
            self.leave()
        else:
            self.go(names[at - 1])

    def go(self, step: str) -> None:
        from tui.screens.opening import step_screen

        self.console.say("")
        self.console.switch_screen(step_screen(step, self.making))

    def leave(self) -> None:
        draft = self.making.name and not self.making.alone
        self.console.say(f"{self.making.name} stays a draft: C on it goes on where you were" if draft else "")
        if len(self.console.screen_stack) > 1:
            self.console.pop_screen()

    def targets(self) -> list[Target]:
        return []
