"""`paceline demo`: the main job in one command, against a relay on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.cli.output import Json, emit, out, pairs, say
from tui.cli.session import Session
from tui.cli.verbs import Change

if TYPE_CHECKING:
    from tui.demo.setup import Place


@click.command("demo", cls=Change)
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="The demo's folder [.demo in a checkout].")
@click.option("--headless", is_flag=True, help="Without the console, also in a terminal.")
@click.pass_obj
def demo(session: Session, folder: Path | None, headless: bool) -> int:
    """Send an example campaign to 200 invented people through a local relay with believable faults, and plan another
    one to 40 of them over days.

    In a terminal the console opens on both. Without one the first runs to its end: its counts stand beside the relay's
    own ledger, exit 0 when they are equal. Then the second one is started, and its forecast is told.
    """
    from tui.cli.campaign_forecast import forecast_json, foretell, tell_forecast
    from tui.cli.init import make_database
    from tui.demo.setup import CAMPAIGN, LATER, default_folder, make_place, running_relay, write_config
    from tui.terminal import can_show_console

    session.refuse_read_only()
    place, what = make_place((folder or default_folder()).absolute())
    say(what)
    with running_relay(place) as port:
        write_config(place, port)
        here = Session(place.database, place.config)
        make_database(here.db)
        started = _begin(here, CAMPAIGN)
        say(f"campaign {started['campaign']}: {started['queued']} messages, relay on port {port}")
        if can_show_console() and not headless and not session.json:
            from tui.app import run_console

            _begin(here, LATER)
            code = run_console(place.database, place.config, read_only=False)
            _tell(place, _compare(here, place))
            return code
        from tui.cli.headless import Headless

        Headless(place.database, here.load_config).run(until_idle=True)
        found = _compare(here, place)
        # Started only now: until it is idle an engine would wait for it, and it takes days.
        _begin(here, LATER)
    later = foretell(here, LATER)
    if session.json:
        emit({**found, "next": forecast_json(later)})
    else:
        _tell(place, found)
        out()
        tell_forecast(later)
        say(f"why it waits: paceline --db {place.database} --config {place.config} campaign explain {LATER}")
    return 0 if found["equal"] else 1


def _begin(here: Session, name: str) -> Json:
    """One of the example campaigns, live and started."""
    from tui.cli.campaign_make import new_args
    from tui.cli.importing import import_file
    from tui.cli.plan_file import read_plan_file
    from tui.demo.setup import CAMPAIGNS

    plan = read_plan_file(CAMPAIGNS / name)
    with here.control() as control:
        args = new_args(plan.name, plan.account, plan.pacing, plan.letter, window=plan.window)
        control.call("campaign.new", args)
        if plan.source is not None:
            import_file(plan.source, plan.name, control, rejects=here.db.with_name("rejects.csv"))
        control.call("campaign.live", {"name": plan.name})
        return control.call("campaign.start", {"name": plan.name})


def _compare(here: Session, place: Place) -> Json:
    """The campaign's counts beside the relay's ledger."""
    from tui.cli.facts import by_state
    from tui.demo.setup import CAMPAIGN, judge

    with here.reader() as reader:
        row = reader.campaign(CAMPAIGN)
        sent = {p["address"].lower() for p in reader.all_recipients(row["id"]) if p["state"] == "completed"}
    ledger = judge(place)
    counts = by_state(row["counts"])
    equal = counts["completed"] == ledger.accepted == ledger.people and sent == ledger.addresses
    return {
        "campaign": CAMPAIGN,
        "state": row["state"],
        "total": row["total"],
        "counts": counts,
        "ledger": {"accepted": ledger.accepted, "people": ledger.people, "twice": list(ledger.twice)},
        "equal": equal,
    }


def _tell(place: Place, found: Json) -> None:
    ledger = found["ledger"]
    pairs(
        (
            ("campaign", f"{found['campaign']} is {found['state']}"),
            ("counts", ", ".join(f"{n:,} {state}" for state, n in found["counts"].items() if n)),
            ("sent, by Paceline", f"{found['counts']['completed']:,}"),
            ("accepted, by the relay", f"{ledger['accepted']:,} messages for {ledger['people']:,} people"),
            ("anybody twice", ", ".join(ledger["twice"]) or "nobody"),
        )
    )
    out("equal" if found["equal"] else "not equal")
    say(f"look closer: paceline --db {place.database} --config {place.config} campaign show {found['campaign']}")
