"""What the overview tells of background jobs: the day in one line, and what of them waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

from storage import kind_facts, work_facts
from storage.pipeline_facts import counters, last_runs
from storage.reader import STATES, Reader
from storage.schedule_facts import schedules
from tui.actions import Row
from tui.format import clock, count, plural
from tui.screens.needs import Need
from tui.theme import WORK as WORK_MARKS
from tui.widgets.lines import BLANK, Line, Span, width_of

WORK = "work"
"""The scope of a need that is a list of background jobs; its row has the `filter` of that list."""


def load(reader: Reader, now: int, since: int, runs: Sequence[str] | None = None) -> Row:
    """`ended`: runs since a time (us) by outcome; `empty`: how many of them did nothing; `totals` by state; `run`: the
    last one of a pipeline, `next`: the schedule that fires next (None without); `blocked` batches; `strange`: kinds
    with open jobs that nothing here can run, `{kind, n, held}`. `runs`: the kinds that the engine runs, None without
    an engine. {} where there never was a background job or a schedule."""
    kinds, set_up = kind_facts.kinds(reader), schedules(reader)
    if not kinds and not set_up:
        return {}
    known = kind_facts.totals(reader)
    last = max(last_runs(reader), key=lambda run: int(run["id"]), default=None)
    return {
        "since": since,
        "ended": kind_facts.runs(reader, kinds, since).ended,
        "empty": kind_facts.empty_since(reader, since),
        "totals": {state: sum(states[state] for states in known.values()) for state in STATES},
        "run": last and {**last, "payload": None, "result": None, "figures": counters(last)},
        "next": next((row for row in set_up if row["enabled"] and row["next_at"] is not None), None),
        "blocked": work_facts.blocked(reader),
        "strange": _strange(known, runs),
    }


def _strange(known: dict[str, dict[str, int]], runs: Sequence[str] | None) -> list[Row]:
    found = [
        {"kind": kind, "n": n, "held": counts["held"]}
        for kind, counts in known.items()
        if (n := sum(counts[state] for state in ("pending", "processing", "held")))
    ]
    if found and runs is None:
        from engine.processors.registry import Registry  # not for the first picture of a console that only sends

        runs = Registry().kinds()
    return [row for row in found if row["kind"] not in (runs or ())]


def today(work: Row, now: int, width: int) -> Line:
    """Jobs that run now, those of today, the last run of a pipeline with its figures, the next schedule: as much as
    there is room for."""
    if not work:
        return BLANK
    ended, mark = work["ended"], WORK_MARKS["processing"]
    spans: list[Span] = [(" TODAY      ", "head")]
    if n := work["totals"]["processing"]:
        spans.append((f"{mark.glyph} {mark.word} {count(n)}  ", mark.style))
    spans.append((f"+ done {count(ended['completed'])}", ""))
    spans.append((f"  ! failed {count(ended['failed'])}", "bad" if ended["failed"] else "dim"))
    if work["empty"]:
        spans.append((f"  empty {count(work['empty'])}", "warn"))
    if (following := work["next"]) is not None:
        spans.append((f"   next {following['name']} {clock(following['next_at'], now)}", ""))
    if (run := work["run"]) is not None:
        spans.append((f"   {run['kind']}: {_figures(run)}", "warn" if run["flag"] else ""))
    while len(spans) > 2 and width_of(tuple(spans)) > width:
        spans.pop()
    return tuple(spans)


def _figures(run: Row) -> str:
    if run["state"] != "completed":
        at = next((stage for stage in run["stages"] if stage["state"] == "running"), None)
        return f"{at['position']}/{len(run['stages'])} {at['name']}" if at else str(run["state"])
    figures = run["figures"]
    told = [
        (name, figures[name]) for name in ("discovered", "selected", "queued") if isinstance(figures.get(name), int)
    ]
    return " > ".join(f"{count(n)} {name}" for name, n in told) or "done"


def needs(work: Row, now: int) -> list[Need]:
    """What of background jobs waits for a person; what failed stands among the failures by its reason."""
    if not work:
        return []
    found = []
    totals, ours = work["totals"], "-kind:send"
    if n := totals["uncertain"]:
        text = "uncertain: done or not?"
        row = {"filter": f"state:uncertain {ours}"}
        found.append(Need(2, "?", "ask", plural(n, "work job"), text, None, (WORK, "uncertain"), WORK, row))
    for strange in work["strange"]:
        kind, n = strange["kind"], strange["n"]
        text = f"no processor for {kind}: install it, or cancel {'it' if n == 1 else 'them'}"
        row = {"filter": _open_of(kind)}
        found.append(Need(1, "!", "bad", plural(n, "work job"), text, None, (WORK, "kind", kind), WORK, row))
    if n := totals["held"] - sum(strange["held"] for strange in work["strange"]):
        text = f"{'waits' if n == 1 else 'wait'} for a person: something is to be put right first"
        row = {"filter": f"state:held {ours}"}
        found.append(Need(3, "o", "warn", plural(n, "work job"), text, None, (WORK, "held"), WORK, row))
    for batch in work["blocked"]:
        text = f"stage {batch['stage']} ended badly: {plural(batch['waiting'], 'job')} of later stages wait"
        row = {"filter": f"batch:{batch['id']} state:failed,uncertain"}
        name = batch["name"] or f"batch {batch['id']}"
        found.append(Need(3, "!", "bad", name, text, None, (WORK, "batch", batch["id"]), WORK, row))
    if n := work["empty"]:
        text = f"{'was' if n == 1 else 'were'} done today and did nothing: look why"
        row = {"filter": "flag:empty since:24h"}
        found.append(Need(6, "+", "warn", plural(n, "empty run"), text, None, (WORK, "empty"), WORK, row))
    return found


def _open_of(kind: str) -> str:
    """The filter of a kind's open jobs."""
    from storage.filter_sql import exactly  # the language, which the first picture does not wait for
    from storage.filter_terms import Filter, States, render

    return render(Filter((exactly("kind", kind), States(("pending", "processing", "held")))))
