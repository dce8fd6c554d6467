"""Schedules by command: made, shown, fired by hand and by the clock, imported; refused with the reason."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Home

EXAMPLES = Path(__file__).parents[2] / "examples"
NIGHTLY = ("schedule", "add", "nightly", "--cron", "0 0 * * *", "--zone", "Europe/Berlin", "--kind", "cleanup_old_data")


def count(home: Home) -> int:
    return len(home("schedule", "list", "--json").json["schedules"])


def test_a_schedule_is_shown_before_it_is_saved_and_afterwards(home: Home) -> None:
    done = home(*NIGHTLY, "--payload", '{"days": 30}', "--overlap", "wait", "--missed", "catch_up", "--most", "3")
    assert done.code == 0, done.err
    assert done.err.startswith("At 00:00 every day (Europe/Berlin)\nnext  ")
    assert len(done.err.splitlines()) == 6
    assert done.out.startswith("schedule nightly is enabled; next ")
    [row] = home("schedule", "list", "--json").json["schedules"]
    assert (row["name"], row["cron"], row["zone"], row["payload"]) == (
        "nightly", "0 0 * * *", "Europe/Berlin", {"days": 30}
    )  # fmt: skip
    assert row["next_at"].endswith("Z")
    shown = home("schedule", "show", "nightly")
    for words in ("At 00:00 every day", "catch_up: the newest 3 made up for", "wait: begun when the run before is over",
                  "it has not fired yet"):  # fmt: skip
        assert words in shown.out + shown.err
    assert len(home("schedule", "show", "nightly", "--json").json["next"]) == 5


def test_a_dry_run_saves_nothing(home: Home) -> None:
    done = home(*NIGHTLY, "--dry-run", "--json")
    assert (done.json["exists"], len(done.json["next"]), count(home)) == (False, 5, 0)
    assert "nothing was saved" in home(*NIGHTLY, "--dry-run").err


def test_what_is_wrong_is_refused_with_the_field(home: Home) -> None:
    for change, said in (
        (("--cron", "0 25 * * *"), "cron: hour"),
        (("--zone", "EastCoast"), "zone: there is no time zone"),
        (("--kind", "nosuch"), "there is no job kind 'nosuch'"),
        (("--payload", '{"dayz": 3}'), "payload.dayz"),
        (("--payload", "{days}"), "--payload"),
        (("--grace", "soon"), "--grace"),
        (("--queue", "nosuch"), "there is no queue"),
    ):
        done = home(*NIGHTLY, *change)
        assert (done.code, said in done.err) == (2, True), done.err
    assert home("schedule", "add", "x", "--cron", "@daily").code == 2
    assert count(home) == 0
    assert home("schedule", "show", "nosuch").code == 2


def test_it_is_edited_disabled_enabled_and_removed(home: Home) -> None:
    home(*NIGHTLY, "--payload", '{"days": 30}')
    assert home(*NIGHTLY).code == 2, "a name is given once"
    done = home("schedule", "edit", "nightly", "--cron", "30 1 * * SUN", "--set", "days=7")
    assert done.out.startswith("schedule nightly: cron, payload changed; next Sun ")
    assert home("schedule", "edit", "nightly").code == 2
    assert home("schedule", "disable", "nightly").out.strip() == "schedule nightly is disabled"
    assert home("schedule", "list", "--json").json["schedules"][0]["enabled"] is False
    assert home("schedule", "next").err.startswith("nothing fires")
    assert home("schedule", "enable", "nightly").out.startswith("schedule nightly is enabled; next Sun ")
    assert [one["schedule"] for one in home("schedule", "next", "-n", 3, "--json").json["next"]] == ["nightly"] * 3
    kinds = [event["kind"] for event in home("events", "--json").lines]
    assert [kind for kind in kinds if kind.startswith("schedule.")][::-1] in (
        ["schedule.added", "schedule.edited", "schedule.disabled", "schedule.enabled"],
        ["schedule.enabled", "schedule.disabled", "schedule.edited", "schedule.added"],
    )
    assert home("schedule", "remove", "nightly", "--yes").code == 0
    assert count(home) == 0


def test_read_only_refuses_every_change(home: Home) -> None:
    home(*NIGHTLY)
    for args in (("run", "nightly"), ("disable", "nightly"), ("remove", "nightly"),
                 ("edit", "nightly", "--priority", 3)):  # fmt: skip
        assert home("--read-only", "schedule", *args).code == 4
    assert home("--read-only", "schedule", "list").code == 0
    assert home("--read-only", "schedule", "next", "--cron", "@hourly").code == 0


def test_an_expression_is_looked_at_without_a_schedule(home: Home) -> None:
    done = home("schedule", "next", "--cron", "0 8 * * *", "--zone", "America/New_York", "-n", 2, "--json")
    assert (done.json["words"], len(done.json["next"])) == ("At 08:00 every day", 2)
    assert home("schedule", "next", "--zone", "UTC").code == 2


def test_run_now_makes_a_job_that_an_engine_runs(home: Home) -> None:
    home(*NIGHTLY, "--payload", '{"days": 30}')
    done = home("schedule", "run", "nightly", "--json").json
    assert (done["meta"]["trigger"], done["statusUrl"]) == ("manual", f"paceline job show {done['job_id']}")
    again = home("schedule", "run", "nightly")
    assert (again.code, "is not over" in again.err) == (4, True)
    assert home.program("engine", "run", "--until-idle").code == 0
    [firing] = home("schedule", "show", "nightly", "--json").json["firings"]
    assert (firing["manual"], firing["job_state"]) == (True, "completed")
    assert "completed" in home("schedule", "list").out


def test_an_engine_makes_up_for_what_was_missed_and_tells_what_it_gave_up(home: Home) -> None:
    home("schedule", "add", "often", "--cron", "* * * * *", "--kind", "cleanup_old_data", "--missed", "catch_up",
         "--most", 2)  # fmt: skip
    with sqlite3.connect(home.database) as books:
        books.execute("UPDATE schedules SET decided_at = decided_at - 600000000, next_at = next_at - 600000000")
    books.close()
    assert home.program("engine", "run", "--until-idle").code == 0
    firings = home("schedule", "show", "often", "--json").json["firings"]
    made = [firing for firing in firings if firing["outcome"] == "started"]
    assert [firing["job_state"] for firing in made] == ["completed"] * len(made)
    assert len(made) >= 2
    assert {firing["outcome"] for firing in firings} >= {"started", "missed"}
    assert "schedule.missed" in {event["kind"] for event in home("events", "--json").lines}


def test_a_firing_that_can_make_no_job_is_told_by_list_show_and_doctor_until_it_is_mended(home: Home) -> None:
    home(*NIGHTLY)
    with sqlite3.connect(home.database) as books:
        # As after a change of the kind, ten minutes after a time of the schedule.
        at = int(time.time() - 600) // 60 * 60_000_000
        books.execute("UPDATE schedules SET payload = ?, cron = '* * * * *', decided_at = ?, next_at = ?",
                      ('{"dayz": 1}', at - 60_000_000, at))  # fmt: skip
    books.close()
    assert home.program("engine", "run", "--until-idle").code == 0
    assert home("schedule", "list", "--json").json["schedules"][0]["trouble"].startswith("payload.dayz")
    assert "refused" in home("schedule", "show", "nightly").out
    [finding] = [one for one in home("doctor", "--json").json["findings"] if one["check"] == "schedule"]
    assert (finding["level"], finding["remedy"]) == ("problem", "mend it: paceline schedule edit nightly")
    home("schedule", "edit", "nightly", "--payload", '{"days": 1}')
    assert home("schedule", "list", "--json").json["schedules"][0]["trouble"] == ""


def test_after_a_clock_that_was_ahead_it_says_from_when_it_fires_again_and_how_to_begin_anew(home: Home) -> None:
    home(*NIGHTLY)
    ahead = (int(time.time()) + 1_000 * 86_400) * 1_000_000
    with sqlite3.connect(home.database) as books:
        books.execute("UPDATE schedules SET decided_at = ?, next_at = ?", (ahead, ahead + 1))
    books.close()
    assert "the clock was set back" in home("schedule", "show", "nightly").out
    first = home("schedule", "next", "nightly", "--json").json["next"][0]["at"]
    assert int(first[:4]) >= time.gmtime().tm_year + 2
    home("schedule", "disable", "nightly")
    home("schedule", "enable", "nightly")
    assert "the clock was set back" not in home("schedule", "show", "nightly").out
    assert home("schedule", "next", "nightly", "--json").json["next"][0]["at"] < first


def test_a_file_of_schedules_is_checked_whole_and_taken_once(home: Home) -> None:
    path = home.write(
        "schedules.toml",
        '[schedules.a]\ncron = "@daily"\nkind = "cleanup_old_data"\npayload = { days = 7 }\ngrace = "2h"\n'
        '[schedules.b]\ncron = "0 25 * * *"\nkind = "cleanup_old_data"\n',
    )
    assert "cron: hour" in home("schedule", "import", path).err
    assert count(home) == 0
    assert home("schedule", "import", path, "--only", "a").out.splitlines()[-1] == "1 added, 0 changed, 0 left alone"
    path.write_text(path.read_text().replace("0 25", "0 5"))
    assert home("schedule", "import", path, "--json").json["same"] == ["a"]
    path.write_text(path.read_text().replace("days = 7", "days = 9"))
    assert "--replace" in home("schedule", "import", path).err
    done = home("schedule", "import", path, "--replace", "--json").json
    assert (done["change"], done["same"]) == (["a"], ["b"])
    assert home("schedule", "show", "a", "--json").json["payload"] == {"days": 9}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[schedules.a\n", "Expected"),
        ('[schedule.a]\ncron = "@daily"\n', "holds tables [schedules.NAME] and nothing else"),
        ('[schedules.a]\ncron = "@daily"\n', "[schedules.a] kind: is missing"),
        ('[schedules.a]\ncorn = "@daily"\n', "did you mean cron?"),
        ('[schedules.a]\ncron = 5\n', "cron: must be text in quotes"),
        ('[schedules.a]\ncron = "@daily"\nkind = "x"\npayload = { at = 2026-01-01 }\n', "payload.at: JSON has no"),
        ('[schedules.a]\ncron = "@daily"\nkind = "x"\ngrace = "soon"\n', "grace"),
    ],
)  # fmt: skip
def test_a_file_with_a_mistake_says_where(home: Home, text: str, said: str) -> None:
    done = home("schedule", "import", home.write("s.toml", text))
    assert (done.code, said in done.err) == (2, True), done.err


def test_the_shipped_schedules_load_with_one_command_and_run(home: Home) -> None:
    assert home("campaign", "apply", EXAMPLES / "prospects").code == 0
    (home.folder / "work").mkdir(exist_ok=True)
    shutil.copy(EXAMPLES / "jobs" / "opportunities.csv", home.folder / "work")
    done = home("schedule", "import", EXAMPLES / "schedules" / "schedules.toml", "--yes")
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in home("schedule", "list", "--json").json["schedules"]}
    assert {name: (row["cron"], row["zone"]) for name, row in rows.items()} == {
        "daily-prospects": ("0 8 * * *", "America/New_York"),
        "process-opportunities": ("0 */1 * * *", "UTC"),
        "cleanup-old-data": ("0 0 * * *", "UTC"),
    }
    for name in rows:
        assert home("schedule", "run", name).code == 0
    assert home.program("engine", "run", "--until-idle").code == 0
    states = {row["name"]: row["last"]["job_state"] for row in home("schedule", "list", "--json").json["schedules"]}
    assert states == dict.fromkeys(rows, "completed")
    assert home("schedule", "import", EXAMPLES / "schedules" / "schedules.toml").out.endswith("3 left alone\n")
