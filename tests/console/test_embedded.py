"""The engine in the console's process: it sends, drains on request, and refuses a second one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from engine.control import actions as control
from engine.control import all_actions
from engine.scheduler import Scheduler
from storage.errors import LockHeldError, RefusedError
from storage.lock import read_holder
from storage.model import Actor
from storage.reader import Reader
from tests.console.world import World
from tui.actions import ACTIONS
from tui.embedded import EmbeddedEngine
from tui.link import EMBEDDED, LOST, READS, EngineLink
from tui.undo import REVERSE


@pytest.fixture
def database(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.campaign("letters", 5, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    world.close()
    return world.database


def test_it_listens_sends_and_ends_when_drained(database: Path) -> None:
    engine = EmbeddedEngine(database, database.with_name("paceline.toml"))
    engine.start()
    link = EngineLink(database, Actor("ana"), embedded=engine)
    try:
        assert link.state.word == EMBEDDED
        holder = read_holder(database)
        assert holder is not None
        assert holder.role == "console"
        assert link.call("engine.status", {}).result(10)["running"] is True
        with pytest.raises(LockHeldError):
            EmbeddedEngine(database, database.with_name("paceline.toml")).start()
    finally:
        link.drain("test")
        assert link.join(30)
    assert link.look(1).word == LOST
    assert link.in_flight() == 0
    link.close()
    with Reader(database) as reader:
        assert reader.engine()["state"] == "stopped"


def test_an_engine_that_died_by_a_fault_is_lost_until_a_person_starts_another(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> EmbeddedEngine:
        return EmbeddedEngine(database, database.with_name("paceline.toml"))

    def fault(self: Scheduler) -> int:
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(Scheduler, "_pass", fault)
        engine = make()
        engine.start()
        link = EngineLink(database, Actor("ana"), embedded=engine, embed=make)
        assert link.join(30)
    lost = link.look(1)
    assert lost.word == LOST
    assert "a bug" in lost.reason
    assert [link.look(at).word for at in range(2, 30_000_000, 1_000_000)] == [LOST] * 30
    assert read_holder(database) is None
    link.start_here()
    assert link.look(40_000_000).word == EMBEDDED
    with pytest.raises(RefusedError):
        link.start_here()
    link.drain("test")
    assert link.join(30)
    link.close()


def test_read_only_is_refused_below_the_screen(database: Path) -> None:
    """Whatever the engine can be asked to change, by whichever key, word or screen: one sentence, and no connection."""
    link = EngineLink(database, Actor("ana"), embed=refuses_to_be_made, read_only=True)
    all_actions()
    changes = {name for name, action in control.ACTIONS.items() if not action.reads}
    assert {action.control for action in ACTIONS if action.control} <= changes
    assert {name for name, _ in REVERSE.values()} <= changes
    assert not changes & READS
    asked = [partial(link.call, name, {}) for name in sorted(changes)]
    said = {refusal(lambda ask=ask: ask().result(5)) for ask in asked}
    said |= {refusal(lambda: link.run(lambda engine: engine.call("campaign.new", {})).result(5))}
    said |= {refusal(link.start_here)}
    link.close()
    assert said == {"this console was started with --read-only: changes are refused"}


def refuses_to_be_made() -> EmbeddedEngine:
    raise AssertionError("a read-only console makes no engine")


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        ask()
    return caught.value.message
