"""Pictures of the real console: the demo's relay, a real store, an embedded engine, and the keys of an operator.

    python -m screenshots.make [FOLDER]        (make screenshots)

Writes an SVG per view and size, and a PNG beside it when `rsvg-convert` or the package `cairosvg` is there. Nothing
is invented: the relay's seed decides who is refused, so the counts are much the same every time; the clock is the
machine's, in UTC. Takes about a minute.
"""

from __future__ import annotations

import asyncio
import html
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.cells import cell_len
from textual.pilot import Pilot

from engine.config import load_config
from tui.client import this_actor
from tui.console import PacelineApp
from tui.demo.setup import CAMPAIGNS, Place, make_place, running_servers, write_config
from tui.embedded import EmbeddedEngine
from tui.link import EngineLink
from tui.screens.confirm import ConfirmScreen
from tui.widgets.grid import Grid

DATA = CAMPAIGNS / "welcome"
EXAMPLES = CAMPAIGNS.parents[2] / "examples"
SIZES = ((80, 24), (120, 40))
HALF_WAY = 100
"""Messages of 200 that have ended before the first picture."""
PATIENCE = 120.0
FONT = "'DejaVu Sans Mono', Menlo, Consolas, monospace"
FONT_SIZE = 20.264
"""Pixels at which DejaVu Sans Mono fills Rich's cells of 12.2 pixels (its advance is 1233/2048 of the size)."""

VIEWS: dict[str, tuple[str, ...]] = {
    "overview": ("1",),
    "campaigns": ("2",),
    "campaign": ("2", "@welcome", "enter"),
    "timeline": ("2", "@reminder", "enter", "tab"),
    "forecast": ("2", "@reminder", "o"),
    "explain": ("2", "@reminder", "x"),
    "failures": ("4",),
    "approvals": ("5",),
    "queues": ("6",),
    "schedules": ("7",),
    "performance": ("8",),
    "help": ("2", "question_mark"),
    "confirm": ("2", "@welcome", "X"),
}
"""The keys that lead to each picture; `@name`: as often down as it takes to that row."""


def paceline(place: Place, *words: str) -> None:
    """One command of the program, as an operator would type it."""
    command = [sys.executable, "-m", "tui", "--db", str(place.database), "--config", str(place.config), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"paceline {' '.join(words)}: {done.stderr}")


def set_up(place: Place) -> None:
    """A campaign that runs, one that is paused, one that writes slowly, a draft, and one whose messages wait for
    approval: a pipeline fills it. Three schedules."""
    paceline(place, "init")
    template, people = str(DATA / "welcome.txt"), str(DATA / "people.csv")
    for name, pacing in (
        ("welcome", ("--pacing", "steady", "--rate", "240/min")),
        ("reminder", ("--pacing", "human")),
        ("spring-fair", ("--pacing", "steady", "--rate", "30/min")),
    ):
        paceline(place, "campaign", "new", name, "--account", "relay", "--template", template, *pacing)
        paceline(place, "recipients", "import", people, "--campaign", name)
        paceline(place, "campaign", "live", name)
    paceline(place, "campaign", "apply", str(EXAMPLES / "orders"))
    for name in ("spring-fair", "reminder", "welcome"):
        paceline(place, "campaign", "start", name)
    paceline(place, "campaign", "pause", "spring-fair")
    prospects = EXAMPLES / "prospects"
    paceline(place, "campaign", "apply", str(prospects))
    paceline(place, "pipeline", "run", "daily_prospect_queue", "--payload-file", str(prospects / "pipeline.toml"))
    paceline(place, "schedule", "import", str(EXAMPLES / "schedules" / "schedules.toml"), "--yes")


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await pilot.pause(0.1)
    await pilot.pause(0.3)


async def to_row(pilot: Pilot[int], name: str) -> None:
    """Go down from the top until the cursor is on the row of this name."""
    await pilot.press("g")
    grid = pilot.app.screen.query_one(Grid)
    for _ in range(20):
        if grid.current is not None and grid.current["name"] == name:
            return
        await pilot.press("j")
    raise LookupError(f"{name} is not in the list")


def ended(app: PacelineApp) -> int:
    """How many messages of the running campaign have ended, as the screen knows it."""
    rows = app.frame_state().frame.get("campaigns", [])
    return sum(row["counts"]["completed"] + row["counts"]["failed"] for row in rows if row["name"] == "welcome")


async def take(app: PacelineApp, folder: Path) -> list[Path]:
    """Walk through the views by their keys; each is kept at both sizes."""
    made: list[Path] = []
    async with app.run_test(size=SIZES[0]) as pilot:
        await until(pilot, lambda: ended(app) >= HALF_WAY)
        for view, keys in VIEWS.items():
            for width, height in SIZES:
                await pilot.resize_terminal(width, height)
                for key in keys:
                    if key.startswith("@"):
                        await to_row(pilot, key[1:])
                        continue
                    await pilot.press(key)
                    await until(pilot, lambda: app.view is not None and app.view.data is not None)
                if view == "approvals":
                    # The message under the cursor is made when the cursor has rested.
                    await pilot.pause(1)
                if view == "confirm":
                    await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
                    await until(pilot, lambda: "waiting" in str(app.message_lines(SIZES[0][0])))
                path = folder / f"{view}-{width}x{height}.svg"
                path.write_text(plain(app.export_screenshot(title="Paceline")), "utf-8")
                made.append(path)
                await pilot.press("escape")
                await pilot.pause(0.2)
    return made


def plain(svg: str) -> str:
    """The picture in the reader's own monospace font: it loads nothing from anywhere, and every word stands in its
    cells by its own coordinate, also where a renderer knows no `textLength` (librsvg)."""
    svg = re.sub(r"\s*@font-face \{.*?\n    \}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<!--.*?-->", "", svg, count=1, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", f"font-family: {FONT}").replace("arial", "sans-serif")
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_SIZE}px")
    svg = re.sub(r"terminal-\d+", "paceline", svg)
    return re.sub(
        r'<text (class="[^"]*") x="([^"]*)" (y="[^"]*") textLength="([^"]*)" ([^>]*)>([^<]*)</text>', words, svg
    )


def words(found: re.Match[str]) -> str:
    look, x, y, length, clip, text = found.groups()
    cells = html.unescape(text)
    if not cells.strip():
        return ""
    pitch = float(length) / cell_len(cells)
    made = []
    for word in re.finditer(r"[^\s\xa0]+", cells):
        at = float(x) + pitch * cell_len(cells[: word.start()])
        wide = pitch * cell_len(word[0])
        made.append(
            f'<text {look} x="{at:.1f}" {y} textLength="{wide:.1f}" {clip}>{html.escape(word[0], quote=False)}</text>'
        )
    return "".join(made)


def to_png(svg: Path) -> bool:
    png = svg.with_suffix(".png")
    if tool := shutil.which("rsvg-convert"):
        subprocess.run([tool, "--output", png, svg], check=True)
        return True
    try:
        cairosvg = importlib.import_module("cairosvg")
    except ImportError:
        return False
    cairosvg.svg2png(url=str(svg), write_to=str(png))
    return True


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PACELINE_USER"] = "ana"
    with tempfile.TemporaryDirectory(prefix="paceline-screenshots-") as scratch:
        place, _ = make_place(Path(scratch) / "demo")
        with running_servers(place) as ports:
            write_config(place, ports)
            set_up(place)
            engine = EmbeddedEngine(place.database, place.config)
            engine.start()
            try:
                link = EngineLink(place.database, this_actor("console"), embedded=engine)
                app = PacelineApp(
                    place.database, link, environment="demo", host="mail-1", config=lambda: load_config(place.config)
                )
                made = asyncio.run(take(app, folder))
            finally:
                engine.drain("the pictures are taken")
                engine.join(60)
    drawn = [to_png(path) for path in made]
    for path in made:
        print(path.relative_to(folder.parent) if path.is_relative_to(folder.parent) else path)
    if not all(drawn):
        print("no PNG: install rsvg-convert (Debian: librsvg2-bin) or the package cairosvg", file=sys.stderr)


if __name__ == "__main__":
    main()
