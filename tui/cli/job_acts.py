"""`paceline job retry`, `cancel` and `undo`: a set that is fixed before the question, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from storage.errors import RefusedError, UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import Json, say
from tui.cli.session import Session
from tui.cli.verbs import ID, Change
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from storage.fixed_set import Act, FixedSet
    from storage.reader import Reader
    from tui.client import Control

PART = 5_000
"""Jobs of one call, which the engine takes 500 a transaction."""
MOST_ENDED = 1_000
SHOWN = 10
"""Jobs that were left alone and are named; `--json` has them all."""


_DONE = {
    "retry": "will be tried again",
    "cancel": "cancelled: they are skipped in 10 s",
    "approve": "approved",
    "reject": "rejected",
}


@click.command("retry", cls=Change)
@click.argument("ids", metavar="[ID...]", type=ID, nargs=-1)
@click.option("--filter", "text", default="", help='All that match, for example "state:failed error:~421 since:1h".')
@click.option("--error", "error_key", default="", help="All that stopped for this reason (`error_key`).")
@click.option("--spread", default="", help="Spread them evenly over a time such as 2h, counted while windows are open.")
@click.pass_obj
def retry(session: Session, ids: tuple[int, ...], text: str, error_key: str, spread: str) -> int:
    """Give these failed or held jobs a new budget. Exit 1 when not all of them could be retried.

    The set is fixed before the question: what fails later does not belong to it.
    """
    from engine.planning.durations import parse_spread
    from storage.fixed_set import Act, of_reason

    over = parse_spread(spread)
    if error_key:
        if ids or text.strip():
            raise UsageError("--error stands alone", hint="or use --filter")
        return act(session, "job.retry", lambda reader: of_reason(reader, error_key), f"error {error_key}", over)
    return act(session, "job.retry", chosen(Act.RETRY, ids, text), text.strip(), over, by_ids=bool(ids))


@click.command("cancel", cls=Change)
@click.argument("ids", metavar="[ID...]", type=ID, nargs=-1)
@click.option("--filter", "text", default="", help='All that match, for example "campaign:spring state:scheduled".')
@click.pass_obj
def cancel(session: Session, ids: tuple[int, ...], text: str) -> int:
    """Cancel jobs that wait. None of them begins any more; they are skipped in 10 s, until then `job undo` helps.
    Background jobs that run are asked to end: at the next good place, or in 10 s where they are.

    The set is fixed before the question. Exit 1 when not all of them could be cancelled.
    """
    from storage.fixed_set import Act

    return act(session, "job.cancel", chosen(Act.CANCEL, ids, text), text.strip(), by_ids=bool(ids))


@click.command("undo", cls=Change)
@click.argument("events", metavar="EVENT...", type=int, nargs=-1, required=True)
@click.pass_obj
def undo(session: Session, events: tuple[int, ...]) -> int:
    """Take a retry, a cancel or an approval back, by the events that it wrote: a cancel within 10 s, the others before
    anything was sent."""
    result = session.call("job.undo", {"events": list(events)})
    tell(session, result)
    return 1 if result["empty"] else 0


def chosen(act: Act, ids: tuple[int, ...], text: str) -> Callable[[Reader], FixedSet]:
    """How the set is fixed: by ids or by a filter. Raises UsageError, FilterError."""
    from storage.filters import parse
    from storage.fixed_set import of_filter, of_ids
    from storage.jobs_page import Query, highest
    from tui.cli.times import now_us

    if bool(ids) == bool(text.strip()):
        raise UsageError("name jobs by id, or some by --filter", hint='for example --filter "state:failed since:1h"')
    if ids:
        return lambda reader: of_ids(reader, act, dict.fromkeys(ids))
    filter = parse(text)
    return lambda reader: of_filter(reader, act, Query(filter, now=now_us(), top=highest(reader)))


def act(
    session: Session,
    action: str,
    fix: Callable[[Reader], FixedSet],
    filter: str,
    spread: int = 0,
    *,
    by_ids: bool = False,
    more: Json | None = None,
) -> int:
    """Fix, ask, act in parts, tell; `more` are further arguments of the action. Returns the exit code: 0 when all of
    the set was changed, and with `by_ids` nothing that was named is outside it."""
    with session.reader() as reader:
        fixed = fix(reader)
    verb = fixed.act.value
    n = len(fixed.jobs)
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(fixed.taken.items()))
    runs = len(fixed.running)
    ends = f" ({runs:,} running {'is' if runs == 1 else 'are'} asked to end)" if runs else ""
    left = fixed.in_words()
    say(f"{n:,} to {verb}{f': {states}' if states else ''}{f'; left: {left}' if left else ''}{ends}")
    result: Json = {"success": True, "done": 0, "changed": 0, "refused": 0, "left": [], "events": [], "notes": []}
    if n or runs:
        session.confirm(f"{verb.capitalize()} {n + runs:,} {'job' if n + runs == 1 else 'jobs'}?")
        until: Json = {}
        with session.control() as control:
            for start in range(0, n, PART):
                args: Json = {"seen": fixed.jobs.part(start, PART), "filter": filter, **(more or {})}
                if action == "job.retry":
                    args |= {"spread": spread, "offset": start, "total": n, "until": until}
                part = control.call(action, args)
                until = part.get("until", {})
                for name in ("done", "changed", "refused", "left", "events"):
                    result[name] += part[name]
                result["notes"] = list(dict.fromkeys([*result["notes"], *part.get("notes", [])]))
            if runs:
                result["asked"] = _ask_to_end(control, fixed.running)
    for entry in result["left"][:SHOWN]:
        say(f"job {entry['job']}: {safe_text(entry['why'])}")
    done = _DONE[verb]
    asked = len(result.get("asked", ()))
    message = f"{result['done']:,} {done}" if result["done"] or not asked else ""
    message = f"nothing to {verb}" if not result["done"] and not asked else message
    message += f"{'; ' if message else ''}{asked:,} asked to end" if asked else ""
    message += f"; {result['changed']:,} changed meanwhile" if result["changed"] else ""
    message += f"; {result['refused']:,} refused" if result["refused"] else ""
    message = "; ".join([message, *result["notes"]])
    if result["events"] and verb != "reject":
        say(f"take it back: paceline job undo {' '.join(map(str, result['events'][:SHOWN]))}")
    # `retried` is the older name of `done`.
    older = {"retried": result["done"]} if action == "job.retry" else {}
    tell(session, {**result, **older, "empty": not result["done"] and not asked, "message": message})
    return 0 if result["done"] == n and asked == runs and not (by_ids and fixed.left) else 1


def _ask_to_end(control: Control, running: list[int]) -> list[int]:
    """Those that still run and were asked to end; the others have ended meanwhile."""
    asked: list[int] = []
    for start in range(0, len(running), MOST_ENDED):
        try:
            asked += control.call("job.end", {"ids": running[start : start + MOST_ENDED]})["asked"]
        except RefusedError:
            continue
    return asked
