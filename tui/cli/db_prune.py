"""`paceline db prune`: take out by hand what the job `cleanup_old_data` takes out by a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Change

if TYPE_CHECKING:
    from tui.client import Control

WORDS = {"jobs": "background jobs", "logs": "log entries", "firings": "firings of schedules"}


@click.command("prune", cls=Change)
@click.option("--jobs", is_flag=True, help="Background jobs that are over.")
@click.option("--logs", is_flag=True, help="Log entries that no person made.")
@click.option("--firings", is_flag=True, help="Firings of schedules, but for the newest 100 of each.")
@click.option("--older-than", metavar="TIME", help="By default as [retention] says of each, 30d.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.pass_obj
def prune(session: Session, jobs: bool, logs: bool, firings: bool, older_than: str | None, dry_run: bool) -> None:
    """Remove old background jobs, log entries and firings, in small slices, also while an engine runs; by default all.

    Messages with their attempts, suppressions, what came back, what people did and the statistics of jobs are kept,
    and so is every batch of which a job is still open or uncertain.
    """
    from engine.planning.durations import format_duration, parse_duration
    from storage.pruning import old_events, old_firings, old_jobs
    from tui.cli.times import now_us

    if not dry_run:
        session.refuse_read_only()
    named = {"jobs": jobs, "logs": logs, "firings": firings}
    chosen = [what for what in WORDS if named[what]] or list(WORDS)
    kept = session.config().retention
    ages = {
        what: parse_duration(older_than, field="--older-than") if older_than else getattr(kept, what) for what in chosen
    }
    now = now_us()
    before = {what: now - age for what, age in ages.items() if age}  # 0: kept for ever
    with session.reader() as reader:
        count = {"jobs": old_jobs, "logs": old_events, "firings": old_firings}
        found = {what: count[what](reader, at) for what, at in before.items()}
    words = ", ".join(f"{found[what]:,} {WORDS[what]} older than {format_duration(ages[what])}" for what in found)
    removed = dict.fromkeys(found, 0)
    if not dry_run and any(found.values()):
        session.confirm(f"Remove {words}?")
        with session.control() as control:
            removed = {what: _remove(control, what, at) for what, at in before.items()}
    if session.json:
        emit({"success": True, "dry_run": dry_run, "found": found, "removed": removed})
    elif not any(found.values()):
        out("nothing is old enough" if found else "[retention] keeps them for ever: say --older-than")
    elif dry_run:
        out(f"would remove {words}")
    else:
        out("removed " + ", ".join(f"{n:,} {WORDS[what]}" for what, n in removed.items()))


def _remove(control: Control, what: str, before: int) -> int:
    removed = 0
    after: int | None = 0
    while after is not None:
        answer = control.call("retention.prune", {"what": what, "before": before, "after": after})
        removed, after = removed + int(answer["removed"]), answer["next"]
    return removed
