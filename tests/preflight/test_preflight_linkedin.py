"""What a preflight says of LinkedIn invitations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import load_config
from engine.preflight.examine import examine
from engine.preflight.findings import Finding, Severity
from tests.console.world import World

ACCOUNT = """\
[accounts.me]
channel = "unipile"
url = "https://api1.unipile.com:13111"
account_id = "acc-1"
api_key = { env = "NOT_SET_HERE" }
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def findings(world: World, people: int, *, settings: str = "", text: str = "Hi {{ first_name }}") -> dict[str, Finding]:
    """The lines of a draft with so many people, by check."""
    world.config_path.write_text(ACCOUNT + settings)
    world.context.config = load_config(world.config_path)
    world.call("campaign.new", name="inv", account="me", text=text)
    begun = world.call("recipients.begin", campaign="inv", source="people.csv")["import_id"]
    rows = [(i, f"p{i}@example.org", f"p{i}@example.org", {"first_name": "Ana"}, f"person-{i}") for i in range(people)]
    world.call("recipients.rows", import_id=begun, rows=rows)
    world.call(
        "recipients.commit",
        **{"import_id": begun, "campaign": "inv", "rows": people, "imported": people, "rejected": 0, "duplicates": 0},
    )
    world.call("campaign.live", name="inv")
    report = world.run(examine(world.store.read, world.context.config, "inv", now=world.clock.now()))
    return {finding.check: finding for finding in report.findings}


def test_more_notes_than_a_free_account_may_send_are_told(world: World) -> None:
    told = findings(world, 6, settings='plan = "free"\n')["notes"]
    assert told.severity is Severity.WARNS
    assert "5 notes a month, and 6 invitations" in told.message


@pytest.mark.parametrize(("people", "plan"), [(5, "free"), (50, "paid")])
def test_notes_that_may_be_sent_are_not(world: World, people: int, plan: str) -> None:
    assert "notes" not in findings(world, people, settings=f'plan = "{plan}"\n')


def test_invitations_without_a_window_warn(world: World) -> None:
    assert findings(world, 1)["hours"].severity is Severity.WARNS


def test_invitations_within_a_window_do_not(world: World) -> None:
    assert findings(world, 1, settings='window = "mon-fri 09:00-17:00"\n')["hours"].severity is Severity.OK


def test_a_key_that_cannot_be_read_is_told_and_the_dns_is_not_asked(world: World) -> None:
    found = findings(world, 1)
    assert "NOT_SET_HERE is not set" in found["credentials"].message
    assert found["dns"].severity is Severity.SKIPPED
