"""One person of a campaign: every field, every message, every attempt with the server's own words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.inbox_pages import about_person
from storage.people_page import jobs_of, person
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.step_rows import begins, title
from tui.format import clock, fit, soon, wrap
from tui.screens.job import attempt_items
from tui.screens.returned import ReturnedScreen, came_back
from tui.screens.view import ViewScreen
from tui.theme import job_mark
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid

NAME = 18
"""Cells of a field's name."""


def load(reader: Reader, name: str, person_id: int) -> dict[str, Any]:
    """The `person`, their `jobs` with attempts, the `campaign`, and what `came_back`."""
    found = person(reader, person_id)
    return {
        "person": found,
        "jobs": jobs_of(reader, person_id),
        "campaign": reader.campaign(name),
        "came_back": about_person(reader, person_id),
    }


def field_items(fields: dict[str, Any], width: int) -> list[Item]:
    """Every merge field; the rows of a grouped person one below the other."""
    items: list[Item] = []
    for name, value in fields.items():
        if isinstance(value, list):
            items.append(_fact(name, f"{len(value)} rows"))
            for number, row in enumerate(value, 1):
                items.append(_fact(f"  {number}", "  ".join(f"{key}={cell}" for key, cell in row.items())))
            continue
        for part in wrap(str(value), max(20, width - NAME - 5)):
            items.append(_fact(name, part))
            name = ""
    return items


def _fact(name: str, value: str, style: str = "") -> Item:
    return Item(lambda width: ((f"   {fit(name, NAME)} ", "head"), (value, style)))


def job_items(job: Row, now: int, width: int, step: str = "") -> list[Item]:
    """One message: a row for the cursor, then its attempts. `step`: which one of several it is."""
    mark = job_mark(job, now)
    when = f"due {soon(job['due_at'], now)}" if job["state"] == "pending" else f"since {clock(job['updated_at'], now)}"
    reason = f" ({job['reason']})" if job["reason"] else ""
    spans = ((f"{mark.glyph} {mark.word}{reason}", mark.style), (f"  {when}   job {job['id']}", ""))
    items = [
        blank(),
        heading(f"MESSAGE{f'    {step}' if step else ''}"),
        Item(lambda width: spans, ("job", job["id"]), job),
    ]
    items.append(_fact("Message-ID", job["message_id"] or "-"))
    if job["error"] and job["state"] != "completed":
        items += [_fact("last error" if i == 0 else "", part) for i, part in enumerate(wrap(job["error"], width - 24))]
    attempts = attempt_items(job, now, width)
    return [*items, heading(f"ATTEMPTS ({len(job['attempts_log'])})"), *attempts] if attempts else items


def step_of_job(campaign: Row, job: Row) -> str:
    """Which step of a sequence a message is: "step 2 of 3, after 3d: Again"; "" where there is one only."""
    steps = campaign["steps"]
    place = next((place for place, step in enumerate(steps, 1) if step["id"] == job["step_id"]), 0)
    if len(steps) < 2 or not place:
        return ""
    return f"step {place} of {len(steps)}, {begins(steps[place - 1])}: {title(steps[place - 1])}"


def sequence_items(campaign: Row, found: Row, jobs: list[Row], now: int) -> list[Item]:
    """Where a person stands in a sequence: what still comes, or why nothing does."""
    steps = campaign["steps"]
    if len(steps) < 2 or not jobs:
        return []
    last = jobs[-1]
    place = next((place for place, step in enumerate(steps, 1) if step["id"] == last["step_id"]), len(steps))
    left = steps[place:]
    items = []
    if found["accepted_at"]:
        items.append(_fact("accepted", f"the invitation, {clock(found['accepted_at'], now)}"))
    if found["replied_at"]:
        items.append(_fact("replied", clock(found["replied_at"], now)))
    if not left:
        items.append(_fact("after this", "nothing: it is the last step"))
    elif found["stopped"]:
        items.append(_fact("after this", f"nothing: {found['stopped']}", "warn"))
    elif last["follow"] == 2:
        items.append(_fact("after this", f"step {place + 1}, once the invitation is accepted", "warn"))
    elif last["follow"] == 1:
        items.append(_fact("after this", f"step {place + 1}, {begins(left[0])}"))
    else:
        items.append(_fact("after this", f"nothing: the sequence ended with step {place} ({last['state']})"))
    return [blank(), heading("SEQUENCE"), *items]


class PersonScreen(ViewScreen):
    """Whose screen it is. A subclass says what it reads of this person (`load`), the `person` among it."""

    MODE = "campaigns"

    def __init__(self, name: str, person_id: int, address: str) -> None:
        super().__init__()
        self._campaign = name
        self._person_id = person_id
        self._address = address

    @staticmethod
    @abstractmethod
    def load(reader: Reader, name: str, person_id: int) -> dict[str, Any]: ...

    def token(self) -> Hashable:
        return (type(self).__name__, self._person_id)

    def reads(self) -> Any:
        name, person_id = self._campaign, self._person_id
        return lambda reader, now: self.load(reader, name, person_id)

    def crumb(self) -> str:
        address = self.data["person"]["address"] if self.data else self._address
        return f"Campaigns > {self._campaign} > {address}"


class RecipientScreen(PersonScreen):
    HINTS: ClassVar = ("view.open",)
    load = staticmethod(load)

    def body(self) -> Iterable[Widget]:
        yield Grid(id="facts")

    def show(self, data: dict[str, Any], now: int) -> None:
        found, width = data["person"], self.size.width
        items = [
            heading("PERSON"),
            _fact("address", found["address"]),
            _fact("row of the file", str(found["row_number"])),
        ]
        if found["stopped"]:
            items.append(_fact("stopped", found["stopped"], "warn"))
        items += sequence_items(data["campaign"], found, data["jobs"], now)
        items += [blank(), heading("FIELDS"), *field_items(found["fields"], width)]
        for job in data["jobs"]:
            items += job_items(job, now, width, step_of_job(data["campaign"], job))
        if not data["jobs"]:
            items += [blank(), heading("MESSAGE    none yet: the campaign was not started with this person in it")]
        items += came_back(data["came_back"], now, width)
        self.query_one(Grid).show(Sections(items))

    def targets(self) -> list[Target]:
        if self.data is None:
            return []
        jobs = self.data["jobs"]
        current = self.query_one(Grid).current
        job = next((job for job in jobs if current and job["id"] == current.get("job_id", current["id"])), None)
        job = job or (jobs[0] if jobs else None)
        person = Target("person", {**self.data["person"], "campaign": self._campaign})
        return [*([Target("job", job)] if job else []), person, Target("campaign", self.data["campaign"])]

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        if row is not None and "returned" in row:
            return ReturnedScreen(row["returned"])
        target = self.targets()[:1]
        if target and target[0].scope == "job":
            return JobScreen(target[0].row["id"], self.crumb())
        return None
