"""Three themes: legible, remembered, and none of them where NO_COLOR is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.color import Color
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from tests.console.looking import Compare, console, looking, message, shown, until, walk
from tests.console.world import RecordingLink, World
from tui.command_words import THEME_NAMES
from tui.console import PacelineApp
from tui.preferences import Preferences
from tui.themes import _DARK, _LIGHT, _LOOKS, DARK, LIGHT, STYLES, TERMINAL, THEMES, Palette, use_styles


@pytest.fixture(autouse=True)
def _as_it_was() -> object:
    yield
    use_styles(TERMINAL)


def luminance(color: Color) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [part / 255 for part in color.get_truecolor()]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "palette"), [(DARK, _DARK), (LIGHT, _LIGHT)])
def test_every_style_can_be_read(theme: str, palette: Palette) -> None:
    for name, style in _LOOKS[theme].items():
        text = style.color or Color.parse(palette.text)
        ground = style.bgcolor or Color.parse(palette.ground)
        assert contrast(text, ground) >= 4.5, f"{theme}: {name}"


def test_every_theme_knows_every_style() -> None:
    assert len({frozenset(styles) for styles in _LOOKS.values()}) == 1
    assert set(_LOOKS) == set(THEMES) == set(THEME_NAMES)


async def say(pilot: Pilot[int], text: str) -> None:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    assert app.view is not None
    await pilot.press("colon")
    app.view.prompt._insert(text)
    await pilot.press("enter")


async def test_a_theme_is_chosen_by_name_and_kept(busy_world: World, link: RecordingLink, tmp_path: Path) -> None:
    async with looking(busy_world, link, state=tmp_path) as (app, pilot):
        await say(pilot, "theme light")
        await until(pilot, lambda: "theme: light" in message(app))
        assert STYLES["bad"].color == Color.parse(_LIGHT.bad)
        await say(pilot, "theme pink")
        await until(pilot, lambda: "there is no theme 'pink'" in message(app))
    again = console(busy_world, link, state=tmp_path, preferences=Preferences(theme=DARK))
    async with again.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert again.theme == "paceline-light"


async def test_no_color_means_none(
    busy_world: World, link: RecordingLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with looking(busy_world, link, state=tmp_path, preferences=Preferences(theme=DARK)) as (app, pilot):
        assert app.theme == "paceline-terminal"
        await say(pilot, "theme dark")
        await until(pilot, lambda: "NO_COLOR is set" in message(app))
        assert app.kept.text("theme") == ""


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize(("name", "keys"), [("overview", ()), ("dialog", ("2", "X")), ("job", ("4", "enter", "enter"))])
def test_picture(
    busy_world: World, link: RecordingLink, snap_compare: Compare, theme: str, name: str, keys: tuple[str, ...]
) -> None:
    app = console(busy_world, link, preferences=Preferences(theme=theme))
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk(*keys))


def test_an_accent_tells_environments_apart(busy_world: World, link: RecordingLink, snap_compare: Compare) -> None:
    app = console(busy_world, link, environment="staging", preferences=Preferences(accent="yellow"))
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk())


@pytest.mark.parametrize("theme", THEMES)
async def test_the_style_sheet_is_made_for_the_theme_before_the_first_picture(
    busy_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    made: list[str] = []
    parse = Stylesheet.parse

    def noted(sheet: Stylesheet) -> None:
        made.append(app.theme)
        parse(sheet)

    monkeypatch.setattr(Stylesheet, "parse", noted)
    app = console(busy_world, link, preferences=Preferences(theme=theme))
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        assert set(made) == {f"paceline-{theme}"}
        made.clear()
        other = DARK if theme == LIGHT else LIGHT
        app.choose_theme(other)
        await until(pilot, lambda: bool(made))
        assert set(made) == {f"paceline-{other}"}
