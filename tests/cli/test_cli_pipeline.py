"""`paceline pipeline` as an operator types it: the first day of the example, its second run, history, JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Home

EXAMPLE = Path(__file__).parents[2] / "examples" / "prospects"
DAILY = "daily_prospect_queue"
STAGES = ["quota", "discover", "rank", "draft", "queue", "events"]


@pytest.fixture
def ready(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with the example's campaign, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    assert home("campaign", "apply", EXAMPLE).code == 0
    return home


def started(home: Home) -> str:
    done = home("pipeline", "run", DAILY, "--payload-file", EXAMPLE / "pipeline.toml", "--json")
    assert done.code == 0, done.err
    return str(done.json["jobId"])


def ran(home: Home) -> str:
    job = started(home)
    assert home("engine", "run", "--until-idle").code == 0
    return job


def test_a_start_answers_at_once_with_the_job_and_where_to_look(ready: Home) -> None:
    found = ready("pipeline", "run", DAILY, "--payload-file", EXAMPLE / "pipeline.toml", "--json").json
    assert found["success"] is True
    assert found["statusUrl"] == f"paceline job show {found['jobId']}"
    assert found["meta"]["trigger"] == "manual"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", found["meta"]["timestamp"])
    waiting = ready("job", "show", found["jobId"], "--json").json
    assert (waiting["job_type"], waiting["status"], waiting["completed_at"]) == (DAILY, "pending", None)


def test_the_first_day_shows_its_ladder_and_its_funnel(ready: Home) -> None:
    ran(ready)
    shown = ready("pipeline", "show").out
    assert all(len(line) <= 80 for line in shown.splitlines())
    stages = re.findall(r"^(\d)/6  (\w+) +done +\d\d:\d\d:\d\d +\S+  \S", shown, re.MULTILINE)
    assert stages == [(str(n), name) for n, name in enumerate(STAGES, 1)]
    funnel = re.findall(r"^([a-z ]+?) +(\d+)  (#+)$", shown, re.MULTILINE)
    assert [(name, int(n), len(bar)) for name, n, bar in funnel] == [
        ("discovered", 150, 30), ("scored", 120, 24), ("high priority", 75, 15), ("uncontacted", 75, 15),
        ("selected", 50, 10), ("generated", 50, 10), ("queued", 50, 10),
    ]  # fmt: skip
    assert "events 51" in shown


def test_the_result_has_the_names_and_figures_that_were_promised(ready: Home) -> None:
    job = ran(ready)
    shown = ready("pipeline", "show", DAILY, "--json").json
    whole = ready("job", "show", job, "--json").json
    for result in (shown["result"], whole["result"]):
        assert {name: result[name] for name in result if name != "executionTime"}.items() >= {
            "prospectsDiscovered": 150, "prospectsScored": 120, "prospectsQueued": 50, "emailsGenerated": 50,
            "dailyLimit": 50,
        }.items()  # fmt: skip
        assert result["errors"] == []
        assert result["executionTime"] >= 0
    assert (whole["status"], whole["job_type"], whole["payload"]["campaign"]) == ("completed", DAILY, "prospects")
    assert whole["created_at"] <= whole["started_at"] <= whole["completed_at"]
    assert [stage["state"] for stage in shown["stages"]] == ["done"] * 6
    assert ready("approval", "list", "--json").json["count"] == 50
    events = [json.loads(line)["kind"] for line in ready("events", "--limit", "500", "--json").out.splitlines()]
    assert (events.count("daily_queue_completed"), events.count("email_queued_for_approval")) == (1, 50)


def test_the_log_tells_every_stage(ready: Home) -> None:
    ran(ready)
    told = [line["text"] for line in ready("events", "--kind", "pipeline.stage", "--json").lines]
    assert [text.partition(":")[0] for text in told] == [f"{DAILY} {n}/6 {name}" for n, name in enumerate(STAGES, 1)]
    assert told[2].endswith("scored 120, high priority 75, uncontacted 75, selected 50")


def test_a_run_without_a_payload_takes_the_last_ones_and_history_tells_both(ready: Home) -> None:
    assert ready("pipeline", "run", DAILY).code == 2, "there is none yet"
    first = ran(ready)
    again = ready("pipeline", "run", DAILY, "--json")
    assert again.code == 0, again.err
    assert ready("engine", "run", "--until-idle").code == 0
    told = ready("pipeline", "history").out
    assert all(len(line) <= 90 for line in told.splitlines())
    assert re.search(rf"^ *{again.json['jobId']} .* completed +\S+", told, re.MULTILINE)
    assert "! empty: 50 were queued today already, and 50 is the day's limit" in told
    assert re.search(rf"^ *{first} .* 150 120 75 75 50 50 50$", told, re.MULTILINE)
    runs = ready("pipeline", "history", DAILY, "--json").json
    assert (runs["count"], runs["runs"][0]["result"]["stopped"]) == (2, runs["runs"][0]["flag"].removeprefix("empty: "))
    stopped = ready("pipeline", "show").out
    assert stopped.count("is the day's limit") == 2, "once for the run, once for its stage"
    assert stopped.count("skipped") == 5


def test_the_list_tells_the_last_run(ready: Home) -> None:
    assert "never" in ready("pipeline", "list").out
    ran(ready)
    [found] = [one for one in ready("pipeline", "list", "--json").json["pipelines"] if one["pipeline"] == DAILY]
    assert found["stages"] == STAGES
    assert found["last"]["state"] == "completed"


def test_a_run_that_waits_for_a_person_says_how_it_goes_on(home: Home) -> None:
    job = started(home)
    home("engine", "run", "--until-idle")
    shown = home("pipeline", "show", job)
    assert "held (configuration)" in shown.out
    assert "there is no campaign 'prospects'" in shown.out
    assert f"paceline job retry {job}" in shown.err
    assert home("campaign", "apply", EXAMPLE).code == 0
    assert home("job", "retry", job, "--yes").code == 0
    home("engine", "run", "--until-idle")
    assert home("pipeline", "show", job, "--json").json["result"]["queued"] == 50


def test_waiting_for_a_run_shows_its_end(ready: Home) -> None:
    engine = ready.start("engine", "run")
    try:
        assert engine.stderr is not None
        assert "engine runs" in engine.stderr.readline()
        done = ready.program("pipeline", "run", DAILY, "--payload-file", EXAMPLE / "pipeline.toml", "--wait")
        assert done.code == 0, done.err
        assert "events 51" in done.out
    finally:
        engine.terminate()
        engine.communicate(timeout=30)


def test_waiting_without_an_engine_says_so(ready: Home) -> None:
    done = ready("pipeline", "run", DAILY, "--payload-file", EXAMPLE / "pipeline.toml", "--wait")
    assert done.code == 1
    assert "no engine runs" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "daily"), "there is no pipeline 'daily'"),
        (("run", DAILY, "--payload", '{"campaign": "x"}'), "source"),
        (("run", DAILY, "--payload", '{"campaign": "x", "source": "a.csv"}'), "template"),
        (("run", DAILY, "--payload-file", "/nowhere.toml"), "no such file"),
        (("show",), "no pipeline has run yet"),
        (("show", "99"), "there is no job 99"),
        (("history", "daily"), "there is no pipeline 'daily'"),
    ],
)
def test_mistakes_are_named(home: Home, words: tuple[str, ...], said: str) -> None:
    done = home("pipeline", *words)
    assert done.code == 2
    assert said in done.err


def test_paths_of_a_payload_file_count_from_its_folder(ready: Home) -> None:
    folder = ready.folder / "mine"
    folder.mkdir()
    (folder / "people.csv").write_text("Email,Company\nada@alder.example.com,Alder\n")
    (folder / "letter.txt").write_text("Subject: Hello\n\nHello {{ company }}\n")
    (folder / "day.toml").write_text('campaign = "prospects"\nsource = "people.csv"\ntemplate = "letter.txt"\n')
    for how in (("pipeline", "run", DAILY), ("job", "add", DAILY)):
        job = ready(*how, "--payload-file", folder / "day.toml", "--json").json["jobId"]
        payload = ready("job", "show", job, "--json").json["payload"]
        assert (payload["source"], payload["template"]) == (str(folder / "people.csv"), str(folder / "letter.txt"))
