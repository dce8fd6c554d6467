"""How fast, how fast it should be, and when it ends: the same answer for a campaign, its batches and the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.config import load_config
from storage.batch_facts import last_due_by_batch
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.console.world import NOON, SENT, World
from tui.cli.facts import add_pace
from tui.ends import ends_of
from tui.explaining import asked_by
from tui.foreseeing import Foresight
from tui.link import ATTACHED, NONE, LinkState
from tui.pace import batch_finish, campaign_finish, ceiling, eta_text, finish, meant, pace_text, planned, wanted
from tui.screens.campaign import load
from tui.screens.why import why

EARLY = '{hours = "daily 08:00-10:00", zone = "Europe/Berlin"}'


def rates(sent: int, minutes: int = 5) -> list[dict[str, int]]:
    return [{"minute": NOON - i * MINUTE, "sent": sent, "failed": 0, "other": 0, "duration": 0} for i in range(minutes)]


@pytest.mark.parametrize(
    ("pacing", "per_minute"),
    [
        ({"mode": "steady", "rate": "60/min"}, 60.0),
        ({"mode": "steady", "rate": "12/h"}, 0.2),
        ({"mode": "human", "gap_min": "15m", "gap_max": "45m"}, 1 / 30),
        ({"mode": "human", "gap_min": "15m", "gap_max": "45m", "burst": 3, "rest": "90m"}, 1 / 60),
        ({"mode": "steady", "spread": True}, None),
        ({"mode": "blast", "concurrency": 5, "batch_delay": "3s"}, 100.0),
        ({"mode": "blast", "concurrency": 5, "batch_delay": "0s"}, None),
    ],
)
def test_a_pacing_is_meant_to_reach_a_rate(pacing: dict[str, Any], per_minute: float | None) -> None:
    assert wanted(pacing) == pytest.approx(per_minute) if per_minute else wanted(pacing) is None


def test_an_account_holds_its_campaigns_together_to_its_own_ceiling() -> None:
    def row(account: str, rate: str) -> dict[str, Any]:
        shares = [{"account": account, "left": 90_000}]
        return {"state": "active", "pacing": {"mode": "steady", "rate": rate}, "shares": shares}

    rows = [row("a", "60/min"), row("a", "30/min"), row("b", "10/min")]
    assert planned(rows, {}) == pytest.approx(100)
    assert planned(rows, {"a": {"caps": [[50, MINUTE], [48_000, DAY]], "min_gap": 0}}) == pytest.approx(
        43.333, abs=0.01
    )
    assert planned([{**rows[0], "state": "paused"}], {}) is None
    free = {**rows[0], "pacing": {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}}
    assert planned([free], {}) is None
    assert planned([free], {"a": {"caps": [], "min_gap": 2 * SECOND}}) == ceiling({"min_gap": 2 * SECOND}) == 30


def test_a_campaign_is_meant_to_reach_what_its_account_allows_unless_all_of_it_fits_under_the_cap() -> None:
    share = {"account": "a", "caps": [{"n": 12, "period": DAY}, {"n": 50, "period": MINUTE}], "min_gap": 0}
    row = {"state": "active", "pacing": {"mode": "steady", "rate": "20/min"}}
    held = {"a": {"caps": [[12, DAY], [50, MINUTE]], "min_gap": 0}}
    for left, reached in ((13, 12 * MINUTE / DAY), (12, 20.0)):
        campaign = {**row, "shares": [{**share, "left": left}]}
        assert meant(campaign) == planned([campaign], held) == pytest.approx(reached)
    pacing = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}

    def free(min_gap: int) -> dict[str, Any]:
        return {"pacing": pacing, "shares": [{"account": "a", "left": 12, "caps": [], "min_gap": min_gap}]}

    assert meant(free(0)) is None and meant(free(2 * SECOND)) == 30


def test_each_account_of_a_campaign_adds_its_own_pace_under_its_own_ceiling() -> None:
    """People are spread over the accounts, each of which plans by itself."""
    tight = {"account": "a", "left": 30, "caps": [{"n": 6, "period": MINUTE}], "min_gap": 0}
    wide = {"account": "b", "left": 30, "caps": [], "min_gap": 0}
    row = {"state": "active", "pacing": {"mode": "steady", "rate": "20/min"}, "shares": [tight, wide]}
    limits = {"a": {"caps": [[6, MINUTE]], "min_gap": 0}, "b": {"caps": [], "min_gap": 0}}
    assert meant(row) == planned([row], limits) == pytest.approx(6 + 20)
    alone = {**row, "shares": [tight]}
    assert planned([row, alone], limits) == pytest.approx(6 + 20), (
        "the ceiling of an account is for all of its campaigns"
    )


@pytest.mark.parametrize(
    ("got", "want", "text"),
    [(59.4, 60.0, "59/60 min"), (0.0, 1 / 54, "0/1.1 h"), (3.36, 10.0, "3.4/10 min"), (672.0, None, "672/min"),
     (0.0, 0.0, "0/0 min"), (245.0, 30 * MINUTE / DAY, "245/<0.1 min"), (0.0, 5 * MINUTE / (7 * DAY), "0/<0.1 h"),
     (0.02, 60.0, "<0.1/60 min")],
)  # fmt: skip
def test_pace_is_what_is_reached_of_what_is_meant(got: float, want: float | None, text: str) -> None:
    assert pace_text(got, want) == text


def test_the_end_is_the_latest_of_plan_rate_and_limits() -> None:
    since = NOON - HOUR
    assert finish(0, None, [], NOON, since=since) is None
    assert finish(10, None, [], NOON, since=since) is None
    assert finish(10, NOON + HOUR, rates(60), NOON, since=since) == NOON + HOUR
    slow = finish(600, NOON, rates(6), NOON, since=since)
    assert slow is not None
    assert NOON + 90 * MINUTE < slow < NOON + 130 * MINUTE

    def account(left: int, caps: Sequence[dict[str, Any]] = (), min_gap: int = 0) -> dict[str, Any]:
        return {"left": left, "caps": caps, "min_gap": min_gap}

    cap = {"n": 100, "period": DAY, "used": 100, "frees_at": NOON + 3 * HOUR}
    assert finish(10, NOON, rates(60), NOON, since=since, shares=[account(10, [cap])]) == NOON + 3 * HOUR
    assert finish(301, NOON, rates(600), NOON, since=since, shares=[account(301, [cap])]) == NOON + 3 * DAY
    assert finish(11, NOON, [], NOON, since=since, shares=[account(11, min_gap=MINUTE)]) == NOON + 10 * MINUTE
    two = [account(11, min_gap=MINUTE), account(21, min_gap=MINUTE)]
    assert finish(32, NOON, [], NOON, since=since, shares=two) == NOON + 20 * MINUTE, "they send side by side"


def test_one_campaign_and_its_only_batch_end_at_the_same_time(world: World) -> None:
    world.campaign("letters", 40, pacing={"mode": "steady", "rate": "10/min"})
    world.send("smtp-eu-1", [SENT] * 8, step=12 * SECOND)
    now = world.clock.at
    with Reader(world.database) as reader:
        data = load(reader, now, "letters", "batches", 0, LinkState(ATTACHED), Foresight())
    assert [row["ends_at"] for row in data["rows"]] == [campaign_finish(data["campaign"], now)]
    assert eta_text(data["rows"][0]["ends_at"], now) != "-"


def test_the_last_of_several_batches_ends_with_the_campaign_and_older_ones_before(world: World) -> None:
    world.campaign("letters", 20, pacing={"mode": "steady", "rate": "10/min"})
    world.people("letters", [f"more.{i}@example.net" for i in range(20)])
    with Reader(world.database) as reader:
        data = load(reader, NOON, "letters", "batches", 0, LinkState(ATTACHED), Foresight())
        ends = [row["ends_at"] for row in data["rows"]]
        assert len(ends) == 2
        assert ends[0] == campaign_finish(data["campaign"], NOON)
        assert ends[1] < ends[0]
        assert set(last_due_by_batch(reader, data["campaign"]["id"])) == {row["id"] for row in data["rows"]}
        stands = {**data["campaign"], "state": "paused"}
        assert batch_finish(stands, data["rows"][0], 0, NOON, NOON) is None


def test_a_spent_cap_is_why_a_campaign_stands(world: World) -> None:
    world.campaign("letters", 20, pacing={"mode": "blast", "concurrency": 20, "batch_delay": "0s"})
    world.send("smtp-eu-1", [SENT] * 6)
    now = world.clock.at
    queue = world.run(world.store.get_queue("smtp-eu-1"))

    def said(limits: dict[str, object], link: LinkState = LinkState(ATTACHED), **more: Any) -> str:  # noqa: B008
        world.run(world.store.set_limits(queue.id, limits))
        with Reader(world.database) as reader:
            return why(asked_by(reader, now, link).campaign("letters").brief(), now, **more)

    assert said({"caps": ["6/h"]}) == "cap full 6/6 h, next slot 15:02:01Z (in 59m)"
    assert said({"caps": ["7/h"]}) == "it is next: it begins when the engine has looked"
    assert said({"min_gap": "1m"}) == "minimum gap of the queue, 1m, next slot 14:03:06Z (in 1m)"
    assert said({}, LinkState(NONE), named=None) == "no engine runs, so nothing is sent: paceline engine run"
    world.call("engine.pause")
    assert said({}, named=None) == "everything is paused: paceline engine resume"


def test_lists_know_whose_windows_never_open_before_any_engine_wrote_the_limits(world: World) -> None:
    """Those of the configuration are taken then, as explain does."""
    path = world.config_path
    path.write_text(path.read_text().replace("[accounts.smtp-eu-2]", f"window = {EARLY}\n[accounts.smtp-eu-2]"))
    world.context.config = load_config(path)
    window = {"hours": "daily 09:00-12:00", "zone": "Europe/Berlin", "recipient_zone": "tz"}
    pacing = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}
    world.call("campaign.new", name="letters", account="smtp-eu-1", subject="-", text="-", pacing=pacing, window=window)
    world.people("letters", ["near@example.org"], tz="Europe/Berlin")
    world.people("letters", ["far@example.org", "off@example.org"], tz="America/New_York")
    world.call("campaign.live", name="letters")
    world.call("campaign.start", name="letters")

    def told(foresight: Foresight) -> str:
        with Reader(world.database) as reader:
            (row,) = foresight.adding("rows", lambda reader, now: {"rows": reader.campaigns()})(reader, NOON)["rows"]
            return "never" if row["never_open"] == 2 else f"{row['never_open']} never open"

    assert told(Foresight(lambda: load_config(path))) == "never"
    with Reader(world.database) as reader:
        (end,) = ends_of(reader, load_config(path), ["letters"], NOON)
        row = reader.campaign("letters")
        add_pace(reader, row, {}, NOON, lambda: load_config(path))
    assert end.never_open == row["never_open"] == 2, "so do the commands"
    path.write_text("[accounts.smtp-eu-1")
    assert told(Foresight(lambda: load_config(path))) == told(Foresight()) == "0 never open", "nothing is known then"
