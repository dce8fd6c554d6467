"""The pure parts: figures, why lines, grouping, the grid's cursor, the link's states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult

from storage.lock import OwnerLock
from storage.model import HOUR, MINUTE, SECOND, Actor
from storage.reader import Reader
from tests.console.world import NOON, World
from tui import format
from tui.explaining import asked_by
from tui.failure_groups import grouped
from tui.link import ATTACHED, LOST, NONE, EngineLink, LinkState
from tui.lookup import action
from tui.screens.campaign import counts_line, overview
from tui.screens.campaign_tabs import batch_columns
from tui.screens.failures import group_detail
from tui.screens.overview import load as load_overview
from tui.screens.overview import needs
from tui.screens.why import why
from tui.widgets.columns import Column, Table
from tui.widgets.frame import FrameState, hints, status
from tui.widgets.grid import Grid


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0"), (9_999, "9999"), (12_480, "12.5k"), (418_000, "418k"), (1_250_000, "1.2M")]
)
def test_short_figures(n: int, text: str) -> None:
    assert format.short(n) == text


def test_a_hint_that_does_not_fit_makes_way_for_a_shorter_one_behind_it() -> None:
    actions = [action(id) for id in ("campaign.pause", "campaign.check", "campaign.pace", "campaign.cancel")]

    def row(width: int) -> str:
        return "".join(text for text, _ in hints(actions, (), width))

    assert row(80) == " p pause  b before a start: check  e pacing  X cancel "
    assert row(29) == " p pause  e pacing  X cancel "
    assert row(28) == " p pause  e pacing  X cancel "
    assert row(27) == " p pause  e pacing "


def test_a_bar_is_full_only_when_all_is_done() -> None:
    assert format.bar(0, 10, 10) == "[..........]"
    assert format.bar(1, 1_000, 10) == "[#.........]"
    assert format.bar(999, 1_000, 10) == "[#########.]"
    assert format.percent(999, 1_000) == "99%"


def test_a_rate_counts_part_minutes_by_their_part() -> None:
    rows = [{"minute": NOON - MINUTE * i, "sent": 60} for i in range(1, 6)]
    assert format.per_minute(rows, NOON) == pytest.approx(60)
    young = [{"minute": NOON, "sent": 20}]
    assert format.per_minute(young, NOON + 20 * SECOND, since=NOON) == pytest.approx(60)
    assert format.per_minute([], NOON) == 0


def test_wrapping_keeps_every_word_and_no_line_is_too_long() -> None:
    lines = format.wrap("one two " + "x" * 50 + " three", 20)
    assert all(len(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == "onetwo" + "x" * 50 + "three"


def test_every_campaign_says_why(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        said = {
            name: why(answer.brief(), NOON)
            for name, answer in asked_by(reader, NOON, LinkState(ATTACHED)).campaigns().items()
        }
        lost = asked_by(reader, NOON, LinkState(NONE)).campaign("receipts")
    assert "paused by guard (bounces): hard bounces 5.2% > 5%" in said["spring-sale"]
    assert said["reminder-q3"].startswith("draft, not started")
    assert said["newsletter-38"] == "sending: 1 in flight"
    assert said["receipts"].startswith("waits for its due time, due 15:")
    assert said["winback"].startswith("done (")
    assert said["test-ana"].startswith("cancelled")
    assert why(lost.brief(), NOON) == "no engine runs, so nothing is sent: E start an engine here"


def test_the_counts_of_a_campaign_add_up_to_its_total(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        for row in reader.campaigns():
            text = "".join(part for part, _ in counts_line(row, 120))
            figures = [int(word.replace(",", "")) for word in text.split() if word.replace(",", "").isdigit()]
            assert sum(figures) == row["total"]


def test_needs_are_sorted_by_urgency(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        found = needs(load_overview(reader, NOON, {}), NOON)
    assert [need.urgency for need in found] == sorted(need.urgency for need in found)
    assert found[0].what == "spring-sale"
    assert {"uncertain", "held", "group", "queue"} <= {need.scope for need in found}


def test_groups_join_the_campaigns_of_one_reason(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        groups = {row["error_key"]: row for row in grouped(reader.failures())}
    unknown = groups["550 5.1.1 user unknown"]
    assert unknown["n"] == unknown["failed"] == 9
    assert unknown["only_campaign"] is None
    assert "Dec 30 14:02Z .                      # 14:00Z" in "".join(
        t for line in group_detail(unknown, 80) for t, _ in line
    )
    assert groups["connection lost"]["retry"] == "ask"
    assert groups["452 4.2.2 mailbox full"]["retry"] == "yes"


class _Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield Grid()


def _table(ids: list[int]) -> Table:
    return Table([Column("ID", 0, lambda row: f"row {row['id']}")], [{"id": i} for i in ids], lambda row: row["id"])


async def test_the_cursor_follows_its_row_and_stays_near_when_it_is_gone() -> None:
    app = _Bare()
    async with app.run_test(size=(20, 6)) as pilot:
        grid = app.query_one(Grid)
        grid.show(_table(list(range(10))))
        grid.action_move("end")
        assert grid.current == {"id": 9}
        await pilot.pause()
        assert ">" in grid.text.splitlines()[-1]
        grid.show(_table([3, 9, 12]))
        assert grid.current == {"id": 9}
        grid.show(_table([3, 12]))
        assert grid.current == {"id": 12}
        grid.show(_table([]))
        assert grid.current is None


async def test_only_rows_that_changed_are_drawn_again() -> None:
    app = _Bare()
    async with app.run_test(size=(20, 6)) as pilot:
        grid = app.query_one(Grid)
        grid.show(_table([1, 2, 3]))
        await pilot.pause()
        drawn: list[object] = []
        grid.refresh = lambda *regions, **_: drawn.extend(regions)  # type: ignore[method-assign,assignment]
        grid.show(_table([1, 2, 3]))
        assert drawn == []
        grid.show(_table([1, 2, 4]))
        assert [region.y for region in drawn] == [2]  # type: ignore[attr-defined]


def test_a_link_attaches_loses_its_engine_and_comes_back(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    lock = OwnerLock.acquire(database, role="engine", socket_path="nowhere", now=1)
    link = EngineLink(database, Actor("ana"))
    assert link.state.word == ATTACHED
    lock.release()
    state = link.look(NOON)
    assert (state.word, state.since, state.next_try) == (LOST, NOON, NOON + SECOND)
    assert link.look(NOON + SECOND // 2) is state
    again = link.look(NOON + SECOND)
    assert (again.tries, again.next_try) == (1, NOON + 3 * SECOND)
    lock = OwnerLock.acquire(database, role="engine", socket_path="nowhere", now=1)
    assert link.look(NOON + 2 * SECOND) is again
    link.look_now()
    assert link.look(NOON + 2 * SECOND).word == ATTACHED
    lock.release()
    link.close()


@pytest.mark.parametrize("passed", [0, 1, 20, 59])
@pytest.mark.parametrize("apart", [61, 150, 3_700, 90_000])
def test_ages_of_a_minute_and_more_stand_still_until_the_clock_turns(passed: int, apart: int) -> None:
    """A screen at rest then has nothing to draw between two minutes; no age says more than has passed."""
    turn = NOON // MINUTE * MINUTE + MINUTE
    ages = {format.ago(turn - apart * SECOND, turn + second * SECOND) for second in (0, passed)}
    lefts = {format.soon(turn + MINUTE + apart * SECOND, turn + second * SECOND) for second in (1, passed or 1)}
    assert len(ages) == len(lefts) == 1
    assert format.ago(turn - apart * SECOND, turn) == format.span(apart * SECOND // MINUTE * MINUTE)


def _status(width: int, *, want: str = "240/min", sent: int = 0, first: int = NOON, **more: Any) -> str:
    row = {
        "state": "active", "pacing": {"mode": "steady", "rate": want},
        "shares": [{"account": "relay", "left": 9}],
        "counts": {"pending": 9, "processing": 0, "completed": 0}, "due": {"first": first, "last": first},
    }  # fmt: skip
    frame = {
        "rates": [{"minute": NOON - MINUTE, "sent": sent}], "campaigns": [row], "counts": {"failed": 12_480},
        "engine": {},
    }  # fmt: skip
    state = FrameState(
        environment="production", host="mail-1.example.org", production=True, read_only=False,
        link=LinkState(ATTACHED, pid=4_194_303), now=NOON, frame=frame,
    )  # fmt: skip
    return "".join(text for text, _ in status(replace(state, **more), width))


@pytest.mark.parametrize(
    ("first", "n", "pace"), [(NOON, 1, "0/240 min"), (NOON + MINUTE, 1, "0/240 min"), (NOON + HOUR, 0, "0/min")]
)
def test_row_1_counts_no_campaign_that_begins_later(first: int, n: int, pace: str) -> None:
    text = _status(120, first=first)
    assert f"|run {n} pause 0|" in text and f"|{pace} " in text


@pytest.mark.parametrize(
    ("want", "sent", "text"),
    [("240/min", 117, "117/240 min"), ("2000/min", 356, "356/2k min"), ("30/min", 7, "7/30 min")],
)
def test_row_1_tells_the_whole_pace(want: str, sent: int, text: str) -> None:
    assert f"|{text}" in _status(120, want=want, sent=sent)
    assert _status(120, want=want, sent=sent).index("|run") == _status(120, want=want).index("|run")


@pytest.mark.parametrize("width", [60, 70, 80, 100, 120])
@pytest.mark.parametrize("frozen", [None, NOON - 14 * SECOND], ids=["live", "frozen"])
def test_row_1_keeps_environment_failures_and_time_at_every_width(width: int, frozen: int | None) -> None:
    text = _status(width, frozen_at=frozen)
    assert len(text) == width
    assert text.split()[0 if width < 100 else 1].startswith("production")
    assert "FAIL 12.5k 14:02Z" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_state_of_a_campaign_is_told_whole_at_every_width(busy_world: World, width: int) -> None:
    with Reader(busy_world.database) as reader:
        row = reader.campaign("newsletter-38")
    row |= {"live": False, "rates": [], "shares": [], "why": {}}
    state, *_ = overview({**row, "account": "newsletters-eu", "channel": "webhook"}, NOON, width, "")
    text = "".join(part for part, _ in state)
    assert len(text) <= width and text.endswith(("not live", "allow-list only"))


def test_a_batch_without_an_error_shows_none_whatever_it_was_imported_from() -> None:
    (errors,) = [column for column in batch_columns(NOON) if column.title == "LAST ERROR"]
    batch = {"kind": "import", "name": "job 601", "last_error": ""}
    assert errors.cell(batch) == ""
    assert errors.cell({**batch, "last_error": "550 5.1.1 user unknown"}) == "550 5.1.1 user unknown"
