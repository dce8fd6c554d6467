"""Pages of jobs: the same rows in the same order whichever index they come from, both ways, and bounded counts."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import jobs_page, jobs_plan
from storage.filter_sql import exactly, where
from storage.filter_terms import Filter
from storage.filters import parse
from storage.jobs_page import Page, Place, Query, Sort, all_ids, before, count, highest, page, place_of, rows_of
from storage.migrate import apply
from storage.model import HOUR, MINUTE
from storage.reader import Reader

NOW = 1_700_000_000_000_000
STATES = ("held", "pending", "processing", "completed", "failed", "uncertain", "skipped", "bounced")
CAMPAIGNS = ("spring-1", "spring-2", "Winter_50%", "a*b")
JOBS = 240
KINDS = ("report", "sync_data", "sync_people")
ORIGINS = ("manual", "schedule nightly")
FLAGS = ("", "empty: nothing to do", "", "Empty: twice", "its result cannot be kept")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Jobs of every state in four campaigns and in none, with their counters, written past the engine."""
    path = tmp_path_factory.mktemp("pages") / "paceline.db"
    raw = sqlite3.connect(path, isolation_level=None)
    apply(raw, NOW)
    raw.execute("INSERT INTO queues (id, name, channel, created_at, updated_at) VALUES (1, 'mail', 'smtp', 0, 0)")
    for i, name in enumerate(CAMPAIGNS, 1):
        raw.execute(
            "INSERT INTO campaigns (id, name, queue_id, pacing, seed, created_at, updated_at) "
            "VALUES (?, ?, 1, '{}', 1, 0, 0)",
            (i, name),
        )
        raw.execute("INSERT INTO steps (id, campaign_id, position, updated_at) VALUES (?, ?, 1, 0)", (i, i))
        raw.execute(
            "INSERT INTO imports (id, campaign_id, state, source, created_at) VALUES (?, ?, 'done', '', 0)", (i, i)
        )
    raw.execute("INSERT INTO batches (id, kind, state, created_at) VALUES (1, 'start', 'ready', 0)")
    for n in range(1, JOBS + 1):
        campaign, state = n % 5 or None, STATES[n * 7 % 8]
        if campaign:
            raw.execute(
                "INSERT INTO recipients (id, campaign_id, import_id, row_number, address, address_key, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, 0)",
                (n, campaign, campaign, n, f"Kim.{n}@Example.org", f"kim.{n}@example.org"),
            )
        failed = state in ("failed", "uncertain") or (state == "pending" and n % 3 == 0)
        raw.execute(
            "INSERT INTO jobs (id, kind, queue_id, campaign_id, step_id, recipient_id, batch_id, state, reason, ready, "
            "due_at, lease_until, attempts, error_key, last_error, sent_at, created_at, updated_at) "
            "VALUES (?, ?, 1, ?, ?, ?, 1, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                n, "send" if campaign else KINDS[n // 5 % 3], campaign, campaign, n if campaign else None, state,
                "field" if state in ("held", "skipped") else "", NOW + (n * 37 % 11 - 5) * MINUTE,
                NOW if state == "processing" else None, n % 4 or (1 if failed else 0),
                "421 4.7.0 rate limited" if failed else "", f"421 4.7.0 100% of 60_{n}" if failed else "",
                NOW if state == "completed" else None, NOW - n * 29 % 23 * 10 * MINUTE,
                NOW - n * 53 % 17 * 10 * MINUTE,
            ),
        )  # fmt: skip
        if not campaign:
            raw.execute(
                "INSERT INTO tasks (job_id, effect, retries, timeout, stage, origin, flag) "
                "VALUES (?, 'repeatable', 3, 1, ?, ?, ?)",
                (n, n // 5 % 4, ORIGINS[n // 5 % 2], FLAGS[n // 5 % 5]),
            )
    for lease in (1, 2, 3):
        # Every try of a job under a lease of its own; the order of the tries is not that of the jobs.
        raw.execute(
            "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at) "
            "SELECT id, ?, ?, 1, 1, 0 FROM jobs WHERE attempts >= ? ORDER BY id * 101 % 241",
            (lease, lease, lease),
        )
    raw.execute(
        "INSERT INTO counters SELECT COALESCE(campaign_id, 0), batch_id, queue_id, state, error_key, count(*) "
        "FROM jobs GROUP BY 1, 2, 3, 4, 5"
    )
    raw.execute("DELETE FROM kind_counters")
    raw.execute("INSERT INTO kind_counters SELECT kind, state, count(*) FROM jobs WHERE kind <> 'send' GROUP BY 1, 2")
    raw.close()
    with Reader(path) as made:
        yield made


def found(reader: Reader, text: str) -> list[int]:
    return list(all_ids(reader, Query(parse(text), now=NOW)))


def plainly(reader: Reader, query: Query) -> list[int]:
    """What a query means, by one statement without any plan."""
    condition = where(query.filter, NOW)
    last = "(SELECT max(a.id) FROM attempts a WHERE a.job_id = j.id)"
    key = {"id": "j.id", "due": "j.due_at", "changed": "j.updated_at", "tried": last}[query.sort.value]
    tried = f" AND {last} IS NOT NULL" if query.sort is Sort.TRIED else ""
    way = "DESC" if query.descending else "ASC"
    rows = reader.rows(
        f"SELECT j.id FROM jobs j WHERE {condition.sql} AND j.id <= ?{tried} ORDER BY {key} {way}, j.id {way}",
        (*condition.values, query.top or JOBS),
    )
    return [row["id"] for row in rows]


def walk(reader: Reader, query: Query, limit: int, *, backward: bool) -> list[int]:
    """All rows, page by page."""
    ids: list[int] = []
    place: Place | None = None
    while True:
        got: Page = page(reader, query, after=place, backward=backward, limit=limit)
        part = [row["id"] for row in got.rows]
        ids = [*part, *ids] if backward else [*ids, *part]
        if not got.more:
            return ids
        place = place_of(got.rows[0 if backward else -1], query.sort)


FILTERS = (
    "", "state:failed", "state:failed,held,uncertain", "state:pending", "state:due", "state:scheduled,retry",
    "state:processing", "state:completed,skipped", "-state:completed", "campaign:spring*", "campaign:none",
    "state:failed campaign:spring*", "state:pending campaign:spring-1,winter*", "state:failed state:held",
    "state:failed error:~421", "-campaign:spring*", "to:*3@example.org", "kim", '"100%"', "60_1", "id:20..80 try:>1",
    "age:>1h", "next:<2m", "since:1h", "kind:report", "batch:1 queue:mail", "-kind:send -state:open",
    "error:421*", 'error:"421 4.7.0 rate limited" state:failed,pending', "-error:421*", "to:kim.1*",
    "to:kim.12@example.org,KIM.20*", "state:failed,bounced,uncertain,skipped", "next:<2m state:pending", "try:>=1",
    "kind:report,SYNC_*", "kind:sync_data state:failed", "kind:nothing", "kind:*", "kind:sync* -kind:*people",
    "flag:empty", "-flag:empty", "flag:*", "origin:schedule*", "stage:2", "stage:>=1 kind:sync*", "-stage:2",
    "created:<1h",
    "created:>2h -kind:send", "sync_data", "kind:report state:pending", "kind:report campaign:spring*",
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(FILTERS), max_size=2), st.sampled_from(Sort), st.booleans(), st.booleans(),
    st.integers(1, 90), st.one_of(st.none(), st.integers(1, JOBS)),
)  # fmt: skip
def test_pages_are_what_the_filter_means_in_every_order_and_direction(
    reader: Reader, texts: list[str], sort: Sort, descending: bool, backward: bool, limit: int, top: int | None
) -> None:
    query = Query(parse(" ".join(texts)), sort, descending, NOW, top)
    expected = plainly(reader, query)
    assert walk(reader, query, limit, backward=backward) == expected
    matching = sorted(plainly(reader, replace(query, sort=Sort.ID)))
    assert count(reader, query).n == len(matching)
    assert list(all_ids(reader, query)) == matching


@pytest.mark.parametrize("limits", [("MOST_BRANCHES", 0), ("SPARSE", 0)])
@pytest.mark.parametrize("text", FILTERS)
def test_a_store_too_large_for_a_plan_gives_the_same_pages(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, limits: tuple[str, int], text: str
) -> None:
    monkeypatch.setattr(jobs_plan, *limits)
    for sort, descending in itertools.product(Sort, (False, True)):
        query = Query(parse(text), sort, descending, NOW)
        assert walk(reader, query, 50, backward=False) == plainly(reader, query)


def test_words_mean_what_the_screen_shows(reader: Reader) -> None:
    rows = {row["id"]: row for row in rows_of(reader, range(1, JOBS + 1))}
    pending = {id for id, row in rows.items() if row["state"] == "pending"}
    retry = {id for id in pending if rows[id]["attempts"] and rows[id]["error_key"]}
    due = {id for id in pending - retry if rows[id]["due_at"] <= NOW}
    assert set(found(reader, "state:retry")) == retry
    assert set(found(reader, "state:due")) == due
    assert set(found(reader, "state:scheduled")) == pending - retry - due
    assert retry
    assert due
    assert pending - retry - due
    assert found(reader, "state:QUEUED") == sorted(pending)
    assert found(reader, "age:>1h") == [id for id, row in rows.items() if row["updated_at"] < NOW - HOUR]


def test_text_is_compared_without_case_and_its_signs_mean_themselves(reader: Reader) -> None:
    assert found(reader, "to:kim.7@EXAMPLE.org") == [7]
    assert found(reader, "to:kim.7*@example.org") == [n for n in range(1, JOBS + 1) if n % 5 and str(n)[0] == "7"]
    assert len(found(reader, '"100%"')) == len(found(reader, "error:~421"))
    assert found(reader, '"100x"') == []
    assert found(reader, '"1_0%"') == []
    assert found(reader, "campaign:winter_50%") == [n for n in range(1, JOBS + 1) if n % 5 == 3]
    assert found(reader, "campaign:winterX50%") == []
    star = Query(Filter((exactly("campaign", "a*b"),)), now=NOW)
    assert list(all_ids(reader, star)) == [n for n in range(1, JOBS + 1) if n % 5 == 4]


def test_a_job_without_campaign_or_person_is_outside_what_names_one_and_inside_its_negation(reader: Reader) -> None:
    alone = [n for n in range(1, JOBS + 1) if n % 5 == 0]
    assert found(reader, "-campaign:*") == alone
    assert found(reader, "-to:*") == alone
    assert not set(alone) & set(found(reader, "campaign:*"))


def test_a_number_is_found_as_an_id_too(reader: Reader) -> None:
    assert 117 in found(reader, "117")


def test_a_count_stops_at_its_limit(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_page, "COUNT_LIMIT", 100)
    for text in ("", "id:>0", "state:completed,failed,pending,held"):
        got = count(reader, Query(parse(text), now=NOW))
        assert (got.n, got.more) == (100, True)
    assert str(jobs_page.Count(10_000, True)).endswith("k+")
    assert str(jobs_page.Count(9_999)) == "9,999"


def test_a_rank_is_how_many_stand_before(reader: Reader) -> None:
    for sort, descending in itertools.product(Sort, (False, True)):
        query = Query(parse("state:failed,completed"), sort, descending, NOW)
        rows = page(reader, query, limit=JOBS).rows
        assert [before(reader, query, place_of(row, sort)).n for row in rows] == list(range(len(rows)))


def test_the_highest_id_fixes_a_set(reader: Reader) -> None:
    assert highest(reader) == JOBS
    assert max(all_ids(reader, Query(now=NOW, top=100))) == 100


def test_rows_come_in_the_order_asked_for_and_without_those_that_are_gone(reader: Reader) -> None:
    assert [row["id"] for row in rows_of(reader, [9, JOBS + 5, 3])] == [9, 3]


def test_the_pages_of_a_new_store_are_empty(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "paceline.db", isolation_level=None)
    apply(raw, NOW)
    raw.close()
    with Reader(tmp_path / "paceline.db") as empty:
        assert page(empty, Query()) == Page([], False)
        assert (count(empty, Query()).n, highest(empty)) == (0, 0)
