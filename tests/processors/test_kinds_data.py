"""The kinds that keep data in order: the book of customers, and what is removed when it is old."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.processors import sync_customer_data
from engine.processors.book import Book
from storage import pruning
from storage.errors import UsageError
from storage.events import Event
from storage.model import DAY, HOUR, MINUTE
from tests.processors.kinds_world import KindsWorld


def crm(*rows: str) -> str:
    return "\n".join(["Customer ID,Name,E-mail", *rows, ""])


async def test_a_file_of_customers_becomes_a_book_and_later_only_what_differs_is_written(kinds: KindsWorld) -> None:
    kinds.write("crm.csv", crm("c1,Iris,iris@example.org", "c2,Tom,tom@example.org"))
    await kinds.start()
    first = await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    assert first["result"] == {
        "book": "customers.db", "rows": 2, "added": 2, "changed": 0, "unchanged": 0, "rejected": 0,
    }  # fmt: skip
    kinds.write("crm.csv", crm("c1,Iris D.,iris@example.org", "c2,Tom,tom@example.org", "c3,Lena,lena@example.net"))
    second = await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    sums = {name: second["result"][name] for name in ("added", "changed", "unchanged")}
    assert (sums, second["flag"]) == ({"added": 1, "changed": 1, "unchanged": 1}, "")
    with Book(kinds.work / "customers.db") as book:
        assert book.get("c1") == {"customer_id": "c1", "name": "Iris D.", "email": "iris@example.org"}
        assert [ident for ident, _ in book.all()] == ["c1", "c2", "c3"]
    assert (kinds.work / "customers.db").stat().st_mode & 0o777 == 0o600


async def test_the_book_is_what_a_promotion_looks_customers_up_in(kinds: KindsWorld) -> None:
    kinds.write("crm.csv", crm("c1,Iris,iris@example.org"))
    kinds.write("promotions.csv", "id,name\nspring,Spring sale\n")
    await kinds.start()
    await kinds.campaign("spring", 1)
    await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    payload = {"promotion_id": "spring", "customer_id": "c1", "campaign": "spring"}
    assert (await kinds.run_job("send_promotion", payload))["result"]["added"] == 1


async def test_a_run_that_found_nothing_new_is_flagged(kinds: KindsWorld) -> None:
    kinds.write("crm.csv", crm("c1,Iris,iris@example.org"))
    await kinds.start()
    await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    again = await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    assert (again["state"], again["flag"]) == ("completed", "empty: crm.csv holds nothing new")
    assert again["result"]["unchanged"] == 1


async def test_bad_rows_are_left_out_and_named_by_their_number(kinds: KindsWorld) -> None:
    rows = ("c1,Iris,iris@example.org", ",Nobody,n@example.org", "c1,Twin,t@example.org", "c2,Tom,@")
    kinds.write("crm.csv", crm(*rows))
    await kinds.start()
    job = await kinds.run_job("sync_customer_data", {"source": "crm.csv"})
    assert (job["result"]["added"], job["result"]["rejected"]) == (1, 3)
    assert [reject.partition(":")[0] for reject in job["result"]["rejects"]] == ["row 3", "row 4", "row 5"]
    assert job["flag"].startswith("3 rows were rejected: row 3: it has no id")


async def test_a_run_whose_engine_died_goes_on_with_the_parts_that_were_not_done(
    kinds: KindsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is cut in the middle: what was kept counts, only the rest is put into the book again."""
    kinds.write("crm.csv", crm(*(f"c{n},Name {n},p{n}@example.org" for n in range(40))))
    monkeypatch.setattr(sync_customer_data, "SLICE", 4)
    monkeypatch.setattr(sync_customer_data, "AT_ONCE", 1)
    put, parts = sync_customer_data._put, []

    def slow(target: Any, rows: list[Any], now: int) -> dict[str, Any]:
        parts.append(rows[0][0])
        return put(target, rows, now)

    original = sync_customer_data.RunContext.in_thread

    async def takes_time(self: Any, run: Any, *args: Any, **more: Any) -> Any:
        if run is slow:
            await self.clock.sleep(MINUTE)
        return await original(self, run, *args, **more)

    monkeypatch.setattr(sync_customer_data, "_put", slow)
    monkeypatch.setattr(sync_customer_data.RunContext, "in_thread", takes_time)
    await kinds.start()
    made = await kinds.call("job.add", kind="sync_customer_data", payload={"source": "crm.csv"}, timeout=HOUR)
    await kinds.clock.until(lambda: len(parts) >= 5)
    await kinds.cut()
    await kinds.start()
    job = await kinds.ended(made["job_id"])
    assert job["state"] == "completed"
    assert sorted(set(parts)) == list(range(2, 42, 4))
    assert len(parts) <= len(set(parts)) + 1, "only what was under way is done again"
    assert job["result"]["rows"] == 40
    with Book(kinds.work / "customers.db") as book:
        assert len(list(book.all())) == 40


@pytest.mark.parametrize(
    ("payload", "state", "words"),
    [
        ({"source": "none.csv"}, "held", "none.csv cannot be read: No such file"),
        ({"source": "notes.csv"}, "held", "notes.csv has no column id or customer_id"),
        ({"source": "crm.csv", "target": "../out.db"}, "failed", "leads out of [jobs] folder"),
        ({"source": "crm.csv", "target": "book.csv"}, "failed", "must end with .db"),
        ({"source": "crm.csv", "target": "other.db"}, "held", "other.db is a database of something else"),
        ({"source": "crm.csv", "most": 1}, "held", "crm.csv has more than 1 rows"),
    ],
)
async def test_what_cannot_be_synced_says_why(
    kinds: KindsWorld, payload: dict[str, Any], state: str, words: str
) -> None:
    kinds.write("crm.csv", crm("c1,Iris,iris@example.org", "c2,Tom,tom@example.org"))
    kinds.write("notes.csv", "what,when\ncall,today\n")
    with sqlite3.connect(kinds.work / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    await kinds.start()
    job = await kinds.run_job("sync_customer_data", payload)
    assert job["state"] == state
    assert words in job["last_error"]


async def _old_work(world: KindsWorld) -> None:
    """A campaign that was sent, jobs that ended, failed, are in doubt and wait; then 40 days."""
    await world.start()
    await world.campaign("c", 3)
    await world.add("done")
    await world.add("failed", ends=["permanent"])
    await world.add("doubt", kind="once", ends=["doubtful"])
    await world.add("waits", ends=["held"])
    begun = (await world.call("job.begin", name="many"))["batch_id"]
    rows = [{"kind": "scripted", "payload": {"name": f"n{n}"}} for n in range(1_000)]
    await world.call("job.rows", batch_id=begun, rows=rows)
    await world.call("job.commit", batch_id=begun)
    items = (await world.call("job.add", kind="scripted", payload={"items": 1_200, "at_once": 400}))["job_id"]
    await world.ended(items)
    await world.clock.run(DAY)
    world.clock.step_wall(40 * DAY)
    await world.engine.store.add_event(Event("engine.test", "the newest one, which is kept"))


async def test_old_jobs_are_removed_with_all_that_belongs_to_them_and_nothing_else(kinds: KindsWorld) -> None:
    await _old_work(kinds)
    hours = kinds.rows("SELECT SUM(n) AS n FROM kind_hours")
    job = await kinds.run_job("cleanup_old_data", {"days": 30, "what": ["jobs"]})
    assert job["result"] == {"jobs": 1_003}
    left = kinds.rows("SELECT kind, state, count(*) AS n FROM jobs GROUP BY kind, state ORDER BY kind, state")
    assert left == [
        {"kind": "cleanup_old_data", "state": "completed", "n": 1},
        {"kind": "once", "state": "uncertain", "n": 1},
        {"kind": "scripted", "state": "held", "n": 1},
        {"kind": "send", "state": "completed", "n": 3},
    ]
    assert kinds.rows("SELECT count(*) AS n FROM task_items")[0]["n"] == 0
    assert kinds.rows("SELECT count(*) AS n FROM attempts")[0]["n"] == 6
    assert kinds.rows("SELECT 1 FROM counters WHERE batch_id NOT IN (SELECT id FROM batches)") == []
    assert kinds.rows("SELECT SUM(n) AS n FROM kind_hours WHERE kind <> 'cleanup_old_data'") == hours
    assert (job["done"], job["total"], job["priority"]) == (1_003, 1_003, 3)


async def test_a_slice_removes_no_more_rows_than_it_may(kinds: KindsWorld) -> None:
    await _old_work(kinds)
    await kinds.ended(await kinds.add("newest"))
    before, after, sizes = kinds.clock.now() - 30 * DAY, 0, []
    count = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM task_items) AS n"
    while after is not None:
        rows = kinds.rows(count)[0]["n"]
        slice_ = await kinds.engine.store.prune_jobs(before, after)
        sizes.append(rows - kinds.rows(count)[0]["n"])
        after = slice_.after
    assert max(sizes) <= pruning.SLICE
    assert sum(sizes) == 1_003 + 1_200
    kinds.check()


async def test_a_batch_of_which_something_waits_stays_whole(kinds: KindsWorld) -> None:
    """The second stage waits for a person since the first one failed: without the first nobody would know why."""
    await kinds.start()
    begun = (await kinds.call("job.begin", name="staged"))["batch_id"]
    rows = [
        {"kind": "scripted", "payload": {"ends": ["permanent"]}, "stage": 1},
        {"kind": "scripted", "payload": {}, "stage": 2},
    ]
    await kinds.call("job.rows", batch_id=begun, rows=rows)
    await kinds.call("job.commit", batch_id=begun)
    await kinds.clock.run(MINUTE)
    kinds.clock.step_wall(40 * DAY)
    job = await kinds.run_job("cleanup_old_data", {"days": 30, "what": ["jobs"]})
    assert job["flag"] == "empty: nothing was old enough"
    states = kinds.rows("SELECT state, ready FROM jobs WHERE batch_id = ? ORDER BY id", begun)
    assert [(row["state"], row["ready"]) for row in states] == [("failed", 0), ("pending", 3)]


async def test_old_batches_behind_a_window_of_kept_ones_are_found(
    kinds: KindsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "SLICE", 3)
    await kinds.start()
    for _ in range(4):
        await kinds.ended(await kinds.add("doubt", kind="once", ends=["doubtful"]))
    for _ in range(5):
        await kinds.ended(await kinds.add("done"))
    kinds.clock.step_wall(40 * DAY)
    job = await kinds.run_job("cleanup_old_data", {"days": 30, "what": ["jobs"]})
    assert job["result"] == {"jobs": 5}


async def test_the_newest_job_and_event_stay_so_that_no_id_is_given_twice(kinds: KindsWorld) -> None:
    await kinds.start()
    ids = [await kinds.add(f"n{n}") for n in range(3)]
    await kinds.ended(ids[-1])
    kinds.clock.step_wall(40 * DAY)
    before = kinds.clock.now() - 30 * DAY
    [newest] = kinds.rows("SELECT max(id) AS id FROM events")
    store = kinds.engine.store
    assert await store.prune_jobs(before, 0) == pruning.Pruned(2, None)
    await store.prune_events(before, 0)
    assert [row["id"] for row in kinds.rows("SELECT id FROM jobs")] == ids[-1:]
    assert kinds.rows("SELECT max(id) AS id FROM events") == [newest]
    assert await kinds.add("next") == ids[-1] + 1


async def test_the_log_goes_and_what_people_did_stays(kinds: KindsWorld) -> None:
    await _old_work(kinds)
    people = kinds.rows("SELECT count(*) AS n FROM events WHERE via NOT IN ('engine', 'job')")
    assert people[0]["n"] > 3
    job = await kinds.run_job("cleanup_old_data", {"days": 30, "what": ["logs"]})
    assert job["result"]["logs"] > 0
    left = kinds.rows(
        "SELECT count(*) AS n FROM events WHERE via NOT IN ('engine', 'job') AND job_id IS NOT ?", job["id"]
    )
    assert left == people
    old = kinds.clock.now() - 30 * DAY
    assert kinds.rows("SELECT 1 FROM events WHERE at < ? AND via = 'engine'", old) == []
    assert kinds.events("retention.pruned")[0]["actor"] == f"job {job['id']}"


async def test_the_configuration_says_how_long_and_0s_keeps_for_ever(kinds: KindsWorld) -> None:
    await kinds.start()
    await kinds.add("done")
    await kinds.clock.run(MINUTE)
    kinds.clock.step_wall(40 * DAY)
    kinds.config.write_text(kinds.config.read_text() + '\n[retention]\njobs = "0s"\nlogs = "60d"\n')
    await kinds.call("engine.reload")
    kept = await kinds.run_job("cleanup_old_data")
    assert (kept["flag"], kept["result"]) == ("empty: nothing was old enough", {"logs": 0, "firings": 0})
    gone = await kinds.run_job("cleanup_old_data", {"days": 30})
    assert gone["result"]["jobs"] == 1


async def test_nothing_that_somebody_may_be_looking_at_can_be_removed(kinds: KindsWorld) -> None:
    await kinds.start()
    with pytest.raises(UsageError, match="younger than 1h"):
        await kinds.call("retention.prune", what="jobs", before=kinds.clock.now() - MINUTE)


@pytest.mark.parametrize("payload", [{"days": 0}, {"days": "x"}, {"what": []}, {"what": ["messages"]}, {"hours": 1}])
async def test_a_cleanup_says_which_field_is_wrong(kinds: KindsWorld, payload: dict[str, Any]) -> None:
    await kinds.start()
    with pytest.raises(UsageError, match=f"payload.{next(iter(payload))}"):
        await kinds.call("job.add", kind="cleanup_old_data", payload=payload)


def test_many_jobs_may_open_a_new_book_at_the_same_moment(tmp_path: Path) -> None:
    """Each time one makes it, and nobody takes what it is making for something else."""
    for place in range(20):
        path, begin = tmp_path / f"{place}.db", threading.Barrier(8)

        def add(name: int, path: Path = path, begin: threading.Barrier = begin) -> int:
            begin.wait()
            with Book(path, create=True) as book:
                return book.put([(f"{name}", {"name": "x"})], 1).added

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(add, range(8))) == [1] * 8
        with Book(path) as book:
            assert len(list(book.all())) == 8
