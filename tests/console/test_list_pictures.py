"""Campaigns and failures on a wide screen: fixed store, fixed time. Look at each before it is accepted."""

from __future__ import annotations

import pytest

from tests.console.looking import SIZES, Compare
from tests.console.test_pictures import VIEWS

WIDE = (200, 50)


@pytest.mark.parametrize("view", ["campaigns", "campaign_batches", "failures", "failure_jobs"])
def test_wide_view(draws: Compare, view: str) -> None:
    assert draws(*VIEWS[view], size=WIDE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("2", "greater_than_sign", "S"), ("4", "s", "S")], ids=["campaigns", "failures"])
def test_sorted(draws: Compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    assert draws(*keys, size=size)
