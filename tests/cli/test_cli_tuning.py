"""`queue tune`, `campaign tune`, and the windows of `campaign new`, `apply` and `send`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.cli.conftest import Done, Home


def queue_of(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = home("queue", "show", "outbox", "--json").json
    return found


def campaign_of(home: Home, name: str = "spring") -> dict[str, Any]:
    found: dict[str, Any] = home("campaign", "show", name, "--json").json
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_limits_are_tuned_listed_as_tuned_and_reset_one_by_one(home: Home) -> None:
    done = home(
        "queue", "tune", "outbox", "--rate", "30/min", "--cap", "400/day", "--cap", "2000/week calendar",
        "--min-gap", "2s", "--domain-gap", "5s", "--concurrency", 3, "--warmup", "10+10%..200", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["limits"]["caps"] == ["30/min", "400/day", "2000/week calendar"]
    assert done.json["limits"]["warmup"] == {"start": 10, "step": 0, "growth": 0.1, "ceiling": 200}
    shown = queue_of(home)
    assert shown["tuned"] == ["rate", "at once", "minimum gap", "gap per domain", "caps", "warm-up"]
    assert (shown["concurrency"], shown["min_gap"]) == (3, 2)
    assert [cap["cap"] for cap in shown["caps_used"]] == ["30/min", "400/day", "2000/week calendar"]
    words = home("queue", "show", "outbox").out
    assert "30/min (tuned; configured none)" in words
    assert "3 (tuned; configured 10)" in words
    assert "rate, at once, minimum gap, gap per domain, caps, warm-up" in home("queue", "list").out
    home("queue", "tune", "outbox", "--reset", "rate", "--reset", "min-gap")
    assert queue_of(home)["caps"] == ["400/day", "2000/week calendar"]
    assert home("queue", "tune", "outbox", "--reset", "--json").json["tuning"] == {}
    assert queue_of(home)["tuned"] == []


def test_caps_window_and_warmup_are_taken_away(home: Home) -> None:
    home(
        "queue", "tune", "outbox", "--rate", "30/min", "--cap", "9/day", "--window", "daily 9-17", "--warmup", "5+1..9"
    )
    limits = queue_of(home)["limits"]
    assert limits["window"]["hours"] == "mon-sun 09:00-17:00"
    done = home("queue", "tune", "outbox", "--no-caps", "--no-window", "--no-warmup", "--json")
    assert (done.json["limits"]["caps"], done.json["limits"]["window"], done.json["limits"]["warmup"]) == (
        [],
        None,
        None,
    )
    assert home("queue", "tune", "outbox", "--no-caps", "--rate", "9/h", "--json").json["limits"]["caps"] == ["9/h"]


def test_a_cap_takes_the_place_of_that_of_its_period_and_lifts_no_other(home: Home) -> None:
    home("queue", "tune", "outbox", "--rate", "2/min", "--cap", "40/h", "--cap", "30/day", "--cap", "100/week")
    assert queue_of(home)["caps"] == ["2/min", "40/h", "30/day", "100/week"]
    home("queue", "tune", "outbox", "--rate", "1/min")
    home("queue", "tune", "outbox", "--cap", "20/day calendar")
    assert queue_of(home)["caps"] == ["1/min", "40/h", "20/day calendar", "100/week"]
    home("queue", "tune", "outbox", "--no-caps", "--cap", "9/day")
    assert queue_of(home)["caps"] == ["9/day"]


def test_a_dry_run_changes_nothing(home: Home) -> None:
    done = home("queue", "tune", "outbox", "--rate", "30/min", "--dry-run")
    assert "would have: cap 30/min" in done.out
    assert queue_of(home)["tuning"] == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say what"),
        (("--zone", "Europe/Berlin"), "--zone needs the hours too"),
        (("--window", "mon-fri 25:00-3"), "window.hours"),
        (("--window", "daily 9-17", "--zone", "CEST"), "window.zone"),
        (("--window", "daily 9-17", "--holidays", "XX"), "window.holidays"),
        (("--window", "daily 9-17", "--no-window"), "contradict"),
        (("--warmup", "5..20"), "is no warm-up"),
        (("--rate", "fast"), "limits.rate"),
        (("--cap", "none"), "limits.caps"),
        (("--min-gap", "soon"), "limits.min_gap"),
        (("--reset", "speed"), "not one of"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(home: Home, options: tuple[str, ...], words: str) -> None:
    done = home("queue", "tune", "outbox", *options)
    assert (done.code, words in done.err) == (2, True), done.err
    assert queue_of(home)["tuning"] == {}


def test_a_read_only_command_tunes_nothing(home: Home) -> None:
    assert home("--read-only", "queue", "tune", "outbox", "--rate", "1/h").code == 4
    assert queue_of(home)["tuning"] == {}


def started(home: Home, *options: str) -> Done:
    home("campaign", "pace", "spring", "--rate", "60/min")
    assert home("campaign", "start", "spring", "--yes").code == 0
    return home(*options)


def test_the_answer_says_the_new_end_and_show_says_the_same(drafted: Home) -> None:
    done = started(drafted, "queue", "tune", "outbox", "--rate", "1/h", "--json")
    [end] = done.json["campaigns"]
    assert end["campaign"] == "spring"
    assert (moment(end["eta"]) - datetime.now(moment(end["eta"]).tzinfo)).total_seconds() > 3_600
    assert (moment(campaign_of(drafted)["eta"]) - moment(end["eta"])).total_seconds() < 3_700
    assert "spring ends about" in drafted("queue", "tune", "outbox", "--rate", "2/h").err


def test_a_campaigns_share_and_window_are_tuned_while_it_runs_and_shown(drafted: Home) -> None:
    done = started(
        drafted, "campaign", "tune", "spring", "--priority", "8", "--weight", "3", "--concurrency", "2",
        "--window", "mon-fri 09:00-17:00", "--zone", "Europe/Berlin", "--closed", "2026-12-24", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["queued"] == 3
    shown = campaign_of(drafted)
    assert (shown["priority"], shown["weight"], shown["concurrency"]) == (8, 3, 2)
    assert shown["window"]["text"] == "mon-fri 09:00-17:00 Europe/Berlin, not on 2026-12-24"
    words = drafted("campaign", "show", "spring").out
    assert "priority 8, weight 3, 2 at once" in words
    assert "mon-fri 09:00-17:00 Europe/Berlin" in words
    drafted("campaign", "tune", "spring", "--no-window")
    assert campaign_of(drafted)["window"] is None
    assert drafted("campaign", "tune", "spring").code == 2


def test_a_new_campaign_and_send_take_window_and_share(home: Home) -> None:
    window = ("--window", "sat 10:00-14:00", "--zone", "Asia/Tokyo", "--holidays", "JP", "--recipient-zone", "zone")
    message, people = home.folder / "message.txt", home.folder / "people.csv"
    assert home("campaign", "new", "a", "-a", "outbox", "-t", message, "--weight", 4, *window).code == 0
    done = home("send", people, "-t", message, "-a", "outbox", "--name", "b", "--priority", 9, *window, "--json")
    assert done.code == 0, done.err
    for name in "ab":
        hours = campaign_of(home, name)["window"]
        assert (hours["zone"], hours["holidays"], hours["recipient_zone"]) == ("Asia/Tokyo", ["JP"], "zone")
    assert campaign_of(home, "a")["weight"] == 4
    assert campaign_of(home, "b")["priority"] == 9
    assert moment(campaign_of(home, "b")["first_due"]).weekday() == 5
    refused = home("send", people, "-t", message, "-a", "outbox", "--name", "c", "--window", "never", "--json")
    assert refused.code == 2
    assert home("campaign", "list", "--json").json["count"] == 2


PLAN = """\
name = "plan"
account = "outbox"
template = "message.txt"
weight = 2
[window]
hours = ["mon-fri 09:00-12:00, 13:00-17:00", "sat 10:00-14:00"]
zone = "Europe/Berlin"
holidays = "DE-BY"
closed = [2026-12-24, "2026-12-31"]
"""


def test_a_campaign_file_has_a_window(home: Home) -> None:
    home.write("campaign.toml", PLAN)
    done = home("campaign", "apply", home.folder, "--json")
    assert done.code == 0, done.err
    shown = campaign_of(home, "plan")
    assert shown["window"]["hours"] == "mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00"
    assert shown["window"]["closed"] == ["2026-12-24", "2026-12-31"]
    assert shown["weight"] == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('hours = "9-17"\nzone = "CEST"', "window.zone"),
        ('hours = "9-17"\nopen = 3', "window.open"),
        ('zone = "UTC"', "window.hours"),
    ],
)
def test_a_wrong_window_in_a_campaign_file_names_the_file_and_makes_nothing(home: Home, wrong: str, words: str) -> None:
    head = PLAN.partition("[window]")[0]
    home.write("campaign.toml", f"{head}[window]\n{wrong}\n")
    done = home("campaign", "apply", home.folder, "--json")
    assert done.code == 2
    assert words in done.err or words in json.dumps(done.json)
    assert home("campaign", "list", "--json").json["count"] == 0
