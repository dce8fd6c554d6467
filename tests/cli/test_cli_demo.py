"""`paceline demo` without a terminal: to the end, twice, equal to the relay's own ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Home
from tui.demo.rules import BELIEVABLE, Fate
from tui.demo.setup import CAMPAIGNS, make_place
from tui.demo.work import lay_out


@dataclass(frozen=True)
class Twice:
    """A demo that was run to its end two times in one place, by somebody whose own store would stand at `own`."""

    place: Path
    own: Path
    first: Done
    second: Done


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Twice:
    folder = tmp_path_factory.mktemp("demo")
    home, place = Home(folder, lambda: None), folder / "demo"
    mine = {"PACELINE_DB": str(home.database), "PACELINE_CONFIG": str(home.config)}
    first = home.program("demo", "--dir", place, **mine)
    return Twice(place, home.database, first, home.program("demo", "--dir", place, "--json", **mine))


def test_the_demo_ends_equal_to_the_ledger_and_again_the_second_time(twice: Twice) -> None:
    assert twice.first.code == 0, twice.first.err
    assert re.search(r"^anybody twice +nobody$", twice.first.out, re.MULTILINE)
    assert "\nequal\n" in twice.first.out
    assert twice.second.code == 0, twice.second.err
    assert "new ones replace them" in twice.second.err
    found = twice.second.json
    assert found["equal"] is True
    assert found["state"] == "completed"
    assert found["counts"]["completed"] == found["ledger"]["accepted"] == found["ledger"]["people"]
    invited = found["invitations"]
    assert invited["state"] == "completed"
    assert invited["counts"]["completed"] == invited["ledger"]["people"] == 11
    assert invited["counts"]["skipped"] == 2, "one was connected, one had an invitation already"
    assert invited["counts"]["failed"] == 1
    assert (twice.place / "previous" / "paceline.db").exists()
    assert not twice.own.exists()


def test_a_pipeline_ran_beside_the_campaigns_and_waits_for_a_person(twice: Twice) -> None:
    shown = " ".join(twice.first.out.split())
    assert "150 discovered, 120 scored, 75 high priority, 75 uncontacted, 50 selected, 50 generated, 50 queued" in shown
    assert "0 sent, 50 held: they wait for your approval" in shown
    found = twice.second.json
    assert (found["pipeline"]["state"], found["pipeline"]["flag"]) == ("completed", "")
    assert found["pipeline"]["result"]["prospectsQueued"] == found["prospects"]["counts"]["held"] == 50
    assert not (twice.place / "approved").exists(), "nobody approved anything"


def test_the_schedules_wait_for_their_time(twice: Twice) -> None:
    schedules = {one["schedule"]: one["next_at"] for one in twice.second.json["schedules"]}
    assert set(schedules) == {"daily-prospects", "process-opportunities", "cleanup-old-data"}
    assert re.search(r"T1[23]:00:00", schedules["daily-prospects"]), "08:00 in New York, in summer or in winter"
    assert schedules["process-opportunities"].endswith(":00:00.000000Z")


def test_what_somebody_changed_in_the_demos_work_folder_stays(empty: Home) -> None:
    place, _ = make_place(empty.folder / "demo")
    mine = lay_out(place) / "prospects" / "message.txt"
    mine.write_text("Subject: Mine\n\nHello\n")
    assert lay_out(place) == place.folder / "work"
    assert mine.read_text().startswith("Subject: Mine")
    assert (place.folder / "work" / "opportunities.csv").exists()


def test_the_demo_refuses_a_folder_with_other_files(empty: Home) -> None:
    place = empty.folder / "mine"
    place.mkdir()
    (place / "letter.txt").write_text("precious")
    done = empty("demo", "--dir", place)
    assert done.code == 4
    assert "not a demo's" in done.err
    assert [path.name for path in place.iterdir()] == ["letter.txt"]


def test_only_the_demos_own_files_are_put_away(empty: Home) -> None:
    folder = empty.folder / "demo"
    make_place(folder)
    for name in ("paceline.db", "ledger.jsonl", "notes.txt"):
        (folder / name).write_text(name)
    make_place(folder)
    assert (folder / "notes.txt").read_text() == "notes.txt"
    assert sorted(path.name for path in (folder / "previous").iterdir()) == ["ledger.jsonl", "paceline.db"]


def test_the_example_meets_every_kind_of_trouble() -> None:
    addresses = [line.split(",")[0] for line in (CAMPAIGNS / "welcome" / "people.csv").read_text().splitlines()[1:]]
    assert len(addresses) == len(set(addresses)) == 200
    assert all(address.endswith(("@example.com", "@example.org", "@example.net")) for address in addresses)
    assert {BELIEVABLE.fate(address) for address in addresses} == set(Fate)


@pytest.mark.parametrize("name", ["welcome", "follow-up", "introductions", "prospects", "schedules", "jobs"])
def test_the_examples_are_the_ones_in_examples(name: str) -> None:
    assert (Path(__file__).parents[2] / "examples" / name).resolve() == CAMPAIGNS / name


def test_the_second_campaign_shows_its_forecast_timeline_and_why(empty: Home, twice: Twice) -> None:
    assert "follow-up" in twice.first.out
    there = ("--db", twice.place / "paceline.db", "--config", twice.place / "paceline.toml", "campaign")
    forecast = empty.program(*there, "forecast", "follow-up", "--json").json
    assert forecast["open"] == 40
    assert len(forecast["days"]) >= 4, "twelve a day at most"
    assert max(day["account_sends"] for day in forecast["days"]) <= 12
    answer = empty.program(*there, "explain", "follow-up", "--json").json
    assert "no engine runs" in answer["why"]
    assert {gate["gate"]: gate["open"] for gate in answer["gates"]}["cap"] is True
    coming = empty.program(*there, "timeline", "follow-up", "--json").json["coming"]
    assert all(later["gap_seconds"] >= 0 for later in coming[1:])
