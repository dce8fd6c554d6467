"""`paceline demo`: the main job in one command, against a relay on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.cli.output import Json, dated, emit, local, out, pairs, say
from tui.cli.session import Session
from tui.cli.verbs import Change

if TYPE_CHECKING:
    from tui.demo.setup import Judgement, Place


@click.command("demo", cls=Change)
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="The demo's folder [.demo in a checkout].")
@click.option("--headless", is_flag=True, help="Without the console, also in a terminal.")
@click.pass_obj
def demo(session: Session, folder: Path | None, headless: bool) -> int:
    """Send an example campaign to 200 invented people through a local relay with believable faults, invite 14 through
    a local LinkedIn service beside it, and plan another campaign to 40 over days. Meanwhile a pipeline finds 50
    prospects whose messages wait for your approval, and three schedules wait for their time.

    In a terminal the console opens on all of it. Without one the first two run to their ends: their counts stand beside
    the servers' own ledgers, exit 0 when they are equal. Then the third is started, and its forecast is told. Nobody
    approves the prospects' messages, so none of them leaves.
    """
    from tui.cli.campaign_forecast import forecast_json, foretell, tell_forecast
    from tui.cli.init import make_database
    from tui.demo.setup import CAMPAIGN, INVITATIONS, LATER, default_folder, make_place, running_servers, write_config
    from tui.demo.work import PROSPECTS, begin_work, lay_out
    from tui.terminal import can_show_console

    session.refuse_read_only()
    place, what = make_place((folder or default_folder()).absolute())
    say(what)
    work = lay_out(place)
    with running_servers(place) as ports:
        write_config(place, ports)
        here = Session(place.database, place.config)
        make_database(here.db)
        started = _begin(here, CAMPAIGN)
        invited = _begin(here, INVITATIONS)
        say(f"campaign {started['campaign']}: {started['queued']} messages, relay on port {ports.relay}")
        say(f"campaign {invited['campaign']}: {invited['queued']} invitations, service on port {ports.linkedin}")
        _begin(here, PROSPECTS, start=False)
        with here.control() as control:
            run, schedules = begin_work(work, control)
        say(f"pipeline: prospects from {work.name}/{PROSPECTS}, job {run}; {len(schedules)} schedules")
        if can_show_console() and not headless and not session.json:
            from tui.app import run_console

            _begin(here, LATER)
            code = run_console(place.database, place.config, read_only=False)
            _tell(place, _compare(here, place))
            _tell_work(here, _work(here, run))
            return code
        from tui.cli.headless import Headless

        Headless(place.database, here.load_config).run(until_idle=True)
        found = _compare(here, place)
        # Started only now: until it is idle an engine would wait for it, and it takes days.
        _begin(here, LATER)
    later, found = foretell(here, LATER), {**found, **_work(here, run)}
    if session.json:
        emit({**dated(found), "next": forecast_json(later)})
    else:
        _tell(place, found)
        _tell_work(here, found)
        out()
        tell_forecast(later)
        say(f"why it waits: paceline --db {place.database} --config {place.config} campaign explain {LATER}")
    return 0 if found["equal"] else 1


def _begin(here: Session, name: str, *, start: bool = True) -> Json:
    """One of the example campaigns, live and started; or a draft, when its messages come from elsewhere."""
    from tui.cli.campaign_make import plan_args
    from tui.cli.importing import import_file
    from tui.cli.plan_file import read_plan_file
    from tui.demo.setup import CAMPAIGNS

    plan = read_plan_file(CAMPAIGNS / name)
    with here.control() as control:
        made = control.call("campaign.new", plan_args(plan))
        if plan.source is not None:
            by_profile = here.config().account(plan.account).channel == "unipile"
            source = replace(plan.source, by_profile=by_profile)
            import_file(source, plan.name, control, rejects=here.db.with_name("rejects.csv"))
        if not start:
            return made
        control.call("campaign.live", {"name": plan.name})
        return control.call("campaign.start", {"name": plan.name})


def _compare(here: Session, place: Place) -> Json:
    """The counts of both campaigns beside the servers' ledgers."""
    from tui.demo.setup import CAMPAIGN, INVITATIONS, judge, judge_invitations

    mail = _beside(here, CAMPAIGN, judge(place), "address")
    invitations = _beside(here, INVITATIONS, judge_invitations(place), "profile")
    return {**mail, "invitations": invitations, "equal": mail["equal"] and invitations["equal"]}


def _work(here: Session, run: int) -> Json:
    """The pipeline's run, what of its messages waits, and when each schedule fires."""
    from storage.pipeline_facts import runs
    from storage.schedule_facts import schedules
    from tui.cli.facts import by_state
    from tui.cli.pipeline_show import run_json
    from tui.demo.work import PIPELINE, PROSPECTS

    with here.reader() as reader:
        [found] = runs(reader, PIPELINE, before=run + 1, limit=1)
        prospects = by_state(reader.campaign(PROSPECTS)["counts"])
        waiting = [{"schedule": row["name"], "next_at": row["next_at"]} for row in schedules(reader)]
    return {"pipeline": run_json(found), "prospects": {"counts": prospects}, "schedules": waiting}


def _tell_work(here: Session, found: Json) -> None:
    """What stands beside the campaigns, each with the command that shows more of it."""
    from engine.processors.registry import Registry
    from tui.demo.work import PROSPECTS

    run, counts, at = found["pipeline"], found["prospects"]["counts"], f"paceline --db {here.db} --config"
    funnel = getattr(Registry().get(run["pipeline"]), "funnel", ())
    steps = [f"{run['counters'][name]:,} {name.replace('_', ' ')}" for name in funnel if name in run["counters"]]
    pairs(
        (
            ("pipeline", f"{run['pipeline']} is {run['state']}" + (f": {run['flag']}" if run["flag"] else "")),
            ("funnel", ", ".join(steps)),
            ("prospects", f"{counts['completed']:,} sent, {counts['held']:,} held: they wait for your approval"),
            *(
                ("schedule", f"{one['schedule']}, next at {local(one['next_at'], here.zone)}")
                for one in found["schedules"]
            ),
        )
    )
    say(f"approve some: {at} {here.config_file} approval list --campaign {PROSPECTS}")


def _beside(here: Session, name: str, ledger: Judgement, who: str) -> Json:
    from storage.people_page import sent_to
    from tui.cli.facts import by_state

    with here.reader() as reader:
        row = reader.campaign(name)
        sent = {p[who].lower(): p["n"] for p in sent_to(reader, row["id"])}
    counts = by_state(row["counts"])
    return {
        "campaign": name,
        "state": row["state"],
        "total": row["total"],
        "counts": counts,
        "ledger": {"accepted": ledger.accepted, "people": len(ledger.per_person), "twice": list(ledger.twice)},
        "equal": row["state"] == "completed"
        and counts["completed"] + counts["bounced"] == ledger.accepted
        and sent == ledger.per_person
        and not ledger.twice,
    }


def _tell(place: Place, found: Json) -> None:
    invitations = found["invitations"]
    ledger, invited = found["ledger"], invitations["ledger"]
    pairs(
        (
            ("campaign", f"{found['campaign']} is {found['state']}"),
            ("counts", _states(found)),
            ("sent, by Paceline", f"{found['counts']['completed']:,}"),
            ("accepted, by the relay", f"{ledger['accepted']:,} messages for {ledger['people']:,} people"),
            ("campaign", f"{invitations['campaign']} is {invitations['state']}"),
            ("counts", _states(invitations)),
            ("invited, by Paceline", f"{invitations['counts']['completed']:,}"),
            ("invitations, by the service", f"{invited['accepted']:,} for {invited['people']:,} people"),
            ("anybody twice", ", ".join([*ledger["twice"], *invited["twice"]]) or "nobody"),
        )
    )
    out("equal" if found["equal"] else "not equal")
    say(f"look closer: paceline --db {place.database} --config {place.config} campaign show {found['campaign']}")


def _states(found: Json) -> str:
    return ", ".join(f"{n:,} {state}" for state, n in found["counts"].items() if n)
