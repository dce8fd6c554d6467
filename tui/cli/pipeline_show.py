"""How `paceline pipeline` tells of runs: the ladder of one with its funnel, many as a history."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from datetime import tzinfo

from storage.pipeline_facts import counters
from storage.reader import Row
from storage.stages import figures_of
from tui.cli.output import Json, dated, local, out, pairs, say, span
from tui.safe_text import safe_text

BAR = 30
"""Columns of the widest bar of a funnel."""
NARROWEST = 24
"""Columns that words get at least, however narrow the terminal is."""


def run_json(row: Row) -> Json:
    """One run with its stages, as `--json` prints it. What processors gave may name a value like one of our times: it
    stays as it is."""
    data = dated({**row, "job_id": row["id"], "pipeline": row["kind"], "error": row["last_error"]})
    stages = [{**dated(stage), "counters": stage["counters"]} for stage in row["stages"]]
    return {**data, "result": row["result"], "counters": counters(row), "stages": stages}


def tell_run(run: Row, funnel: Sequence[str], zone: tzinfo) -> None:
    """One run: how it stands, its stages one below the other, and how many were left after each step."""
    pairs(
        (
            ("pipeline", f"{run['kind']} (job {run['id']}, {run['origin']})"),
            ("state", run["state"] + (f" ({run['reason']})" if run["reason"] else "")),
            ("began", local(run["started_at"], zone) if run["started_at"] else None),
            ("took", span(run["ran"]) if run["ran"] else None),
        )
    )
    for label, words in (("flag", run["flag"]), ("error", run["last_error"])):
        _wrapped(f"{label:<10}", words)
    out()
    _ladder(run["stages"], zone)
    _funnel(counters(run), funnel)
    if run["state"] in ("held", "failed"):
        say(f"put it right, then it goes on at its stage: paceline job retry {run['id']}")


def _ladder(stages: Sequence[Row], zone: tzinfo) -> None:
    name_width = max((len(stage["name"]) for stage in stages), default=0)
    said = ""
    for stage in stages:
        began, ended = stage["started_at"], stage["finished_at"]
        took = span(ended - began) if began is not None and ended is not None else ""
        at = local(began, zone)[11:19] if began is not None else ""
        place = f"{stage['position']}/{len(stages)}"
        head = f"{place}  {stage['name']:<{name_width}}  {stage['state']:<7}  {at:<8}  {took:>6}  "
        words = [figures_of(stage["counters"])]
        # All that a stop has skipped have its reason: it is told once.
        words += [stage["note"] if stage["note"] != said else "", stage["flag"] and f"! {stage['flag']}"]
        said = stage["note"]
        _wrapped(head, *words)


def _wrapped(head: str, *paragraphs: str) -> None:
    """What stands behind `head`, wrapped under itself, each of the texts on lines of its own; nothing for a label
    without words."""
    told = [text for text in paragraphs if text]
    if not told:
        if len(head.split()) > 1:
            out(safe_text(head.rstrip()))
        return
    room = max(NARROWEST, shutil.get_terminal_size().columns - len(head))
    lines = [line for text in told for line in textwrap.wrap(safe_text(text, 2_000), room) or [""]]
    for place, line in enumerate(lines):
        out(f"{safe_text(head) if place == 0 else ' ' * len(head)}{line}")


def _funnel(figures: Json, funnel: Sequence[str]) -> None:
    steps = [(name.replace("_", " "), figures[name]) for name in funnel if name in figures]
    if not steps or not (most := max(n for _, n in steps)):
        return
    out()
    width = max(len(name) for name, _ in steps)
    for name, n in steps:
        bar = "#" * (max(1, round(BAR * n / most)) if n else 0)
        out(f"{name:<{width}}  {n:>{len(f'{most:,}')},}  {bar}".rstrip())


def tell_history(runs: Sequence[Row], funnel: Sequence[str], zone: tzinfo) -> None:
    """Runs one a line, with the figures of their funnel; why one is flagged, or did not complete, stands below it."""
    if not runs:
        say("no run yet")
        return
    if funnel:
        out(safe_text("funnel: " + " > ".join(name.replace("_", " ") for name in funnel), 500))
        out()
    width = max(len(str(run["id"])) for run in runs)
    out(f"{'job':>{max(3, width)}}  {'began':<23}  {'state':<10}  {'took':>6}  {'funnel' if funnel else ''}".rstrip())
    for run in runs:
        figures = counters(run)
        steps = " ".join(f"{figures[name]:,}" for name in funnel if name in figures)
        took = span(run["ran"]) if run["ran"] else ""
        began = local(run["started_at"] or run["due_at"], zone)
        head = f"{run['id']:>{max(3, width)}}  {began:<23}  {run['state']:<10}  {took:>6}  "
        out(f"{head}{steps}".rstrip())
        _wrapped(" " * (max(3, width) + 2), run["flag"] and f"! {run['flag']}", run["last_error"])
