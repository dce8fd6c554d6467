"""Lists over campaigns of two steps: whatever the edge of a page, every person stands in them once, and so does every
message."""

from __future__ import annotations

import pytest

from storage import jobs_page, people_page, report_facts, sends, sheet_people, table_pages
from storage.campaigns import StepSpec
from storage.edits import Edit
from storage.filters import parse
from storage.jobs_page import Query, Sort
from storage.model import DAY, JobState
from storage.people_page import PeopleQuery
from storage.reader import Row
from storage.sequences import Following
from tests.support.stores import Batch, Desk, said

PEOPLE = 7
SECOND = (1, 3, 4, 6)
"""Who has come to the second message: neighbours, and the last one of the file."""


@pytest.fixture
async def letters(desk: Desk) -> Batch:
    """Seven people who have the first message; four of them wait for the second, of whom the first one has it."""
    draft = await desk.draft("letters")
    await desk.store.edit_campaign(draft.id, Edit(steps=(StepSpec(text="again"),)), said())
    await desk.people(draft.id, [f"p{n}" for n in range(PEOPLE)])
    batch = await desk.begin_campaign(await desk.load(draft))
    for job in (await desk.claim()).jobs:
        await desk.send(job)
    further = (await desk.store.get_steps(batch.id))[1]
    for n, job in enumerate(batch.jobs):
        due = desk.clock() if n == SECOND[0] else desk.clock() + DAY
        step = further.id if n in SECOND else None
        await desk.store.follow([Following(job, step, batch.campaign.queue_id, due, 0, f"<second-{n}@example.org>")])
    await desk.store.promote()
    await desk.send(await desk.claim_one())
    return batch


def names(rows: list[Row]) -> list[int]:
    return [int(row["address"].partition("@")[0][1:]) for row in rows]


def forward(desk: Desk, query: PeopleQuery, size: int) -> list[Row]:
    found: list[Row] = []
    while True:
        rows, more = people_page.people(desk.look, query, after=found[-1]["id"] if found else 0, limit=size)
        assert len(rows) <= size
        found += rows
        if not more:
            return found


def backward(desk: Desk, query: PeopleQuery, size: int) -> list[Row]:
    found: list[Row] = []
    while True:
        rows, more = people_page.people(desk.look, query, before=found[0]["id"] if found else 1 << 60, limit=size)
        found = rows + found
        if not more:
            return found


@pytest.mark.parametrize("size", range(1, PEOPLE + 2))
async def test_every_person_stands_once_with_their_latest_message(
    desk: Desk, letters: Batch, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = PeopleQuery(letters.id)
    found = forward(desk, query, size)
    assert names(found) == list(range(PEOPLE))
    assert backward(desk, query, size) == found
    monkeypatch.setattr(table_pages, "SLICE", size)
    assert list(table_pages.persons(desk.look, query, last=table_pages.last_person(desk.look))) == found
    assert list(desk.look.all_recipients(letters.id)) == found
    assert [row["state"] for row in found] == ["pending" if n in SECOND[1:] else "completed" for n in range(PEOPLE)]
    second = {row["address"]: row["message_id"] for row in found if row["message_id"].startswith("<second")}
    assert sorted(second.values()) == [f"<second-{n}@example.org>" for n in SECOND]
    assert people_page.count(desk.look, query).n == people_page.total(desk.look, letters.id) == PEOPLE


@pytest.mark.parametrize("size", range(1, 5))
@pytest.mark.parametrize(("text", "wanted"), [("state:pending", SECOND[1:]), ("state:sent", (0, 1, 2, 5))])
async def test_a_filter_of_people_asks_their_latest_message(
    desk: Desk, letters: Batch, text: str, wanted: tuple[int, ...], size: int
) -> None:
    query = PeopleQuery(letters.id, parse(text), desk.clock())
    assert names(forward(desk, query, size)) == names(backward(desk, query, size)) == list(wanted)
    assert people_page.count(desk.look, query).n == len(wanted)


@pytest.mark.parametrize("size", range(1, PEOPLE + len(SECOND) + 2))
@pytest.mark.parametrize("sort", [*Sort])
async def test_every_message_stands_once(desk: Desk, letters: Batch, sort: Sort, size: int) -> None:
    query = Query(parse("campaign:letters"), sort, now=desk.clock())
    ids: list[int] = []
    after = None
    while True:
        page = jobs_page.page(desk.look, query, after=after, limit=size)
        ids += [row["id"] for row in page.rows]
        if not page.more:
            break
        after = jobs_page.place_of(page.rows[-1], sort)
    tried = [row["id"] for row in desk.look.rows("SELECT id FROM jobs WHERE attempts > 0")]
    everything = [row["id"] for row in desk.look.rows("SELECT id FROM jobs")]
    assert sorted(ids) == (tried if sort is Sort.TRIED else everything)


async def test_sums_and_sheets_tell_messages_and_people_apart(desk: Desk, letters: Batch) -> None:
    counts = desk.counts("campaign", letters.id)
    assert (counts["completed"], counts["pending"]) == (PEOPLE + 1, len(SECOND) - 1)
    slices = report_facts.messages(desk.look, letters.id, steps=2)
    assert sum(row["reached"] for rows in slices for row in rows) == PEOPLE
    keys = [f"p{n}@example.org" for n in range(PEOPLE)]
    sheet = sheet_people.by_keys(desk.look, letters.id, keys)
    assert {n for n, key in enumerate(keys) if sheet[key]["state"] == "pending"} == set(SECOND[1:])
    assert {row["address"]: row["n"] for row in people_page.sent_to(desk.look, letters.id)} == {
        key: 2 if n == SECOND[0] else 1 for n, key in enumerate(keys)
    }
    person = sheet[keys[SECOND[0]]]
    jobs = people_page.jobs_of(desk.look, person["id"])
    assert [job["state"] for job in jobs] == [JobState.COMPLETED, JobState.COMPLETED]
    assert people_page.beside(desk.look, letters.id, person["id"], 1) is not None
    assert people_page.beside(desk.look, letters.id, person["id"], 1)[1] == SECOND[0] + 2  # type: ignore[index]


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_the_timeline_holds_every_send_once(desk: Desk, letters: Batch, size: int) -> None:
    place = sends.FROM_THE_NEXT
    coming: list[int] = []
    while place is not None:
        page = sends.coming(desk.look, letters.id, after=place, limit=size)
        coming += [row["id"] for row in page.rows]
        place = page.further
    waiting = desk.look.rows("SELECT id FROM jobs WHERE state = 'pending' ORDER BY due_at, id")
    assert coming == [row["id"] for row in waiting]
