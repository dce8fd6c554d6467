"""Campaigns and failures on a wide screen: fixed store, fixed time. Look at each before it is accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.console.conftest import console
from tests.console.test_pictures import VIEWS, walk
from tests.console.world import RecordingLink, World

WIDE = (200, 50)


@pytest.mark.parametrize("view", ["campaigns", "campaign_batches", "failures", "failure_jobs"])
def test_wide_view(busy_world: World, link: RecordingLink, snap_compare: Callable[..., bool], view: str) -> None:
    assert snap_compare(console(busy_world, link), terminal_size=WIDE, run_before=walk(*VIEWS[view]))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("keys", [("2", "greater_than_sign", "S"), ("4", "s", "S")], ids=["campaigns", "failures"])
def test_sorted(
    busy_world: World,
    link: RecordingLink,
    snap_compare: Callable[..., bool],
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=walk(*keys))
