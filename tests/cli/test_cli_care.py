"""doctor, db check, db recount: what is found in a store, with what to do about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.cli.conftest import Home


def by_hand(home: Home, *statements: str) -> None:
    """Change the store as a dead engine, or a database browser, would leave it."""
    with closing(sqlite3.connect(home.database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def findings(home: Home, *argv: str) -> dict[str, str]:
    """Message -> remedy of everything that is not in order."""
    found = home(*argv, "--json").json["findings"]
    return {finding["message"]: finding["remedy"] for finding in found if finding["level"] != "ok"}


def test_a_completed_campaign_with_open_messages_is_shown_with_what_to_do(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    by_hand(drafted, "UPDATE campaigns SET state = 'completed', completed_at = 1")
    said = "spring is completed, and 3 of its messages are open"
    assert findings(drafted, "doctor")[said] == "the next engine puts it right: paceline engine run"
    assert said in drafted("db", "check").out
    drafted("engine", "run", "--until-idle")
    assert said not in findings(drafted, "doctor")


def test_a_half_loaded_start_is_shown_with_what_to_do(drafted: Home) -> None:
    by_hand(
        drafted,
        "INSERT INTO batches (campaign_id, kind, name, state, created_by, created_at) "
        "VALUES (1, 'start', 'people.csv', 'loading', 'ada', 1)",
    )
    (remedy,) = [remedy for message, remedy in findings(drafted, "db", "check").items() if "start of spring" in message]
    assert "paceline engine run; then start again" in remedy
    assert drafted("db", "check").code == 0, "an engine that starts takes it back by itself"


def test_a_lost_index_is_a_problem(drafted: Home) -> None:
    by_hand(drafted, "DROP INDEX jobs_claim")
    done = drafted("db", "check")
    assert done.code == 1
    assert done.out == (
        "the index jobs_claim is missing\n"
        "  -> something else changed the file: stop the engine, then paceline db restore BACKUP\n"
    )


def test_messages_of_an_account_that_is_not_configured_are_a_problem(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    account = drafted("campaign", "show", "spring", "--json").json["account"]
    config = drafted.config.read_text()
    drafted.config.write_text(config.replace(f"[accounts.{account}]", "[accounts.other]"))
    said = f"3 messages wait for account {account}, which is not configured"
    assert findings(drafted, "doctor")[said] == "add it again under its name: paceline account add --help"
    assert drafted("doctor").code == 1


def test_a_recount_puts_counters_right(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    by_hand(drafted, "UPDATE counters SET n = n + 1 WHERE state = 'pending'")
    assert list(findings(drafted, "db", "check").values()) == ["with no engine running: paceline db recount"]
    assert drafted("db", "recount", "--read-only").code == 4
    assert drafted("db", "check").code == 1
    assert drafted("db", "recount").out == "1 counters were wrong and are right now\n"
    assert drafted("db", "check").out == "sound: integrity is ok, the counters equal a recount\n"
    assert drafted("db", "recount", "--json").json == {"success": True, "wrong": 0}
