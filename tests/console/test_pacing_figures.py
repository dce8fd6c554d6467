"""What the pacing step says that a pacing takes is what the start then answers."""

from __future__ import annotations

from typing import Any

import pytest

from engine.planning.limits import Limits
from engine.planning.pacing import Pacing
from storage.reader import Reader
from tests.console.world import World
from tui.screens.wizard import load
from tui.screens.wizard_pacing import takes

OFFICE = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
THEIRS = {**OFFICE, "recipient_zone": "tz"}
NIGHTS = {"hours": "daily 15:00-23:00", "zone": "Europe/Berlin"}
ZONES = ("America/New_York", "Asia/Tokyo", "", "Europe/Berlin")


def draft(world: World, pacing: dict[str, Any], window: dict[str, Any] | None, limits: dict[str, Any]) -> None:
    """Sixty people on clocks of their own; `limits` are those that the account is tuned to."""
    world.call(
        "campaign.new", name="letters", account="smtp-eu-1", subject="Hello", text="Hi", seed=7,
        pacing=pacing, **({"window": window} if window else {}),
    )  # fmt: skip
    for number in range(60):
        world.people("letters", [f"p{number}@example.org"], tz=ZONES[number % 4])
    world.call("queue.tune", name="smtp-eu-1", set=limits)
    world.call("campaign.live", name="letters")


@pytest.mark.parametrize("pacing", [{"mode": "blast"}, {"mode": "human", "gap_min": "15m", "gap_max": "20m"}], ids=str)
@pytest.mark.parametrize(
    ("window", "limits"),
    [
        (None, {}), (OFFICE, {}), (THEIRS, {}), (OFFICE, {"window": NIGHTS}), (None, {"window": THEIRS}),
        (OFFICE, {"warmup": {"start": 5, "step": 1, "ceiling": 20}}), (OFFICE, {"caps": ["12/day calendar"]}),
    ],
    ids=str,
)  # fmt: skip
def test_the_pacing_step_and_the_start_say_the_same(
    world: World, pacing: dict[str, Any], window: dict[str, Any] | None, limits: dict[str, Any]
) -> None:
    draft(world, pacing, window, limits)
    with Reader(world.store.path) as reader:
        data = load(reader, "letters")
    held = Limits(zone="Europe/Berlin").tuned(limits)
    told = takes(Pacing.from_dict(pacing), 60, data["campaign"], held, world.clock.now(), data["people"])
    assert f"takes {told}" in world.call("campaign.start", name="letters", dry_run=True)["estimate"]
