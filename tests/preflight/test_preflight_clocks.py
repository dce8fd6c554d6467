"""What a preflight says of windows on each person's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config import load_config
from engine.preflight.examine import examine
from engine.preflight.findings import Finding, Severity
from tests.console.world import World

ACCOUNT = '[accounts.out]\nchannel = "outbox"\nfolder = "out"\nfrom_name = "Ana"\nfrom_address = "ana@example.com"\n'
MORNING = {"hours": "daily 09:00-12:00", "zone": "Europe/Berlin", "recipient_zone": "tz"}
BRIEFLY = 'window = { hours = "daily 08:00-10:00", zone = "Europe/Berlin" }\n'
ON_THEIR_CLOCKS = 'window = { hours = "daily 09:00-12:00", zone = "Europe/Berlin", recipient_zone = "tz" }\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def findings(world: World, people: dict[str, str], *, settings: str = "", **more: Any) -> dict[str, Finding]:
    """The lines of a draft with a person for each zone, by check."""
    world.config_path.write_text(ACCOUNT + settings)
    world.context.config = load_config(world.config_path)
    world.call("campaign.new", name="letters", account="out", subject="Hello", text="Hi", **more)
    for address, zone in people.items():
        world.people("letters", [address], tz=zone)
    report = world.run(examine(world.store.read, world.context.config, "letters", now=world.clock.now()))
    return {finding.check: finding for finding in report.findings}


PEOPLE = {
    "near@example.org": "Europe/Berlin",
    "far@example.org": "America/New_York",
    "lost@example.org": "Nowhere/Atall",
    "none@example.org": " ",
}


def noted(finding: Finding) -> list[tuple[str, str]]:
    return [(example.recipient, example.note) for example in finding.examples]


def test_who_is_never_open_together_with_the_account_is_named(world: World) -> None:
    told = findings(world, PEOPLE, settings=BRIEFLY, window=MORNING)["clocks"]
    assert (told.severity, told.count) == (Severity.WARNS, 1)
    assert noted(told) == [("far@example.org", "America/New_York")]
    assert "1 person is never written to" in told.message
    assert "[accounts.out]" in told.fix


@pytest.mark.parametrize(("settings", "more"), [("", {"window": MORNING}), (ON_THEIR_CLOCKS, {})])
def test_who_has_no_time_zone_is_named_whoever_set_the_window(
    world: World, settings: str, more: dict[str, Any]
) -> None:
    told = findings(world, PEOPLE, settings=settings, **more)
    assert "clocks" not in told
    assert told["zones"].severity is Severity.WARNS
    assert noted(told["zones"]) == [("lost@example.org", "Nowhere/Atall"), ("none@example.org", "none")]
    assert "2 people have no time zone in the field tz: the clocks of Europe/Berlin count" in told["zones"].message
    assert "--set tz=" in told["zones"].fix


def test_everybody_with_a_zone_is_in_order(world: World) -> None:
    told = findings(world, {"near@example.org": "Europe/Berlin", "far@example.org": "Asia/Tokyo"}, window=MORNING)
    assert told["zones"].severity is Severity.OK
    assert "clocks" not in told


def test_a_window_on_the_campaigns_own_clock_asks_for_no_zone(world: World) -> None:
    told = findings(world, PEOPLE, window={"hours": "daily 09:00-12:00", "zone": "Europe/Berlin"})
    assert not {"zones", "clocks"} & told.keys()
