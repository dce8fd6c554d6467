"""The whole job through the real program: a relay, an engine of its own process, and the ledger as the judge."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from storage.lock import read_holder
from storage.reader import Reader
from tests.cli.conftest import Home, RunningRelay, add_relay
from tui.demo.rules import BELIEVABLE, Fate

BATCH = {"id", "filename", "totalEmails", "status", "createdAt", "startedAt", "completedAt", "progress", "processed"}
BLAST = ("--concurrency", "5", "--batch-delay", "50ms")


def people(n: int) -> str:
    return "email,first_name\n" + "".join(f"p{i}@example.com,P{i}\n" for i in range(n))


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a state of the store that another process writes."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def live_campaign(home: Home, port: int, n: int, *pacing: str) -> None:
    add_relay(home, port, "--concurrency", "5")
    home.write("many.csv", people(n))
    home("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "message.txt", *(pacing or BLAST))
    home("recipients", "import", home.folder / "many.csv", "-c", "spring")
    home("campaign", "live", "spring")
    assert home("campaign", "start", "spring").code == 0


def test_the_whole_job_from_a_file_to_messages_sent(home: Home, relay: RunningRelay) -> None:
    live_campaign(home, relay.port, 60)
    done = home.program("engine", "run", "--until-idle", "--json")
    assert done.code == 0
    assert done.json == {
        "processed": 60,
        "sent": 60,
        "failed": 0,
        "held": 0,
        "uncertain": 0,
        "pending": 0,
        "jobs": {"processed": 0, "completed": 0, "failed": 0, "uncertain": 0, "empty": 0, "held": 0, "pending": 0},
        "errors": [],
    }
    accepted = relay.accepted()
    lines = home("campaign", "recipients", "spring", "--json").lines
    assert sorted(a.message_id for a in accepted) == sorted(line["message_id"] for line in lines)
    assert {line["state"] for line in lines} == {"completed"}
    shown = home("campaign", "show", "spring", "--json").json
    assert (shown["state"], shown["progress"]["percentage"], shown["eta"]) == ("completed", 100, None)
    assert home("db", "check").code == 0


def test_a_batch_is_watched_until_it_is_over(home: Home, relay: RunningRelay) -> None:
    live_campaign(home, relay.port, 40)
    engine = home.start("engine", "run")
    until(lambda: read_holder(home.database) is not None)
    watching = home.start("batch", "show", 1, "--watch", "--json")
    out, err = watching.communicate(timeout=60)
    engine.terminate()
    engine.communicate(timeout=60)
    told = [int(percent) for percent in re.findall(r"Progress: \d+/40 \((\d+)%\)", err)]
    assert told == sorted(told)
    assert "Progress: 40/40 (100%) - Success: 40, Failed: 0" in err
    assert json.loads(out)["status"] == "completed"


def test_a_batch_that_nobody_sends_is_not_watched_for_ever(home: Home, relay: RunningRelay) -> None:
    live_campaign(home, relay.port, 3)
    done = home("batch", "show", 1, "--watch", "--json")
    assert (done.code, done.json["status"]) == (0, "pending")
    assert "no engine is running" in done.err


def test_a_batch_carries_the_fields_that_its_readers_know(home: Home, relay: RunningRelay) -> None:
    live_campaign(home, relay.port, 12)
    home.program("engine", "run", "--until-idle")
    batch = home("batch", "show", 1, "--json").json
    assert set(batch) >= BATCH
    assert batch["status"] == "completed"
    assert batch["progress"] == {"total": 12, "sent": 12, "failed": 0, "current": 12, "percentage": 100}
    assert batch["summary"] == {"total": 12, "success": 12, "failed": 0}
    assert batch["resultsNote"] == "Showing 10 of 12 results"
    assert batch["results"][0] == {
        "email": "p0@example.com",
        "status": "success",
        "state": "completed",
        "error": None,
        "orderCount": 1,
    }
    listed = home("batch", "list", "--json").json
    assert (listed["count"], listed["total"], listed["jobs"][0]["id"]) == (1, 1, 1)


def test_a_server_that_cannot_be_reached_cools_its_queue_and_fails_nobody(home: Home) -> None:
    add_relay(home, 1)
    home.config.write_text(home.config.read_text().replace('steps = ["1m", "5m", "15m", "60m"]', 'steps = ["1s"]'))
    home("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "people.csv", "-c", "spring")
    home("campaign", "live", "spring")
    home("campaign", "start", "spring")
    engine = home.start("engine", "run")
    try:
        until(lambda: home("queue", "show", "relay", "--json").json["state"] == "cooling")
    finally:
        engine.send_signal(signal.SIGTERM)
        _, err = engine.communicate(timeout=60)
    assert engine.returncode == 0
    assert "Traceback" not in err
    assert home("campaign", "show", "spring", "--json").json["counts"]["pending"] == 3
    assert "nothing to retry" in home("campaign", "retry", "spring").out


def test_failures_are_grouped_by_reason_and_retried_by_class(home: Home, believable_relay: RunningRelay) -> None:
    by_fate = {BELIEVABLE.fate(address): address for address in (f"p{i}@example.com" for i in range(400))}
    home.write("many.csv", "email,first_name\n" + "".join(f"{address},P\n" for address in by_fate.values()))
    add_relay(home, believable_relay.port)
    text = home.config.read_text()
    text = re.sub("delays = .*", 'delays = ["1s"]', re.sub("give_up = .*", 'give_up = "2s"', text))
    home.config.write_text(text)
    home("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "many.csv", "-c", "spring")
    home("campaign", "live", "spring")
    home("campaign", "start", "spring")
    done = home.program("engine", "run", "--until-idle", "--json")
    assert (done.code, done.json["sent"], done.json["failed"]) == (0, 2, 2)
    assert {error["prospect"] for error in done.json["errors"]} == {by_fate[Fate.UNKNOWN], by_fate[Fate.FULL]}
    assert "User unknown" in home("campaign", "show", "spring").out
    assert home("campaign", "retry", "spring", "--json").json["retried"] == 1
    assert home("job", "list", "--state", "failed", "--json").json["jobs"][0]["address"] == by_fate[Fate.UNKNOWN]
    assert home("campaign", "retry", "spring", "--class", "all", "--spread", "1s", "--json").json["retried"] == 1
    again = home.program("engine", "run", "--until-idle", "--json").json
    assert (again["sent"], again["pending"]) == (0, 0)
    assert len(believable_relay.accepted()) == 2


def test_one_pass_sends_what_is_due_and_leaves_the_rest(home: Home, relay: RunningRelay) -> None:
    live_campaign(home, relay.port, 3, "--gap-min", "1h", "--gap-max", "2h")
    home("campaign", "new", "now", "-a", "outbox", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "people.csv", "-c", "now")
    home("campaign", "start", "now")
    done = home.program("engine", "run", "--once", "--json", timeout=60)
    assert (done.code, done.json["sent"], done.json["pending"]) == (0, 3, 3)


@pytest.fixture
def engine(home: Home, slow_relay: RunningRelay) -> subprocess.Popen[str]:
    """A running engine with 20 messages to send, a second each, five at once."""
    live_campaign(home, slow_relay.port, 20)
    child = home.start("engine", "run")
    until(lambda: (holder := read_holder(home.database)) is not None and holder.role == "engine")
    # Asked of the store itself, a hundred times as fast as by a command: five are under way for a second only.
    with Reader(home.database) as reader:
        until(lambda: reader.counts()["processing"] == 5)
    return child


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_what_was_in_flight_is_counted(
    home: Home, engine: subprocess.Popen[str], slow_relay: RunningRelay, number: signal.Signals
) -> None:
    engine.send_signal(number)
    _, err = engine.communicate(timeout=60)
    assert engine.returncode == 0
    assert f"{number.name}: draining" in err
    counts = home("campaign", "show", "spring", "--json").json["counts"]
    assert counts["processing"] == counts["uncertain"] == 0
    assert counts["completed"] == len(slow_relay.accepted()) >= 5


def test_a_second_signal_cuts_and_nobody_is_mailed_twice(
    home: Home, engine: subprocess.Popen[str], slow_relay: RunningRelay
) -> None:
    engine.send_signal(signal.SIGTERM)
    assert engine.stderr is not None
    while "draining" not in engine.stderr.readline():
        pass
    engine.send_signal(signal.SIGTERM)
    engine.communicate(timeout=60)
    assert engine.returncode == 1
    assert home.program("engine", "run", "--until-idle").code == 0
    per_person = [accepted.recipient for accepted in slow_relay.accepted()]
    assert len(per_person) == len(set(per_person))
    counts = home("campaign", "show", "spring", "--json").json["counts"]
    assert counts["completed"] + counts["uncertain"] == 20


def test_commands_act_through_the_running_engine_and_a_second_one_is_refused(
    home: Home, engine: subprocess.Popen[str]
) -> None:
    # First, while there is something left to pause: the rest may take longer than the messages do.
    assert home("campaign", "pause", "spring").code == 0
    status = home("engine", "status", "--json").json
    assert (status["running"], status["pid"]) == (True, engine.pid)
    assert status["attached"] == []
    assert {row["round"] for row in status["rounds"]} >= {"promote", "heartbeat", "rescue"}
    assert home("campaign", "show", "spring", "--json").json["why"]
    second = home.program("engine", "run")
    assert second.code == 3
    assert f"pid {engine.pid}" in second.err
    until(lambda: home("campaign", "show", "spring", "--json").json["counts"]["processing"] == 0)
    paused_at = home("campaign", "show", "spring", "--json").json["counts"]
    assert home("account", "add", "more", "--channel", "outbox", "--folder", "m", "--from", "a@example.com").code == 0
    assert "more" in {queue["queue"] for queue in home("engine", "status", "--json").json["queues"]}
    assert home("db", "backup", home.folder / "copy.db").code == 0
    assert home("campaign", "show", "spring", "--json").json["counts"] == paused_at
    assert home("engine", "drain", "--wait").code == 0
    assert engine.wait(60) == 0
    engine.communicate()


# send


def test_send_prints_campaign_and_batch_at_once(home: Home) -> None:
    done = home("send", home.folder / "people.csv", "-t", home.folder / "message.txt", "-a", "outbox", "--json")
    result = done.json
    assert done.code == 0
    assert (result["queued"], result["job"]["totalEmails"], result["job"]["filename"]) == (3, 3, "people.csv")
    assert {"id", "status", "estimatedTime", "statusUrl", "createdAt"} <= set(result["job"])
    assert result["campaign"].startswith("people-")


def test_send_and_wait_sends_from_here_when_no_engine_runs(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    argv = ("-t", home.folder / "message.txt", "-a", "relay", "--live", "--name", "now", "--wait", "--json")
    done = home.program("send", home.folder / "people.csv", *argv)
    assert done.code == 0, done.err
    assert done.json["job"]["summary"] == {"total": 3, "success": 3, "failed": 0}
    assert len(relay.accepted()) == 3


def test_an_engine_that_only_waits_for_one_batch_says_whom_else_it_serves(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    message = ("-t", home.folder / "message.txt", "-a", "relay", "--live")
    assert home("send", home.folder / "people.csv", *message, "--name", "before").code == 0
    work = ("cleanup_old_data", "--payload", "{}")
    assert home("job", "add", *work, "--at", "2099-01-01T00:00:00Z").code == 0
    daily = ("--cron", "0 3 * * *", "--kind", "cleanup_old_data", "--payload", "{}")
    assert home("schedule", "add", "nightly", *daily).code == 0
    done = home.program("send", home.folder / "people.csv", *message, "--name", "now", "--wait", "--json")
    assert done.code == 0, done.err
    also = "sends what is due of before, runs 1 background job when due, fires 1 schedule"
    assert f"this engine also {also}, until this batch is done" in done.err
    assert done.json["beside"] == {"campaigns": ["before"], "jobs": 1, "schedules": 1}
    # Its own are all that it waits for; what else was due had its turn beside them.
    assert done.json["job"]["summary"]["success"] == 3
    assert len(relay.accepted()) >= 3


@pytest.mark.parametrize(
    ("file", "more", "code", "words"),
    [
        ("people.csv", ("-a", "relay"), 4, "3 addresses are not on the allow-list"),
        ("people.csv", ("-a", "nobody"), 2, "there is no account"),
        ("gone.csv", ("-a", "outbox"), 2, "there is no such file"),
        ("nameless.csv", ("-a", "outbox"), 4, "row 2 has no first_name"),
        ("bad.csv", ("-a", "outbox"), 4, "nobody can be imported"),
    ],
)
def test_what_send_refuses_makes_nothing(home: Home, file: str, more: tuple[str, ...], code: int, words: str) -> None:
    add_relay(home, 2525)
    home.write("nameless.csv", "email,company\na@example.com,X\n")
    home.write("bad.csv", "email,first_name\nnope,X\n")
    done = home("send", home.folder / file, "-t", home.folder / "message.txt", *more)
    assert done.code == code
    assert words in done.err
    assert home("campaign", "list", "--json").json["count"] == 0
