"""`explain` of a campaign, a job and a queue: as text for people and as JSON, with an engine and without."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Home

NO_ENGINE = "no engine runs, so nothing is sent: paceline engine run"


@pytest.fixture
def started(drafted: Home) -> Home:
    assert drafted("campaign", "live", "spring", "--yes").code == 0
    assert drafted("campaign", "start", "spring", "--yes").code == 0
    return drafted


def test_a_draft_says_how_it_is_started(drafted: Home) -> None:
    told = drafted("campaign", "explain", "spring")
    assert told.code == 0
    assert "draft, not started" in told.out
    assert "paceline campaign start spring" in told.out


def test_a_started_campaign_without_an_engine_says_so_for_all_three(started: Home) -> None:
    job = started("job", "list", "--json").json["jobs"][0]["id"]
    for words in (("campaign", "explain", "spring"), ("job", "explain", job), ("queue", "explain", "outbox")):
        data = started(*words, "--json").json
        assert data["why"] == NO_ENGINE
        assert data["holding"]["gate"] == "engine"
        assert data["holding"]["needs_person"] is True
        assert data["opens_at"] is None
        names = [gate["gate"] for gate in data["gates"]]
        assert names.index("window") < names.index("minimum gap") < names.index("breaker") < names.index("engine")
        assert NO_ENGINE in started(*words).out
    assert [row["campaign"] for row in started("queue", "explain", "outbox", "--json").json["campaigns"]] == ["spring"]
    assert started("campaign", "show", "spring", "--json").json["why"] == NO_ENGINE


def test_times_are_iso_in_json_and_of_the_configured_zone_for_people(started: Home) -> None:
    assert started("campaign", "pause", "spring").code == 0
    held = started("campaign", "explain", "spring", "--json").json["holding"]
    assert held["since_at"].endswith("Z")
    assert held["remedy"] == "paceline campaign resume spring"
    assert "HOLDS" in started("campaign", "explain", "spring").out


def test_what_was_sent_says_when(started: Home) -> None:
    assert started.program("engine", "run", "--until-idle").code == 0
    job = started("job", "list", "--json").json["jobs"][0]["id"]
    data = started("job", "explain", job, "--json").json
    assert (data["state"], data["holding"], data["gates"]) == ("completed", None, [])
    assert data["said"] == "sent: the server accepted it"
    assert data["said_at"].endswith("Z")


def test_a_configured_account_that_never_ran_has_a_queue_too(home: Home) -> None:
    data = home("queue", "explain", "outbox", "--json").json
    assert data["state"] == "ready"
    assert data["campaigns"] == []


@pytest.mark.parametrize("words", [("campaign", "explain", "no"), ("job", "explain", "99"), ("queue", "explain", "no")])
def test_what_there_is_not_is_named(home: Home, words: tuple[str, ...]) -> None:
    done = home(*words)
    assert done.code != 0
    assert "there is no" in done.err


def test_explaining_is_reading(started: Home) -> None:
    assert started("campaign", "explain", "spring", "--read-only", "--json").code == 0
