"""SIGKILL to a real engine within a pipeline's run: the next one goes on at its stage, and nothing is there twice."""

from __future__ import annotations

import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.processors.daily_prospects import DailyProspects
from storage.pipeline_facts import runs
from storage.reader import Reader
from tests.support.child import end_child, start_child
from tui.cli.init import make_database
from tui.cli.session import Session

EXAMPLE = Path(__file__).parents[2] / "examples" / "prospects"
CONFIG = """\
[accounts.outbox]
channel = "outbox"
folder = "outbox"
from_name = "Example"
from_address = "sender@example.com"

[jobs]
folder = {folder!r}
"""


@pytest.fixture
def place(tmp_path: Path) -> Session:
    """A store with the example's campaign and one run that nobody has begun."""
    here = Session(tmp_path / "p.db", tmp_path / "p.toml")
    here.config_file.write_text(CONFIG.format(folder=str(EXAMPLE)))
    make_database(here.db)
    letter = (EXAMPLE / "message.txt").read_text("utf-8").partition("\n\n")[2]
    new = {"name": "prospects", "account": "outbox", "subject": "Hello", "text": letter, "approval": "message"}
    here.call("campaign.new", new)
    payload = tomllib.loads((EXAMPLE / "pipeline.toml").read_text("utf-8"))
    here.call("job.add", {"kind": DailyProspects.kind, "payload": payload})
    return here


def run_of(here: Session) -> dict[str, Any]:
    with Reader(here.db) as reader:
        [run] = runs(reader, DailyProspects.kind)
    return run


@pytest.mark.parametrize(
    ("point", "at", "stage"),
    [
        ("after a stage's end is kept", 2, "rank"),
        ("before a stage's end is kept", 4, "draft"),
        ("before the drafts' commit", 1, "queue"),
        ("before a stage's end is kept", 5, "queue"),
        ("before a stage's end is kept", 6, "events"),
    ],
)
def test_a_killed_run_goes_on_at_its_stage(place: Session, point: str, at: int, stage: str) -> None:
    code, err = end_child(start_child(place.db, place.config_file, point=point, at=at))
    assert code == -signal.SIGKILL, err
    killed = run_of(place)
    done = {one["name"]: one for one in killed["stages"] if one["state"] == "done"}
    open_ones = [one["name"] for one in killed["stages"] if one["state"] != "done"]
    assert (killed["state"], open_ones[0]) == ("processing", stage)

    code, err = end_child(start_child(place.db, place.config_file))
    assert code == 0, err
    run = run_of(place)
    assert (run["state"], run["flag"], run["result"]["errors"]) == ("completed", "", [])
    assert [run["result"][name] for name in DailyProspects.funnel] == [150, 120, 75, 75, 50, 50, 50]
    assert {name: one for name, one in done.items() if run["stages"][one["position"] - 1] != one} == {}
    with Reader(place.db) as reader:
        told = reader.rows("SELECT kind, count(*) AS n FROM events WHERE kind LIKE '%queue%' GROUP BY kind ORDER BY 1")
        people = reader.rows("SELECT count(*) AS n, count(DISTINCT address_key) AS each FROM recipients")
        messages = reader.rows(
            "SELECT count(*) AS n, count(DISTINCT j.recipient_id) AS people FROM jobs j "
            "JOIN approvals a ON a.job_id = j.id AND a.decision = '' JOIN letters l ON l.job_id = j.id "
            "WHERE j.state = 'held' AND j.reason = 'approval'"
        )
        assert reader.counter_drift() == []
    assert {row["kind"]: row["n"] for row in told} == {"daily_queue_completed": 1, "email_queued_for_approval": 50}
    assert people == [{"n": 50, "each": 50}]
    assert messages == [{"n": 50, "people": 50}]
