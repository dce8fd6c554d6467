"""SIGKILL before a real Postfix; the judge counts the files that it delivered. `make crash` is the long form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.crash_guards import intent_gate
from tests.crash.crash_kills import random_kills
from tests.crash.crash_postfix import Postfix, running_postfix, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running_postfix() as server:
        yield server


def test_kills_before_a_real_mail_server_deliver_to_nobody_twice(postfix: Postfix, tmp_path: Path) -> None:
    had = postfix.size()
    row = random_kills(tmp_path, postfix, "postfix", kills=2, people=150, within=0.1, starts=[])
    assert row.problems == []
    assert (row.lost, row.twice) == (0, 0)
    assert postfix.size() - had == row.accepted >= row.people - row.uncertain


def test_without_the_intent_there_are_two_files_for_one_person(postfix: Postfix, tmp_path: Path) -> None:
    assert any("accepted 2 times" in said for said in intent_gate(tmp_path, postfix, "intent gate"))
