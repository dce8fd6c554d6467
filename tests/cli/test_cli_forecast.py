"""`campaign forecast` and the dry run: what would be sent and when, before anything begins."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from tests.cli.conftest import Home

ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
CAPPED = '[accounts.capped]\nchannel = "outbox"\nfolder = "out"\nfrom_address = "us@example.com"\ncaps = ["2/day"]\n'


@pytest.fixture
def capped(home: Home) -> Home:
    """A draft for three people, one of whom has no company, on an account that sends two a day."""
    home.config.write_text(home.config.read_text() + CAPPED)
    source = home.write(
        "people.csv", "email,first_name,company\n" + "".join(f"p{i}@example.org,P{i},C\n" for i in range(5))
    )
    home("campaign", "new", "slow", "-a", "capped", "-t", home.folder / "message.txt")
    home("recipients", "import", source, "-c", "slow")
    return home


def test_a_draft_is_forecast_before_its_start_and_nothing_changes(capped: Home) -> None:
    done = capped("campaign", "forecast", "slow", "--json")
    assert done.code == 0
    told = done.json
    assert (told["campaign"], told["account"], told["assumes"]) == ("slow", "capped", "started now")
    assert (told["open"], told["sends"], told["days_in_all"]) == (5, 5, 3)
    assert [day["sends"] for day in told["days"]] == [2, 2, 1]
    assert told["days"][0]["bound_by"] == "2/day"
    assert re.fullmatch(ISO, told["first_at"]) and re.fullmatch(ISO, told["finish"]["latest_at"])
    assert told["finish"]["certain"] is True
    assert sum(hour["sends"] for day in told["days"] for hour in day["hours"]) == 5
    assert capped("campaign", "list", "--json").json["campaigns"][0]["state"] == "draft"


def test_days_are_limited_and_the_rest_is_summed_up(capped: Home) -> None:
    assert len(capped("campaign", "forecast", "slow", "--days", "1", "--json").json["days"]) == 1
    done = capped("campaign", "forecast", "slow", "--days", "1")
    assert "2/day" in done.out and "and 3 more on 2 days" in done.err
    hours = capped("campaign", "forecast", "slow", "--hours").out
    assert re.search(r"^  \d\d:00 +2 +2", hours, re.M)


def test_a_later_start_is_forecast_from_then_on(capped: Home) -> None:
    now = capped("campaign", "forecast", "slow", "--json").json
    later = capped("campaign", "forecast", "slow", "--at", "+3d", "--json").json
    assert later["assumes"] == "started then" and later["first_at"] > now["finish"]["latest_at"]


def test_the_dry_run_shows_the_same_forecast(capped: Home) -> None:
    dry = capped("campaign", "start", "slow", "--dry-run", "--json").json
    assert dry["dry_run"] is True and dry["queued"] == 5
    assert [day["sends"] for day in dry["forecast"]["days"]] == [2, 2, 1]
    assert "bound by" in capped("campaign", "start", "slow", "--dry-run").out


def test_a_start_says_when_it_ends_with_what_its_account_has_to_send_already(capped: Home) -> None:
    """Its estimate knows nothing of the five that stand before it; two a day may leave."""
    capped("campaign", "live", "slow", "--yes")
    assert "slow ends about" in capped("campaign", "start", "slow", "--yes").err
    capped("campaign", "new", "next", "-a", "capped", "-t", capped.folder / "message.txt")
    capped.write("one.csv", "email,first_name,company\nq@example.org,Q,C\n")
    capped("recipients", "import", capped.folder / "one.csv", "-c", "next")
    capped("campaign", "live", "next", "--yes")
    done = capped("campaign", "start", "next", "--yes")
    told = capped("campaign", "forecast", "next", "--json").json["finish"]["latest_at"]
    said = re.search(r"next ends about (\S+ \S+) UTC", done.err)
    assert said is not None
    apart = datetime.fromisoformat(f"{said[1]}+00:00") - datetime.fromisoformat(told)
    assert abs(apart) < timedelta(minutes=10)


def test_held_people_are_told_apart(capped: Home) -> None:
    capped.write("message.txt", "Subject: Hi\n\nDear {{ nickname }}\n")
    capped("campaign", "edit", "slow", "-t", capped.folder / "message.txt")
    told = capped("campaign", "forecast", "slow", "--json").json
    assert told["held"] == {"missing field: nickname": 5} and told["days"] == []
    assert "5 held: missing field: nickname" in capped("campaign", "forecast", "slow").out


def test_what_has_ended_has_nothing_left(capped: Home) -> None:
    capped("campaign", "cancel", "slow", "--yes")
    done = capped("campaign", "forecast", "slow")
    assert done.code == 0 and "nothing is left to send" in done.out


def test_the_timeline_tells_what_came_and_what_comes(capped: Home) -> None:
    capped("campaign", "live", "slow", "--yes")
    assert capped("campaign", "start", "slow", "--yes").code == 0
    told = capped("campaign", "timeline", "slow", "--next", "3", "--json").json
    assert told["past"] == [] and len(told["coming"]) == 3 and told["more_coming"] is True
    assert re.fullmatch(ISO, told["coming"][0]["due_at"]) and told["coming"][0]["recipient"] == "p0@example.org"
    assert capped("engine", "run", "--once").code == 0
    told = capped("campaign", "timeline", "slow", "--json").json
    assert [sent["outcome"] for sent in told["past"]] == ["accepted", "accepted"]
    assert told["past"][0]["later_by_seconds"] >= 0 and len(told["coming"]) == 3
    shown = capped("campaign", "timeline", "slow").out
    assert "p0@example.org" in shown and "late" in shown and "UTC" in shown


def test_a_timeline_tells_what_comes_as_the_forecast_does_and_not_by_the_plan_alone(capped: Home) -> None:
    capped("campaign", "live", "slow", "--yes")
    assert capped("campaign", "start", "slow", "--yes").code == 0
    coming = capped("campaign", "timeline", "slow", "--json").json["coming"]
    told = capped("campaign", "forecast", "slow", "--json").json
    assert [day["sends"] for day in told["days"]] == [2, 2, 1], "the cap of two a day"
    begins = [datetime.fromisoformat(job["expected_at"]) for job in coming]
    days = [(at - begins[0]) // timedelta(hours=23) for at in begins]
    assert days == [0, 0, 1, 1, 2]
    assert abs(begins[-1] - datetime.fromisoformat(told["finish"]["latest_at"])) < timedelta(minutes=10)
    assert max(job["due_at"] for job in coming) < told["days"][1]["first_at"], "the plan knows nothing of the cap"
    assert "1d late" in capped("campaign", "timeline", "slow").out
    capped("campaign", "pause", "slow")
    coming = capped("campaign", "timeline", "slow", "--json").json["coming"]
    assert [job["expected_at"] for job in coming] == [None] * 5
    assert "planned" in capped("campaign", "timeline", "slow").out


def test_a_campaign_that_there_is_not_is_said(home: Home) -> None:
    done = home("campaign", "forecast", "nobody")
    assert done.code == 2 and "there is no campaign 'nobody'" in done.err


def test_several_accounts_and_further_steps_are_one_forecast(capped: Home) -> None:
    capped.config.write_text(capped.config.read_text() + CAPPED.replace("capped", "second").replace('"out"', '"out2"'))
    capped("campaign", "edit", "slow", "--also", "second")
    template = capped.folder / "message.txt"
    capped("campaign", "step", "add", "slow", "-t", template, "--wait", "2d")
    capped("campaign", "step", "add", "slow", "-t", template, "--wait", "2d", "--if", "no_reply")
    told = capped("campaign", "forecast", "slow", "--json").json
    assert (told["accounts"], told["open"], told["further_steps"]) == (["capped", "second"], 10, 5)
    assert told["perhaps"] == [{"step": 3, "up_to": 5, "condition": "only to those who have not replied"}]
    assert [part["sends"] for part in told["days"][0]["by_account"]] == [2, 2]
    shown = capped("campaign", "forecast", "slow").out
    assert "10 of 10 through 2 accounts; 5 of them further steps" in shown
    assert "up to 5 more of step 3, only to those who have not replied" in shown
    assert re.search(r"^  second +2 +2", shown, re.M)


def test_a_timeline_names_the_account_of_each_send(capped: Home) -> None:
    capped.config.write_text(capped.config.read_text() + CAPPED.replace("capped", "second").replace('"out"', '"out2"'))
    capped("campaign", "edit", "slow", "--also", "second")
    capped("campaign", "live", "slow", "--yes")
    assert capped("campaign", "start", "slow", "--yes").code == 0
    assert capped("engine", "run", "--once").code == 0
    told = capped("campaign", "timeline", "slow", "--json").json
    assert told["accounts"] == ["capped", "second"]
    assert {sent["account"] for sent in told["past"]} == {"capped", "second"}
    assert {job["account"] for job in told["coming"]} <= {"capped", "second"}
    ends = [line.split()[-1] for line in capped("campaign", "timeline", "slow").out.splitlines()[1:]]
    assert ends == [row["account"] for row in [*told["past"], *told["coming"]]]
