"""Limits, shares and windows tuned in the console, with a real engine: at once, in words, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.accounts import PRESETS
from engine.planning.caps import parse_cap
from engine.planning.pacing_settings import PROVIDERS, QUOTAS
from storage.errors import UsageError
from storage.model import DAY
from tests.console.looking import SIZES, Compare, console, shown
from tests.console.operating import Operator, operating
from tests.console.world import RecordingLink, World
from tui.screens.queue_limits import QueueLimitsScreen, asked
from tui.screens.window_fields import typed_part, with_part
from tui.screens.wizard_pacing import PROVIDER_NAMES, PacingScreen
from tui.widgets.grid import Grid

HOURLY = {"mode": "steady", "rate": "1/h"}


def letters(people: int = 4, **options: Any) -> Callable[[World], None]:
    return lambda world: world.campaign("letters", people, pacing=HOURLY, **options)


def tuning(operator: Operator) -> str:
    return str(operator.rows("SELECT tuning FROM queues WHERE name = 'smtp-eu-1'")[0]["tuning"])


async def on_limits(operator: Operator) -> None:
    await operator.press("6")
    await operator.row(name="smtp-eu-1")
    await operator.open(QueueLimitsScreen, "e")


async def test_a_limit_is_typed_answered_with_the_new_end_and_taken_back(fresh: World) -> None:
    async with operating(fresh, letters()) as operator:
        await on_limits(operator)
        await operator.choose("rate")
        await operator.says("30/min")
        await operator.told("cap 30/min; letters ends about")
        await operator.sees("tuned; configured none")
        assert tuning(operator) == '{"caps": ["30/min"]}'
        await operator.choose("caps")
        await operator.says("400/day, 2000/week calendar")
        await operator.sees("400/day, 2000/week calendar")
        assert tuning(operator) == '{"caps": ["30/min", "400/day", "2000/week calendar"]}'
        await operator.press("z")
        assert "tune limits smtp-eu-1" in await operator.answer("y")
        await operator.until(lambda: tuning(operator) == '{"caps": ["30/min"]}')
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: tuning(operator) == "{}")


async def test_the_list_marks_what_is_tuned_and_reset_clears_it(fresh: World) -> None:
    async with operating(fresh, letters()) as operator:
        await on_limits(operator)
        for name, text in (("concurrency", "2"), ("min_gap", "5s"), ("domain_gap", "1m"), ("warmup", "5+1..20")):
            await operator.choose(name)
            await operator.says(text)
            await operator.told("ok: queue smtp-eu-1")
        await operator.press("escape")
        await operator.sees("tuned at once, minimum gap, gap per domain")
        assert "tuned" in operator.view.query_one(Grid).text.split()
        await operator.open(QueueLimitsScreen, "e")
        await operator.choose("min_gap")
        await operator.says("reset")
        await operator.until(lambda: "min_gap" not in tuning(operator))
        await operator.choose("reset")
        await operator.until(lambda: tuning(operator) == "{}")


async def test_a_queues_window_is_made_part_by_part_and_plans_follow(fresh: World) -> None:
    async with operating(fresh, letters()) as operator:
        await on_limits(operator)
        await operator.choose(("window", "hours"))
        await operator.says("mon-fri 09:00-17:00")
        await operator.told("planned anew")
        for part, text in (("zone", "Europe/Berlin"), ("holidays", "DE-BY"), ("closed", "2030-12-24, 2030-12-31")):
            await operator.choose(("window", part))
            await operator.says(text)
            await operator.sees(text)
        assert '"closed": ["2030-12-24", "2030-12-31"]' in tuning(operator)
        await operator.choose(("window", "zone"))
        await operator.says("CEST")
        await operator.told("window.zone")
        await operator.choose(("window", "hours"))
        await operator.says("none")
        await operator.told("no window mon-fri 09:00-17:00 Europe/Berlin")
        await operator.choose(("window", "hours"))
        await operator.says("reset")
        await operator.until(lambda: tuning(operator) == "{}")


async def test_what_is_no_limit_changes_nothing(fresh: World) -> None:
    async with operating(fresh, letters(1, start=False)) as operator:
        await on_limits(operator)
        for name, text, words in (
            ("rate", "fast", "limits.rate"), ("concurrency", "many", "is no number"), ("caps", "", "nothing was typed"),
            ("concurrency", "none", "at least one"), ("warmup", "5", "is no warm-up"),
            ("min_gap", "soon", "limits.min_gap"),
        ):  # fmt: skip
            await operator.choose(name)
            await operator.says(text)
            await operator.told(words)
        assert tuning(operator) == "{}"


async def test_share_and_window_of_a_running_campaign_are_changed_by_e_and_taken_back(fresh: World) -> None:
    async with operating(fresh, letters()) as operator:
        await operator.on_campaign()
        await operator.open(PacingScreen, "e")
        for name, text in (("priority", "8"), ("weight", "3"), ("concurrency", "2")):
            await operator.choose(("share", name))
            await operator.says(text)
            await operator.told(f"{'at once' if name == 'concurrency' else name} {text}")
        row = operator.campaign("letters")
        assert (row["priority"], row["weight"], row["concurrency"]) == (8, 3, 2)
        await operator.choose(("window", "hours"))
        await operator.says("sat 10:00-14:00")
        await operator.told("messages planned anew; letters ends about")
        assert operator.campaign("letters")["hours"]["hours"] == "sat 10:00-14:00"
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: operator.campaign("letters")["hours"] == {})
        assert operator.campaign("letters")["weight"] == 3


async def test_a_drafts_window_and_the_pace_fit_for_a_provider_are_chosen_in_its_pacing_step(fresh: World) -> None:
    async with operating(fresh, letters(2, start=False)) as operator:
        await operator.on_campaign()
        await operator.open(PacingScreen, "e")
        await operator.sees("very safe: 5 at once, 3s between rounds")
        await operator.on(("way", 11))
        assert "LinkedIn paid: 15-90 min; 20/day, 100/week" in operator.screen
        await operator.press("enter")
        await operator.told("steady: 2/min")
        await operator.choose(("window", "hours"))
        await operator.says("daily 9-17")
        await operator.told("window mon-sun 09:00-17:00")
        assert operator.campaign("letters")["state"] == "draft"


async def test_a_line_tunes_at_once_and_without_values_it_opens_the_form(fresh: World) -> None:
    async with operating(fresh, letters()) as operator:
        await operator.press("colon")
        await operator.says('queue tune smtp-eu-1 --rate 30/min --cap "400/day" --window "daily 0-24"')
        await operator.told("ok: queue smtp-eu-1")
        assert '"caps": ["30/min", "400/day"]' in tuning(operator)
        await operator.press("colon")
        await operator.says("queue tune smtp-eu-1 --rate 1/h --dry-run")
        await operator.told("would have: cap 1/h")
        assert '"30/min"' in tuning(operator)
        await operator.press("colon")
        await operator.says("campaign tune letters --weight 9")
        await operator.told("letters: weight 9; letters ends about")
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: operator.campaign("letters")["weight"] == 1)
        for line, screen in (("queue tune smtp-eu-1", QueueLimitsScreen), ("campaign tune letters", PacingScreen)):
            await operator.press("colon")
            await operator.says(line)
            await operator.open(screen)
            await operator.press("1")
        await operator.press("colon")
        await operator.says("queue tune smtp-eu-1 --zone UTC")
        await operator.told("--zone needs the hours too")


async def test_a_read_only_console_tunes_nothing(fresh: World) -> None:
    async with operating(fresh, letters(), read_only=True) as operator:
        await operator.press("6")
        await operator.row(name="smtp-eu-1")
        await operator.press("e")
        await operator.told("read-only")
        for line in ("queue tune smtp-eu-1 --rate 1/h", "campaign tune letters --weight 2"):
            await operator.press("colon")
            await operator.says(line)
            await operator.told("read-only")
        assert tuning(operator) == "{}"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("rate", "30/min", {"set": {"rate": ["30/min"]}}),
        ("rate", "2/min, 40/h", {"set": {"rate": ["2/min", "40/h"]}}),
        ("rate", "none", {"set": {"rate": None}}),
        ("caps", " 400/day , 9/week ", {"set": {"caps": ["400/day", "9/week"]}}),
        ("caps", "None", {"set": {"caps": []}}),
        ("concurrency", "7", {"set": {"concurrency": 7}}),
        ("warmup", "5+1..20", {"set": {"warmup": {"start": 5, "step": 1, "growth": 0.0, "ceiling": 20}}}),
        ("window", "reset", {"reset": ["window"]}),
    ],
)
def test_what_is_typed_of_a_limit_becomes_a_tuning(name: str, text: str, wanted: dict[str, Any]) -> None:
    assert asked(name, text) == wanted


def test_a_part_of_a_window_is_typed_over_the_others() -> None:
    window = with_part(None, "hours", "daily 9-17")
    window = with_part(window, "closed", "2026-12-24, 2026-12-31,")
    assert typed_part(window, "closed") == "2026-12-24, 2026-12-31"
    assert with_part(window, "closed", "none")["closed"] == []
    assert with_part(window, "hours", "none") == {}
    with pytest.raises(UsageError):
        with_part(window, "zone", "")


def test_every_provider_has_a_pace_a_name_and_the_quota_that_its_accounts_begin_with() -> None:
    assert set(PROVIDERS) == set(QUOTAS) == set(PROVIDER_NAMES)
    days = {name: cap.n for name, caps in QUOTAS.items() for cap in map(parse_cap, caps) if cap.period == DAY}
    assert all(days[name] == preset["daily_cap"] for name, preset in PRESETS.items() if name in days)


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_limits(
    busy_world: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]
) -> None:
    async def before(pilot: Any) -> None:
        await shown(pilot)
        await pilot.app.push_screen(QueueLimitsScreen("smtp-eu-2"))
        await shown(pilot)

    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=before)
