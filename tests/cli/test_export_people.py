"""`paceline export inbox` and `steps`: what came back and what each message of a sequence came to, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storage.reader import Reader
from tests.cli.conftest import Home

REPLY = (
    "From: {0}\nTo: me@example.com\nSubject: Re: Hello\nIn-Reply-To: <{1}>\n"
    "Date: Mon, 2 Mar 2026 10:20:00 +0100\n\nYes.\n"
)


@pytest.fixture
def written(home: Home) -> Home:
    """Two campaigns: one of two steps whose first message three people have and one of them answered, and a draft."""
    later = home.write("later.txt", "Subject: Again\n\nDear {first_name}, once more.\n")
    for command in (
        ("campaign", "new", "spring", "-a", "outbox", "-t", home.folder / "message.txt"),
        ("recipients", "import", home.folder / "people.csv", "-c", "spring"),
        ("campaign", "step", "add", "spring", "-t", later, "--wait", "3d", "--if", "no_reply"),
        ("campaign", "new", "summer", "-a", "outbox", "-t", home.folder / "message.txt"),
        ("campaign", "start", "spring", "--yes"),
        ("engine", "run", "--once"),
    ):
        done = home(*command)
        assert done.code == 0, done.err
    job = home("job", "list", "-c", "spring", "--state", "sent", "--json").json["jobs"][0]
    home.write("reply.eml", REPLY.format(job["address"], job["message_id"].strip("<>")))
    home.write("stranger.eml", REPLY.format("nobody@example.net", "unknown@example.net"))
    assert home("inbox", "read", home.folder / "reply.eml", home.folder / "stranger.eml").code == 0
    return home


def exported(home: Home, table: str, *more: object) -> list[dict[str, Any]]:
    target: Path = home.folder / f"{table}.jsonl"
    done = home("export", table, "--to", target, "--overwrite", *more)
    assert done.code == 0, done.err
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_what_came_back_is_exported_as_the_list_tells_it(written: Home) -> None:
    listed = written("inbox", "list", "--json").json["inbox"]
    rows = exported(written, "inbox")
    assert [row["kind"] for row in rows] == ["reply", "reply"]
    assert rows == [{name: one[name] for name in rows[0]} for one in reversed(listed)]
    assert [row["campaign"] for row in rows] == ["spring", None]
    assert exported(written, "inbox", "--campaign", "spring") == rows[:1]


def test_each_step_is_a_row_with_the_counts_of_its_messages(written: Home) -> None:
    rows = exported(written, "steps")
    assert [(row["campaign"], row["step"]) for row in rows] == [("spring", 1), ("spring", 2), ("summer", 1)]
    assert exported(written, "steps", "--campaign", "spring") == rows[:2]
    assert rows[1]["begins"] == "after 3d, only to those who have not replied"
    with Reader(written.database) as reader:
        found = reader.rows("SELECT step_id, state, count(*) AS n FROM jobs GROUP BY 1, 2")
    assert sum(rows[0][row["state"]] for row in found if row["step_id"] == 1) == 3
    for row in found:
        assert rows[row["step_id"] - 1][row["state"]] == row["n"]
    assert rows[2]["completed"] == 0


def test_a_job_names_the_step_that_it_is(written: Home) -> None:
    jobs = written("job", "list", "-c", "spring", "--json").json["jobs"]
    assert sorted(job["step"] for job in jobs)[:3] == [1, 1, 1]
    with Reader(written.database) as reader:
        places = {row["id"]: row["position"] for row in reader.rows("SELECT id, position FROM steps")}
    assert [job["step"] for job in jobs] == [places[job["step_id"]] for job in jobs]
    assert [row["step"] for row in exported(written, "jobs", "-c", "spring")] == [job["step"] for job in jobs]
