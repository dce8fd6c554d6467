"""The steps of a campaign with what became of each, for lists of commands and screens."""

from __future__ import annotations

from engine.planning.pacing import Pacing
from engine.planning.waits import Wait
from engine.sequences import CONDITIONS
from storage.reader import Reader
from storage.step_facts import step_counts, waiting_for_acceptance
from tui.cli.output import Json


def step_rows(reader: Reader, row: Json) -> list[Json]:
    """One row a step of a campaign as `Reader.campaign` gives it: `step` (from 1), `channel`, `wait` and `conditions`,
    `begins` (the two in words), `pacing` (in words, "" for the campaign's), `subject`, `title` (the subject, or the
    first words), counts by state, `sent, waiting, skipped, failed, needs_you`, and `waits_for_acceptance`: of how many
    people the step after it waits for that."""
    counts = step_counts(reader, row)
    waits = waiting_for_acceptance(reader, row["id"]) if len(row["steps"]) > 1 else {}
    return [_step(row, step, counts.get(step["id"], {}), waits.get(step["id"], 0)) for step in row["steps"]]


def _step(row: Json, step: Json, counts: dict[str, int], waits: int) -> Json:
    wait = "" if step["position"] == 1 else Wait.from_dict(step["wait"]).describe()
    return {
        "step": step["position"],
        "channel": step["channel"] or row["channel"],
        "wait": wait,
        "conditions": step["conditions"],
        "begins": begins(step),
        "pacing": Pacing.from_dict(step["pacing"]).describe() if step["pacing"] else "",
        "subject": step["subject"],
        "title": title(step),
        "counts": counts,
        "sent": counts.get("completed", 0) + counts.get("bounced", 0),
        "waiting": counts.get("pending", 0) + counts.get("processing", 0),
        "skipped": counts.get("skipped", 0),
        "failed": counts.get("failed", 0),
        "needs_you": counts.get("held", 0) + counts.get("uncertain", 0),
        "waits_for_acceptance": waits,
    }


def begins(step: Json) -> str:
    """When a step begins, and for whom: "after 3d, only to those who have not replied"."""
    if step["position"] == 1:
        return "at the start"
    words = [CONDITIONS[word] for word in step["conditions"] if word in CONDITIONS]
    return ", ".join([f"after {Wait.from_dict(step['wait']).describe()}", *words])


def title(step: Json) -> str:
    """The subject, or where there is none the first words of the text."""
    return step["subject"] or " ".join(step["text"].split())[:60] or "(no words)"
