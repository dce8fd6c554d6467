"""The stages of one run of a pipeline: a row each wherever they are shown, and the funnel that its processor names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage.errors import PacelineError
from storage.pipeline_facts import counters
from storage.stages import figures_of
from tui.actions import Row
from tui.format import clock, count, fit, span, wrap
from tui.safe_text import safe_text
from tui.theme import STAGES, Mark
from tui.widgets.lines import Line, width_of

NAME = 10
"""Cells of a stage's name."""
WIDE = 100


def stage_rows(stages: Sequence[Row], now: int, width: int, *, whole: bool = True) -> Iterator[tuple[Row, list[Line]]]:
    """Each stage with its lines: place, name, state, when it began, how long it took, what it counted and said; then
    why it is flagged. `whole`: all of what it said, wrapped; else one line each, the flag first."""
    said = ""
    for stage in stages:
        mark = STAGES.get(stage["state"], Mark(" ", safe_text(stage["state"]), ""))
        began, ended = stage["started_at"], stage["finished_at"]
        lasted = span((now if ended is None else ended) - began) if began is not None and _ran(stage) else ""
        at = clock(began, now, seconds=True, dated=False) if began is not None else ""
        left = f"   {stage['position']} {fit(safe_text(stage['name']), NAME)} "
        # One line of 80 columns has no room for when it began: the title tells of the run.
        at = f" {fit(at, 9)}" if whole or width >= WIDE else ""
        state, middle = f"{mark.glyph} {fit(mark.word, 8)}", f"{at} {fit(lasted, 6, right=True)}  "
        # All that a stop has skipped have its reason: it is told once.
        note = stage["note"] if stage["note"] != said else ""
        said = stage["note"]
        flag = f"! {stage['flag']}" if stage["flag"] else ""
        words = safe_text("; ".join(part for part in (figures_of(stage["counters"]), note) if part), 2_000)
        indent = width_of(((left, ""), (state, ""), (middle, "")))
        if not whole:
            words = "; ".join(part for part in (safe_text(flag), words) if part)
            style = "warn" if flag else "bad" if stage["state"] == "failed" else ""
            told = (fit(words, max(0, width - indent)), style)
            yield stage, [((left, ""), (state, mark.style), (middle, ""), told)]
            continue
        parts = wrap(words, max(20, width - indent - 3)) or [""]
        lines: list[Line] = [((left, ""), (state, mark.style), (middle, ""), (parts[0], ""))]
        lines += [((" " * indent + part, ""),) for part in parts[1:]]
        if flag:
            lines.append(((" " * 6 + fit(safe_text(flag), width - 9), "warn"),))
        yield stage, lines


def _ran(stage: Row) -> bool:
    return stage["finished_at"] is not None or stage["state"] == "running"


def funnel(stages: Sequence[Row], kind: str) -> list[tuple[str, int]]:
    """How many were left after each step, the widest first, as its processor names them; [] where nobody can say."""
    from engine.processors.pipeline import Pipeline
    from engine.processors.registry import Registry

    try:
        processor = Registry().get(kind)
    except PacelineError:  # its package was removed: the run is still there to be looked at
        return []
    found = counters({"stages": stages})
    names = processor.funnel if isinstance(processor, Pipeline) else ()
    return [(name, found[name]) for name in names if isinstance(found.get(name), int)]


def with_funnel(runs: Sequence[Row]) -> list[Row]:
    """Runs with the `funnel` of each."""
    return [{**run, "funnel": funnel(run["stages"], run["kind"])} for run in runs]


def funnel_words(run: Row, room: int) -> str:
    """The funnel of a run (with its `stages` and `funnel`) in a line; where there is no room, without the steps that
    left everything, then without names. Of a kind that is not installed whatever its stages counted."""
    steps = run["funnel"]
    if not steps:
        return safe_text(figures_of(counters(run)))
    narrower = [step for i, step in enumerate(steps) if not i or step[1] != steps[i - 1][1]]
    for told in (steps, narrower):
        named = " > ".join(f"{safe_text(name.replace('_', ' '))} {count(n)}" for name, n in told)
        if len(named) <= room:
            return named
    return " > ".join(count(n) for _, n in narrower)
