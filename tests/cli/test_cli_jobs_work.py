"""Background jobs by command: made one by one and by the file, run, watched, ended, mended, counted."""

from __future__ import annotations

import json
import stat
import threading
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from engine.processors import registry
from storage.lock import read_holder
from storage.model import DAY
from storage.reader import Reader
from tests.cli.conftest import Done, Home
from tests.cli.test_cli_engine import until
from tui.cli.job_show import estimated_end

KINDS = {
    name: EntryPoint(name, f"tests.cli.work_kinds:{value}", registry.GROUP)
    for name, value in (("echo", "Echo"), ("pay", "Pay"), ("broken", "Missing"))
}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_installed", lambda: KINDS)


def add(home: Home, *args: object) -> dict[str, Any]:
    done = home("job", "add", *args, "--json")
    assert done.code == 0, done.err
    made: dict[str, Any] = done.json
    return made


def work(home: Home, *args: object) -> dict[str, int]:
    done = home("job", "work", *args, "--json")
    assert done.code == 0, done.err
    jobs: dict[str, int] = done.json["jobs"]
    return jobs


def shown(home: Home, job_id: int) -> dict[str, Any]:
    job: dict[str, Any] = home("job", "show", job_id, "--json").json
    return job


def lines(home: Home, name: str, *jobs: object) -> str:
    return str(home.write(name, "".join(f"{job if isinstance(job, str) else json.dumps(job)}\n" for job in jobs)))


# making


def test_a_job_is_made_run_and_shown(home: Home) -> None:
    made = add(home, "echo", "--payload", '{"text": "hi"}', "--set", "times=5", "--urgency", "high", "--tier", "vip",
               "--value", 15_000)  # fmt: skip
    assert made["success"] is True
    assert made["jobId"] == made["job_id"] == 1
    assert made["priority"] == 10
    assert made["statusUrl"] == "paceline job show 1"
    assert made["meta"]["trigger"] == "manual"
    assert made["meta"]["timestamp"].endswith("Z")
    assert work(home) == {
        "processed": 1, "completed": 1, "failed": 0, "uncertain": 0, "empty": 0, "held": 0, "pending": 0
    }  # fmt: skip
    job = shown(home, 1)
    assert (job["job_type"], job["status"], job["payload"]) == ("echo", "completed", {"text": "hi", "times": 5})
    assert job["result"] == {"said": "hi", "failed": 1}
    assert job["items"] == [{"list": "words", "done": 4, "failed": 1}]
    assert [(item["key"], item["value"]) for item in job["items_failed"]] == [("3", "not three")]
    assert (job["done"], job["total"], job["attempts"], job["rescues"]) == (5, 5, 1, 0)
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    told = home("job", "show", 1).out
    assert "5 of 5 (100%)" in told
    assert "not three" in told


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nothing",), "there is no job kind 'nothing'"),
        (("broken",), "cannot be loaded"),
        ((), "which kind?"),
        (("echo", "--set", "colour=red"), "payload.colour"),
        (("echo", "--set", "times=many"), "payload.times"),
        (("echo", "--set", "times"), "must be NAME=VALUE"),
        (("echo", "--payload", "{"), "column 2"),
        (("echo", "--payload", "[]"), "must be a JSON object"),
        (("echo", "--payload", '{"data": {"x": NaN}}'), "NaN is no JSON number"),
        (("echo", "--payload", '{"data": ' + '{"a":' * 5_000 + "1" + "}" * 5_001), "nested"),
        (("echo", "--payload", '{"data": ' + '{"a":' * 60 + "1" + "}" * 61), "nested"),
        (("echo", "--payload", '{"data": {"x": "\\ud800"}}'), "half a surrogate pair"),
        (("echo", "--payload", '{"data": {"x": ' + "9" * 5_000 + "}}"), "Exceeds the limit"),
        (("echo", "--payload", json.dumps({"data": {"x": "y" * 300_000}})), "too many"),
        (("echo", "--payload", "{}", "--payload-file", "x.json"), "exclude each other"),
        (("echo", "--priority", "3", "--urgency", "high"), "either a number or urgency"),
        (("echo", "--urgency", "soon"), "there is no urgency 'soon'"),
        (("echo", "--value", "nan"), "must be a number"),
        (("echo", "--at", "10:00", "--in", "5m"), "exclude each other"),
        (("echo", "--in", "soon"), "--in"),
        (("echo", "--queue", "fast"), "there is no queue 'fast'"),
        (("echo", "--priority", "11"), "11"),
        (("echo", "--skip-bad"), "go with --from-file"),
        (("echo", "--from-file", "jobs.jsonl"), "stands alone"),
        (("--from-file", "nowhere.jsonl"), "no such file"),
    ],
)
def test_a_job_that_cannot_be_is_refused_by_its_field(home: Home, args: tuple[str, ...], said: str) -> None:
    done = home("job", "add", *args)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert home("job", "list", "--json").json["jobs"] == []


def test_a_payload_comes_from_a_file_and_times_from_words(home: Home) -> None:
    toml = home.write("p.toml", 'text = "from a file"\n')
    made = add(home, "echo", "--payload-file", toml, "--in", "90m", "--timeout", "30s", "--retries", 7)
    job = shown(home, made["job_id"])
    assert job["payload"]["text"] == "from a file"
    assert (job["timeout"], job["retries"], job["state"]) == (30_000_000, 7, "pending")
    assert work(home, "--once")["pending"] == 1
    assert home("job", "explain", made["job_id"], "--json").json["holding"]["gate"] == "engine"


def test_an_open_job_of_the_same_key_is_answered_instead(home: Home) -> None:
    first, second = add(home, "echo", "--unique", "today"), add(home, "echo", "--unique", "today")
    assert (first["new"], second["new"], second["job_id"]) == (True, False, first["job_id"])
    work(home)
    assert add(home, "echo", "--unique", "today")["new"]
    assert shown(home, 1)["unique_key"] == "today"


def test_read_only_makes_nothing(home: Home) -> None:
    for args in (("add", "echo"), ("work",), ("reset", 1), ("resolve", 1, "--done")):
        assert home("--read-only", "job", *args).code in (2, 4), args
    assert home("job", "list", "--json").json["jobs"] == []


# by the file


def test_a_file_is_made_whole_under_one_batch(home: Home) -> None:
    jobs = [{"kind": "echo", "payload": {"text": f"{n}"}, "priority": 1 + n % 10} for n in range(2_500)]
    done = home("job", "add", "--from-file", lines(home, "jobs.jsonl", *jobs), "--json")
    assert done.code == 0, done.err
    assert (done.json["added"], len(done.json["ids"]), done.json["rejected"]) == (2_500, 2_500, 0)
    batch = home("batch", "show", done.json["batch_id"], "--json").json
    assert (batch["total"], batch["filename"], batch["campaign"]) == (2_500, "jobs.jsonl", None)
    assert batch["results"][0]["job_type"] == "echo"


def test_a_mistake_in_a_file_is_named_and_nothing_is_made(home: Home) -> None:
    path = lines(home, "jobs.jsonl", {"kind": "echo"}, "", {"kind": "echo", "payload": {"times": -1}})
    done = home("job", "add", "--from-file", path)
    assert done.code == 2
    assert "jobs.jsonl, row 3: payload.times" in done.err
    assert home("job", "list", "--json").json["jobs"] == []
    assert home("batch", "list", "--json").json["total"] == 0
    assert home("db", "check").code == 0


def test_wrong_lines_are_handed_back_and_can_be_given_again(home: Home) -> None:
    path = lines(
        home, "jobs.jsonl", {"kind": "echo"}, "{", {"kind": "echo", "payload": {"times": -1}},
        {"kind": "echo", "at": 5}, {"kind": "echo", "colour": 1}, "[1]", {"kind": "echo", "in": "5m"},
    )  # fmt: skip
    done = home("job", "add", "--from-file", path, "--skip-bad", "--json")
    assert done.code == 1
    assert (done.json["added"], done.json["rejected"]) == (2, 5)
    rejects = home.folder / "jobs.jsonl.rejects.jsonl"
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    rows = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [row["reject_row"] for row in rows] == [2, 3, 4, 5, 6]
    assert "payload.times" in rows[1]["reject_reason"]
    mended = lines(home, "mended.jsonl", {**rows[1], "payload": {"times": 1}})
    assert home("job", "add", "--from-file", mended).code == 0
    assert len(home("job", "list", "--json").json["jobs"]) == 3


def test_stages_of_a_file_wait_for_one_another_and_a_blocked_one_needs_a_person(home: Home) -> None:
    path = lines(
        home, "jobs.jsonl", {"kind": "echo", "stage": 2}, {"kind": "echo", "stage": 1, "payload": {"end": "failed"}}
    )
    batch = home("job", "add", "--from-file", path, "--json").json["batch_id"]
    done = home("job", "work", "--json")
    assert done.json["jobs"]["failed"] == 1
    assert f"batch {batch} needs you" in done.err
    found = home("batch", "show", batch, "--json").json
    assert found["stages"] == {
        "current": 1, "go_on": False, "waiting": 1, "failed": 1, "uncertain": 0, "blocked": True
    }  # fmt: skip
    assert "its later stages wait for you" in home("batch", "show", batch).err
    held = home("job", "explain", 1, "--json").json["holding"]
    assert (held["gate"], held["needs_person"]) == ("stage", True)
    doctor = home("doctor", "--json").json["findings"]
    assert any(f["check"] == "batch" and f["level"] == "problem" for f in doctor)


# what became of them


def test_lists_are_narrowed_by_kind_state_and_time(home: Home) -> None:
    for end in ("done", "failed", "nothing", "doubtful"):
        add(home, "echo", "--set", f"end={end}")
    add(home, "pay", "--in", "1h")
    work(home, "--once")

    def ids(*args: object) -> list[int]:
        return [job["id"] for job in home("job", "list", "--json", *args).json["jobs"]]

    assert ids("--kind", "pay") == [5]
    assert ids("--kind", "pay", "--kind", "echo", "--failed") == [2]
    assert ids("--filter", "flag:empty") == [3]
    assert ids("--today", "--since", "1h", "--queue", "default") == [1, 2, 3, 4, 5]
    assert ids("--filter", "origin:schedule*") == []
    [failed] = home("job", "list", "--failed", "--json").json["jobs"]
    assert (failed["type"], failed["status"], failed["retryCount"], failed["errorMessage"]) == (
        "echo", "failed", 0, "no voice"
    )  # fmt: skip
    assert "empty: nothing to say" in home("job", "list").out
    [group] = [g for g in home("job", "failures", "--json").json["failures"] if g["error_key"] == "no voice"]
    assert (group["n"], group["campaigns"]) == (1, {})


def test_statistics_say_how_many_how_well_and_how_fast(home: Home) -> None:
    for end in ("done", "done", "done", "failed"):
        add(home, "echo", "--set", f"end={end}")
    add(home, "pay", "--in", "1h")
    work(home, "--once")
    data = home("job", "stats", "--json").json
    assert (data["total"], data["pending"], data["completed"], data["failed"]) == (5, 1, 3, 1)
    assert (data["success_rate"], data["success_of"], data["queue_length"]) == (0.75, 4, 1)
    assert data["min_seconds"] <= data["p50_seconds"] <= data["p95_seconds"] <= data["max_seconds"]
    assert data["min_seconds"] <= data["average_seconds"] <= data["max_seconds"]
    assert data["concurrency"] == {"default": 3}
    assert {one["type"]: one["total"] for one in data["types"]} == {"echo": 4, "pay": 1}
    assert data["ended"]["completed"] == data["today"]["completed"] == 3
    assert home("job", "stats", "--type", "pay", "--json").json["success_rate"] is None
    assert "75.0% of 4" in home("job", "stats", "--by", "type", "--since", "7d").out
    assert home("job", "stats", "--type", "nothing").code == 2


def test_a_failed_job_is_retried_and_one_that_waits_cancelled(home: Home) -> None:
    add(home, "echo", "--set", "end=failed")
    add(home, "echo", "--in", "1h")
    work(home, "--once")
    assert home("job", "retry", "--filter", "kind:echo state:failed", "--yes").code == 0
    assert shown(home, 1)["state"] == "pending"
    assert home("job", "cancel", 2, "--yes").code == 0
    assert shown(home, 2)["reason"] == "cancelled"


def test_an_uncertain_job_waits_for_a_persons_word(home: Home) -> None:
    for _ in range(2):
        add(home, "pay", "--set", "end=doubtful")
    assert work(home)["uncertain"] == 2
    assert home("job", "resolve", 1).code == 2
    assert home("job", "resolve", 1, "--again").code == 4
    assert home("job", "resolve", 1, "--done").out == "says that job 1 was done\n"
    assert home("job", "resolve", 2, "--again", "--yes").code == 0
    assert [shown(home, id)["state"] for id in (1, 2)] == ["completed", "pending"]


def test_what_is_not_stuck_is_not_reset(home: Home) -> None:
    add(home, "echo")
    done = home("job", "reset", 1)
    assert done.code == 4
    assert "is pending: only one that runs can be stuck" in done.err
    assert home("job", "reset", 99).code == 2
    assert home("job", "show", 10**30).code == 2


def test_kinds_are_listed_with_what_they_are_given(home: Home) -> None:
    found = home("job", "types", "--json").json
    assert [one["kind"] for one in found["types"]] == ["echo", "pay"]
    assert found["broken"][0]["kind"] == "broken"
    echo = home("job", "types", "echo", "--json").json
    fields = {field["name"]: field for field in echo["payload"]}
    assert fields["times"]["type"] == "integer, at least 0, at most 1,000"
    assert fields["end"]["type"] == "one of: done, nothing, failed, doubtful, waits"
    assert (fields["text"]["default"], fields["text"]["about"]) == ("hello", "what it says")
    assert (echo["retries"], echo["timeout_seconds"], echo["effect"]) == (0, 300, "repeatable")
    assert home("job", "types", "nothing").code == 2


def test_the_end_of_a_job_that_runs_is_foreseen_from_its_pace() -> None:
    row = {"state": "processing", "done": 25, "total": 100, "started_at": 1_000}
    assert estimated_end(row, 2_000) == 5_000
    for other in ({"done": 0}, {"total": 0}, {"state": "completed"}):
        assert estimated_end({**row, **other}, 2_000) is None


# beside an engine


class Standing:
    """An engine for background jobs beside the commands of a test, in a thread of its own process."""

    def __init__(self, home: Home) -> None:
        from engine.service import Engine

        self.home = home
        self._engine = Engine(home.database, self._config)
        self._thread = threading.Thread(target=self._run)

    def _config(self) -> Any:
        from engine.config import load_config

        return load_config(self.home.config)

    def _run(self) -> None:
        import asyncio

        async def live() -> None:
            await self._engine.start()
            self._loop = asyncio.get_running_loop()
            await self._engine.run()

        asyncio.run(live())

    def __enter__(self) -> Standing:
        self._thread.start()
        until(lambda: self._engine.running, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._engine.drain, "test")
        self._thread.join(60)
        assert not self._thread.is_alive()


def state(home: Home, job_id: int) -> str:
    with Reader(home.database) as reader:
        return str(reader.job(job_id)["state"])


def test_a_running_job_is_watched_asked_to_end_and_not_reset(home: Home) -> None:
    with Standing(home):
        assert add(home, "echo", "--set", "end=waits")["job_id"] == 1
        until(lambda: state(home, 1) == "processing")
        refused = home("job", "reset", 1)
        assert refused.code == 4
        assert "runs in this engine and is not stuck" in refused.err
        assert home("job", "work").code == 3
        assert home("job", "explain", 1, "--json").json["said"] == "it runs"
        ended = home("job", "cancel", 1, "--yes", "--json")
        assert (ended.code, ended.json["asked"], ended.json["message"]) == (0, [1], "1 asked to end")
        watched: Done = home("job", "show", 1, "--watch", "--json")
        assert (watched.json["state"], watched.json["reason"]) == ("skipped", "cancelled")
        done = home("job", "add", "echo", "--wait", "--json")
        assert (done.code, done.json["state"], done.json["job_id"]) == (0, "completed", 2)
        assert "job 2: completed" in done.err
        assert home("job", "add", "echo", "--set", "end=failed", "--wait").code == 1
        queues = {row["queue"]: row for row in home("engine", "status", "--json").json["work"]}
        assert queues["default"]["concurrency"] == 3
    assert read_holder(home.database) is None
    assert home("job", "add", "echo", "--wait").code == 3


def test_the_queues_of_background_jobs_are_listed_with_their_places(home: Home) -> None:
    with home.config.open("a") as config:
        config.write("\n[jobs]\nconcurrency = 500\n[jobs.queues.slow]\nconcurrency = 1\n")
    add(home, "echo", "--queue", "slow", "--in", "1h")
    queues = {row["queue"]: row for row in home("queue", "list", "--json").json["queues"]}
    assert [(queues[name]["channel"], queues[name]["concurrency"]) for name in ("default", "slow")] == [
        ("jobs", 500), ("jobs", 1)
    ]  # fmt: skip
    assert home("queue", "show", "default").code == 0
    home.config.write_text(home.config.read_text().replace("[jobs.queues.slow]\nconcurrency = 1\n", ""))
    assert "no longer in the configuration" in home("queue", "show", "slow").out
    assert any("wait for queue slow" in f["message"] for f in home("doctor", "--json").json["findings"])


def test_a_job_that_a_dead_engine_left_is_taken_back(home: Home) -> None:
    import sqlite3

    add(home, "echo")
    raw = sqlite3.connect(home.database)
    raw.execute("UPDATE jobs SET state = 'processing', ready = 0, lease = 1, lease_until = ?", (DAY,))
    raw.execute("UPDATE counters SET state = 'processing'")
    raw.commit()
    raw.close()
    done = home("job", "reset", 1)
    assert (done.code, done.out) == (0, "job 1 was left behind by an engine that ended: it is pending now\n")
    assert work(home)["completed"] == 1


def test_a_kind_whose_processor_is_gone_is_named_by_doctor(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    add(home, "echo", "--in", "1h")
    monkeypatch.setattr(registry, "_installed", lambda: {"pay": KINDS["pay"]})
    found = [f for f in home("doctor", "--json").json["findings"] if f["check"] == "jobs"]
    assert found[0]["level"] == "problem"
    assert "1 job of kind echo" in found[0]["message"]


def test_a_job_that_is_over_is_made_once_more_and_one_that_must_not_run_twice_only_with_a_yes(home: Home) -> None:
    add(home, "echo", "--set", "text=hello")
    assert home("job", "again", 1).code == 4  # it has not run yet
    add(home, "pay", "--unique", "A-17")
    work(home)
    made = home("job", "again", 1, "--json").json
    assert home("job", "show", made["job_id"], "--json").json["payload"] == {"text": "hello"}
    refused = home("job", "again", 2)
    assert refused.code != 0
    assert len(home("job", "list", "--json").json["jobs"]) == 3
