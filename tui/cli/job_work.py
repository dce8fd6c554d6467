"""`paceline job work`: an engine for background jobs alone, until there is nothing left to do."""

from __future__ import annotations

import click

from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Verb


@click.command("work", cls=Verb)
@click.option("--once", is_flag=True, help="Only what is due now: what waits for a time or another try stays.")
@click.pass_obj
def work(session: Session, once: bool) -> int:
    """Run the background jobs that there are, here and now, until none can run without a person. No message is sent.

    For machines without a standing engine; where one runs it does this by itself, and this ends with 3. Exit 0 also
    when jobs failed: `job list --failed` has them.
    """
    from tui.cli.headless import Headless, told_jobs

    session.refuse_read_only()
    engine = Headless(session.db, session.load_config, sends=False)
    summary = engine.run(until_idle=not once, once=once)
    if session.json:
        emit(summary)
    else:
        out(told_jobs(summary["jobs"]) or "no background job was due")
    return 1 if engine.was_cut else 0
