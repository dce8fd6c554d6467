"""`paceline queue tune`: other limits from now on, without a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from engine.planning.caps import parse_ramp
from storage.errors import UsageError
from tui.cli.output import Json, out
from tui.cli.session import Session
from tui.cli.tuning import tell_tuned, window_given, window_options
from tui.cli.verbs import Change
from tui.limit_words import LABELS
from tui.safe_text import safe_text

ALL = "all"
_NAMES = {name.replace("_", "-"): name for name in LABELS}
"""The limits as they are called behind `--reset`."""


@click.command("tune", cls=Change)
@click.argument("name")
@click.option("--rate", metavar="RATE", help="At most so many: 30/min, 200/h. Caps of other periods stay.")
@click.option("--concurrency", type=click.IntRange(1, 100), help="So many at once.")
@click.option("--min-gap", metavar="TIME", help="Between two starts: 30s; 0s for none.")
@click.option("--domain-gap", metavar="TIME", help="Between two to one recipient domain: 5s; 0s for none.")
@click.option(
    "--cap",
    "caps",
    multiple=True,
    metavar="CAP",
    help="400/day, 200/week, 500/day calendar: in place of the cap of its period; the others stay.",
)
@click.option("--no-caps", is_flag=True, help="Neither a rate nor a quota; with --rate or --cap those alone.")
@window_options
@click.option("--no-window", is_flag=True, help="At any hour.")
@click.option("--warmup", metavar="RAMP", help="5+1..20: 5 a day, 1 more each day, to 20. 10+10%..200.")
@click.option("--no-warmup", is_flag=True, help="No warm-up.")
@click.option(
    "--reset",
    multiple=True,
    is_flag=False,
    flag_value=ALL,
    type=click.Choice([ALL, *_NAMES]),
    help="Back to the configuration: a limit by name, or without one all of them.",
)
@click.option("--dry-run", is_flag=True, help="Say what would hold then, and change nothing.")
@click.pass_obj
def tune(session: Session, /, name: str, **options: Any) -> None:
    """Change the limits of the queue NAME from now on, without a restart.

    What is in flight is left alone; plans follow. The tuning stays, also over a restart, until `--reset`.
    """
    wanted = asked(options)
    if not wanted:
        raise UsageError("say what: for example --rate 30/min", hint="paceline queue tune --help")
    result = session.call("queue.tune", {"name": name, **wanted})
    if wanted.get("dry_run") and not session.json:
        out(safe_text(result["message"]))
    else:
        tell_tuned(session, result, [] if wanted.get("dry_run") else None, queue=name)


def asked(options: Mapping[str, Any]) -> Json:
    """The arguments of `queue.tune` beside the name; {} when nothing was asked for. Raises UsageError."""
    wanted: Json = {"rate": [], "caps": []} if options["no_caps"] else {}
    for name in ("rate", "concurrency", "min_gap", "domain_gap"):
        if options[name] is not None:
            wanted[name] = options[name]
    if options["caps"]:
        wanted["cap"] = list(options["caps"])
    if options["no_caps"] and options["rate"] is not None:
        wanted["rate"] = [options["rate"]]
    window = window_given(options)
    if window is not None:
        wanted["window"] = window or None
    if options["no_warmup"]:
        wanted["warmup"] = None
    if options["warmup"] is not None:
        wanted["warmup"] = parse_ramp(options["warmup"]).to_dict()
    reset = list(_NAMES.values()) if ALL in options["reset"] else [_NAMES[word] for word in options["reset"]]
    given: Json = {key: value for key, value in (("set", wanted), ("reset", reset)) if value}
    if given and options["dry_run"]:
        given["dry_run"] = True
    return given
