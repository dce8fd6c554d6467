"""`paceline engine run`: an engine in the foreground, without a screen."""

from __future__ import annotations

import click

from storage.errors import UsageError
from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Verb


@click.command("run", cls=Verb)
@click.option("--until-idle", is_flag=True, help="End with 0 when nothing can run any more without a person.")
@click.option("--once", is_flag=True, help="One pass: send what is due now, then end.")
@click.pass_obj
def run(session: Session, until_idle: bool, once: bool) -> int:
    """Run an engine here, until SIGTERM, SIGINT or SIGHUP.

    The first signal drains: nothing new begins, what is in flight finishes. A second one cuts.
    """
    from tui.cli.headless import Headless, told_jobs

    if until_idle and once:
        raise UsageError("--until-idle and --once exclude each other", hint="--once sends only what is due now")
    engine = Headless(session.db, session.load_config, read_only=session.read_only)
    summary = engine.run(until_idle=until_idle, once=once)
    if session.json:
        emit(summary)
    elif until_idle or once:
        out(", ".join(f"{summary[key]:,} {key}" for key in ("processed", "sent", "failed", "held", "uncertain")))
        if jobs := told_jobs(summary["jobs"]):
            out(f"background jobs: {jobs}")
    return 1 if engine.was_cut else 0
