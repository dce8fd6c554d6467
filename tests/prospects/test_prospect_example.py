"""The example: the figures of a whole day, from the file to the drafts, and the rule that invented its people."""

from __future__ import annotations

import io
import runpy
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from engine.prospects.drafts import Draft, draft_one, make_generator
from engine.prospects.rows import Found
from engine.prospects.scoring import OVER_LIMIT, Ranking, rank
from engine.prospects.settings import ProspectSettings
from engine.prospects.source import read_prospects

FOLDER = Path(__file__).parents[2] / "examples" / "prospects"


@pytest.fixture
def settings() -> ProspectSettings:
    return ProspectSettings.from_payload(tomllib.loads((FOLDER / "pipeline.toml").read_text("utf-8")), FOLDER)


async def found_in(settings: ProspectSettings) -> Found:
    return await read_prospects(settings.source.source(), columns=settings.columns, bounds=settings.bounds)


def ranked(found: Found, settings: ProspectSettings, contacted: set[str]) -> Ranking:
    return rank(found.prospects, settings.criteria, contacted, min(settings.per_run, settings.per_day))


async def test_a_first_day_has_the_figures_that_were_promised(settings: ProspectSettings) -> None:
    found = await found_in(settings)
    assert (found.rows, len(found.prospects), found.rejects, found.cut) == (150, 150, (), "")
    ranking = ranked(found, settings, set())
    assert [len(part) for part in (ranking.scored, ranking.high, ranking.uncontacted, ranking.selected)] == [
        120, 75, 75, 50,
    ]  # fmt: skip
    assert dict(ranking.dropped) == {
        "no e-mail address": 10, "no industry": 10, "no size": 10, "fits, but below 80 points": 30,
        "below 50 points": 15, OVER_LIMIT: 25,
    }  # fmt: skip
    assert Counter(one.score.points for one in ranking.scored) == {100: 60, 85: 15, 70: 15, 60: 15, 30: 15}
    counts = {"discovered": len(found.prospects), "scored": len(ranking.scored), "queued": len(ranking.selected)}
    assert settings.expect.missed(counts) == ()


async def test_the_next_days_bring_the_rest_and_then_nobody(settings: ProspectSettings) -> None:
    found, contacted, queued = await found_in(settings), set[str](), []
    for _ in range(3):
        selected = ranked(found, settings, contacted).selected
        contacted |= {one.prospect.key for one in selected}
        queued.append(len(selected))
    assert queued == [50, 25, 0]
    assert settings.expect.missed({"discovered": 150, "scored": 120, "queued": 0}) == (
        "0 queued, where 25 to 50 are expected",
    )


async def test_everybody_who_is_selected_gets_a_draft(settings: ProspectSettings) -> None:
    generator = make_generator(settings.generator, settings.draft_options)
    selected = ranked(await found_in(settings), settings, set()).selected
    drafts = [await draft_one(generator, one.prospect) for one in selected]
    assert len(drafts) == 50 and all(isinstance(draft, Draft) for draft in drafts)
    greetings = Counter(draft.text.split("\n")[0] == "Hello there," for draft in drafts if isinstance(draft, Draft))
    assert greetings[True] > 0 and greetings[False] > 40, "whoever has no first name is greeted all the same"
    assert all("unsubscribe" in draft.text for draft in drafts if isinstance(draft, Draft))


def test_the_people_are_those_that_the_rule_invents() -> None:
    out = io.StringIO()
    runpy.run_path(str(Path(__file__).with_name("make_prospects.py")))["write"](out)
    assert (FOLDER / "prospects.csv").read_text("utf-8") == out.getvalue()


async def test_nobody_stands_there_who_could_exist(settings: ProspectSettings) -> None:
    found = await found_in(settings)
    reserved = (".example.com", ".example.org", ".example.net")
    assert all(one.address.endswith(reserved) for one in found.prospects if one.address)
    assert len({one.company for one in found.prospects}) == 150
