"""A line of `:` that opens a view and narrows it, also one that was never open before."""

from __future__ import annotations

import pytest

from tests.console.looking import looking, until
from tests.console.world import RecordingLink, World
from tui.screens.filtered import FilteredScreen

LINES = [
    ('job list --filter "state:failed"', "jobs", "state:failed"),
    ("approval list -c newsletter-38", "approvals", "campaign:newsletter-38"),
    ("campaigns state:paused", "campaigns", "state:paused"),
    ("fail since:24h", "failures", "since:24h"),
]


@pytest.mark.parametrize(("line", "mode", "text"), LINES)
async def test_a_view_that_was_never_open_is_narrowed_when_it_stands(
    busy_world: World, link: RecordingLink, line: str, mode: str, text: str
) -> None:
    async with looking(busy_world, link) as (app, pilot):
        await pilot.press("colon")
        await until(pilot, lambda: app.view is not None and app.view.prompt.is_open)
        assert app.view is not None
        app.view.prompt._set(line, len(line))
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == mode and app.view is not None and app.view.data is not None)
        assert isinstance(app.view, FilteredScreen)
        assert (app.view.text, app.view.broken) == (text, "")
