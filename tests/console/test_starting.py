"""The first picture waits for nothing that it does not show; what it did not wait for is done, or ends the console."""

from __future__ import annotations

import threading
import time
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import EXAMPLE
from engine.console_settings import ConsoleSettings
from storage.errors import PacelineError, RefusedError, UsageError
from storage.lock import read_holder
from storage.model import Actor
from tests.console.looking import console as app_over
from tests.console.looking import shown, until
from tests.console.world import RecordingLink, World
from tests.support.terminals import console
from tui.embedded import EmbeddedEngine
from tui.glance import Glance, glance, thorough
from tui.link import ATTACHED, EMBEDDED, NONE, STARTING, EngineLink


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.clock.at = time.time_ns() // 1_000
    made.campaign("letters", 5)
    made.close()
    return made


# what is read at a glance

VALUES = st.one_of(
    st.text("abc é\t", max_size=22),
    st.sampled_from(
        ["", "terminal", "dark", "light", "red", "cyan", "UTC", "Europe/Berlin", "Mars/Base", "production"]
    ),
    st.booleans(),
    st.integers(0, 3),
    st.just([]),
)
KEYS = st.sampled_from(["environment", "zone", "console.theme", "console.accent", "console.mouse", "console.colour"])


def as_toml(values: dict[str, object]) -> str:
    def written(value: object) -> str:
        if isinstance(value, str):
            return '"' + value.replace("\t", "\\t") + '"'
        return str(value).lower()

    return "".join(f"{key} = {written(value)}\n" for key, value in values.items())


@given(st.dictionaries(KEYS, VALUES))
def test_a_glance_sees_what_the_whole_check_sees_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "glance.toml"
    path.write_text(as_toml(values), encoding="utf-8")
    seen = glance(path)
    try:
        checked: Glance | None = thorough(path)
    except UsageError:
        checked = None
    # A key that there is not is no matter of the first picture: the check, which follows, tells of it.
    if checked is not None and seen is not None:
        assert seen == checked
    elif "console.colour" not in values:
        assert seen is None


@pytest.mark.parametrize(
    "text", ["", EXAMPLE, 'environment = "production"\n[console]\ntheme = "light"\nmouse = true\n']
)
def test_an_ordinary_configuration_is_read_at_a_glance(tmp_path: Path, text: str) -> None:
    path = tmp_path / "paceline.toml"
    path.write_text(text)
    assert glance(path) == thorough(path)


@pytest.mark.parametrize("text", ["[console", 'zone = "Mars/Base"', "environment = 7", '[console]\naccent = ""'])
def test_what_is_not_plainly_right_is_left_to_the_check(tmp_path: Path, text: str) -> None:
    path = tmp_path / "paceline.toml"
    path.write_text(text)
    assert glance(path) is None
    with pytest.raises(UsageError):
        thorough(path)


def test_a_file_that_is_not_there_is_told_by_the_check(tmp_path: Path) -> None:
    assert glance(tmp_path / "none.toml") is None


def test_what_is_seen_without_a_word_in_the_file_is_what_the_check_gives(tmp_path: Path) -> None:
    own = ConsoleSettings()
    assert Glance() == Glance("dev", UTC, own.theme, own.accent or "", own.mouse)


# the rest of the start


async def test_the_rest_begins_behind_the_first_data_and_once(world: World) -> None:
    link = RecordingLink()
    app = app_over(world, link)
    seen: list[bool] = []

    def rest() -> list[str]:
        seen.append(app.view is not None and app.view.data is not None)
        return ["paceline.toml can be changed by other users"]

    app.rest = rest
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: "other users" in app.screen.query_one("#message").text)
        app.feed.again()
        await pilot.pause()
    assert seen == [True]


async def test_what_keeps_the_start_from_going_on_ends_the_console_by_it(world: World) -> None:
    app = app_over(world, RecordingLink())
    error = PacelineError("the configuration is wrong")

    def rest() -> list[str]:
        raise error

    app.rest = rest
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.unable is not None)
    assert app.unable is error


def test_a_mistake_that_a_glance_does_not_see_ends_the_program_by_its_sentence(world: World) -> None:
    with world.config_path.open("a") as file:
        file.write("[accounts.broken]\nchannel = 'pigeon'\n")
    terminal = console(world.config_path.parent)
    try:
        assert terminal.ended() == 2
        said = "".join(terminal.text.split())
        assert 'channelmustbe"smtp","unipile","webhook"or"outbox"' in said, "wherever the line was broken"
    finally:
        terminal.close()
    assert read_holder(world.database) is None


# the engine that follows


def engine_of(world: World) -> EmbeddedEngine:
    return EmbeddedEngine(world.database, world.config_path)


def test_a_console_that_starts_an_engine_says_so_until_it_listens(world: World) -> None:
    link = EngineLink(world.database, Actor("ana"), embed=lambda: engine_of(world), starts=True)
    try:
        assert link.look(1).word == STARTING
        assert not link.state.usable
        with pytest.raises(RefusedError):
            link.start_here()
        link.begin()
        assert link.look(2).word == EMBEDDED
    finally:
        link.drain("test")
        assert link.join(30)
        link.close()


def test_who_was_faster_is_attached_to(world: World) -> None:
    link = EngineLink(world.database, Actor("ana"), embed=lambda: engine_of(world), starts=True)
    faster = engine_of(world)
    faster.start()
    try:
        link.begin()
        assert link.look(2).word == ATTACHED
    finally:
        link.close()
        faster.drain("test")
        assert faster.join(30)


def test_a_console_that_ends_before_its_engine_began_starts_none(world: World) -> None:
    link = EngineLink(world.database, Actor("ana"), embed=lambda: engine_of(world), starts=True)
    link.drain("the console ended")
    link.begin()
    assert link.look(2).word == NONE
    assert read_holder(world.database) is None
    link.close()


def test_a_console_that_ends_while_its_engine_starts_ends_that_engine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[EmbeddedEngine] = []

    def embed() -> EmbeddedEngine:
        made.append(engine_of(world))
        start = made[0]._engine.start

        async def slow() -> None:
            begun.set()
            go_on.wait(30)
            await start()

        monkeypatch.setattr(made[0]._engine, "start", slow)
        return made[0]

    link = EngineLink(world.database, Actor("ana"), embed=embed, starts=True)
    beginning = threading.Thread(target=link.begin)
    beginning.start()
    assert begun.wait(30)
    link.drain("the console ended")
    go_on.set()
    assert link.join(30)
    assert not made[0].alive
    beginning.join(30)
    link.close()
