"""init, accounts, doctor, db: a home and its care."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Home, RunningRelay, add_relay


def test_init_makes_both_files_for_the_owner_only_and_says_the_next_step(empty: Home) -> None:
    done = empty("init")
    assert done.code == 0
    assert "paceline account test" in done.err
    assert [stat.S_IMODE(p.stat().st_mode) for p in (empty.config, empty.database)] == [0o600, 0o600]


def test_init_makes_its_folders_private(empty: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_DB", str(empty.folder / "deep" / "er" / "p.db"))
    assert empty("init").code == 0
    assert stat.S_IMODE((empty.folder / "deep" / "er").stat().st_mode) == 0o700


def test_init_refuses_to_overwrite(home: Home) -> None:
    before = home.config.read_bytes(), home.database.read_bytes()
    assert home("init").code == 4
    assert (home.config.read_bytes(), home.database.read_bytes()) == before


def test_init_keeps_a_configuration_and_makes_what_is_missing(home: Home) -> None:
    home.database.unlink()
    done = home("init", "--json")
    assert done.json["made"] == [str(home.database)]


def test_an_account_is_appended_listed_without_its_secret_and_tested(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port, "--username", "me", "--password-env", "RELAY_PASSWORD")
    listed = {row["account"]: row for row in home("account", "list", "--json").json["accounts"]}
    assert listed["relay"]["password"] == "environment variable RELAY_PASSWORD"
    assert "# What every account gets" in home.config.read_text()
    done = home("account", "test", "relay")
    assert done.code == 1
    assert "RELAY_PASSWORD is not set" in done.err


def test_an_account_that_answers_is_ready(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    done = home("account", "test", "relay", "--json")
    assert (done.code, done.json["success"]) == (0, True)


def test_a_password_has_one_place_only(home: Home) -> None:
    argv = ("account", "add", "x", "--channel", "smtp", "--host", "h", "--from", "a@example.com", "--username", "u")
    done = home(*argv, "--password-env", "A", "--password-file", "b")
    assert done.code == 2
    assert "one place only" in done.err


def test_doctor_finds_a_sound_home_sound(home: Home) -> None:
    done = home("doctor", "--json")
    assert done.code == 0
    assert {"configuration", "store", "counters", "engine", "disk", "sqlite"} <= {
        finding["check"] for finding in done.json["findings"]
    }


def test_doctor_names_every_problem_with_its_remedy(home: Home) -> None:
    add_relay(home, 2525, "--username", "me", "--password-env", "NOT_SET_HERE")
    home.database.chmod(0o644)
    done = home("doctor", "--json")
    problems = [finding for finding in done.json["findings"] if finding["level"] == "problem"]
    assert done.code == 1
    assert {problem["check"] for problem in problems} == {"account", "rights"}
    assert all(problem["remedy"] for problem in problems)


def test_doctor_says_what_is_missing(empty: Home) -> None:
    done = empty("doctor")
    assert done.code == 1
    assert "paceline init" in done.out


def test_a_backup_is_whole_private_and_never_overwrites(drafted: Home) -> None:
    target = drafted.folder / "copy.db"
    assert drafted("db", "backup", target).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert drafted("campaign", "show", "spring", "--db", target, "--json").json["recipients"] == 3
    assert drafted("db", "backup", target).code == 4


def test_check_recounts_the_counters(drafted: Home) -> None:
    import sqlite3

    drafted("campaign", "start", "spring")
    assert drafted("db", "check").code == 0
    connection = sqlite3.connect(drafted.database)
    connection.execute("UPDATE counters SET n = n + 1 WHERE state = 'pending'")
    connection.commit()
    connection.close()
    done = drafted("db", "check", "--json")
    assert done.code == 1
    assert done.json["problems"] == ["counter of campaign 1, batch 1, queue 1: pending says 4, there are 3 jobs"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "there is no store"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"x" * 8192), "damaged"),
    ],
)
def test_a_store_that_is_missing_emptied_or_damaged_is_never_replaced(home: Home, damage: object, words: str) -> None:
    assert callable(damage)
    damage(home.database)
    before = home.database.read_bytes() if home.database.exists() else None
    for argv in (("campaign", "list"), ("engine", "pause"), ("engine", "run", "--until-idle")):
        done = home(*argv)
        assert done.code == 3, argv
        assert words in done.err
        assert "Traceback" not in done.err
    assert (home.database.read_bytes() if home.database.exists() else None) == before


def test_a_store_of_a_newer_program_is_left_alone(home: Home) -> None:
    import sqlite3

    connection = sqlite3.connect(home.database)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    done = home("campaign", "list")
    assert done.code == 3
    assert "newer" in done.err


def test_a_mistake_in_the_configuration_names_file_and_line(home: Home) -> None:
    home.config.write_text('zone = "Mars/Base"\n')
    done = home("account", "list")
    assert done.code == 2
    assert f"{home.config}:1: zone: " in done.err


def test_the_configuration_of_an_unreadable_place_is_a_sentence(home: Home) -> None:
    done = home("account", "list", "--config", Path("/nonexistent/p.toml"))
    assert done.code == 2
    assert "does not exist" in done.err
