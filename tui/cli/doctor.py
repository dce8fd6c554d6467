"""`paceline doctor`: what is wrong, and the next step."""

from __future__ import annotations

import click

from tui.cli.output import emit, out
from tui.cli.session import Session
from tui.cli.verbs import Verb
from tui.safe_text import safe_text


@click.command("doctor", cls=Verb)
@click.pass_obj
def doctor(session: Session) -> int:
    """Look at configuration, secrets, store, engine and machine. Exit 1 when there is a problem."""
    from tui.cli.checkup import examine

    findings = examine(session)
    problems = [found for found in findings if found.level == "problem"]
    if session.json:
        emit(
            {
                "success": not problems,
                "problems": len(problems),
                "findings": [
                    {"check": f.check, "level": f.level, "message": f.message, "remedy": f.remedy} for f in findings
                ],
            }
        )
        return 1 if problems else 0
    for found in findings:
        out(f"{found.level:<7}  {found.check:<13}  {safe_text(found.message)}")
        if found.remedy:
            out(f"{'':<24} -> {safe_text(found.remedy)}")
    return 1 if problems else 0
