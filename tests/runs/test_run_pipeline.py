"""The daily prospects by a whole engine on simulated time; pipelines as such: resumed, stopped, repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_world import DAILY, EXAMPLE, PipelineWorld, Resting, Scripted

from engine.processors import daily_prospects
from engine.processors.daily_prospects import DailyProspects
from engine.prospects.scoring import rank
from engine.prospects.settings import ProspectSettings
from engine.prospects.source import read_prospects
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.pipeline_facts import runs
from tests.support.simulated import NOON, SimulatedClock
from tests.support.webhook_server import WebhookServer, answer

FIGURES = {
    "discovered": 150, "checked": 150, "scored": 120, "high_priority": 75, "uncontacted": 75, "selected": 50,
    "generated": 50, "queued": 50,
}  # fmt: skip

EIGHT_IN_NEW_YORK = NOON + HOUR


@pytest.fixture
async def lab(
    tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, unhurried: None
) -> AsyncIterator[PipelineWorld]:
    made = PipelineWorld(tmp_path, clock, monkeypatch)
    await made.start()
    yield made
    await made.stop()
    made.check()


def events_of(lab: PipelineWorld, job_id: int) -> dict[str, int]:
    """How many facts the run told of itself and of its messages, by kind."""
    rows = lab.rows(
        "SELECT kind, count(*) AS n FROM events WHERE kind IN ('daily_queue_completed', 'email_queued_for_approval') "
        "AND id > (SELECT min(id) FROM events WHERE job_id = ?) GROUP BY kind",
        job_id,
    )
    return {row["kind"]: row["n"] for row in rows}


async def test_a_day_has_the_figures_that_were_promised(lab: PipelineWorld) -> None:
    await lab.prospects()
    run = await lab.run()
    assert (run["state"], run["flag"]) == ("completed", "")
    assert {name: run["result"][name] for name in FIGURES} == FIGURES
    assert run["result"] | {"executionTime": 0} == run["result"] | {
        "prospectsDiscovered": 150, "prospectsScored": 120, "prospectsQueued": 50, "emailsGenerated": 50,
        "dailyLimit": 50, "errors": [], "executionTime": 0,
    }  # fmt: skip
    assert [stage["name"] for stage in run["stages"]] == ["quota", "discover", "rank", "draft", "queue", "events"]
    assert run["stages"][0]["counters"] == {"queued_today": 0, "daily_limit": 50, "remaining": 50}
    assert run["result"]["executionTime"] * 1_000 == run["ran"]
    assert events_of(lab, run["id"]) == {"daily_queue_completed": 1, "email_queued_for_approval": 50}
    assert len(lab.waiting()) == len({job["address"] for job in lab.waiting()}) == 50


async def test_nothing_leaves_before_a_person_approves_it(lab: PipelineWorld) -> None:
    await lab.prospects()
    await lab.run()
    await lab.clock.run(DAY)
    assert lab.channel.begun == []
    jobs = lab.waiting()
    await lab.call("approval.approve", seen=lab.seen(jobs[:3]))
    await lab.call("approval.reject", seen=lab.seen(jobs[3:4]), reason="a competitor")
    await lab.sent(3)
    assert {one.recipient for one in lab.channel.begun} == {job["address"] for job in jobs[:3]}
    assert lab.counts("prospects") == {"completed": 3, "skipped": 1, "held": 46}


async def test_a_second_run_of_the_day_stops_at_its_quota(lab: PipelineWorld) -> None:
    await lab.prospects()
    await lab.run()
    again = await lab.run()
    assert again["state"] == "completed"
    assert again["flag"] == "empty: 50 were queued today already, and 50 is the day's limit"
    assert lab.stages(again["id"]) == {"quota": "done", **dict.fromkeys(DailyProspects.stages[1:], "skipped")}
    assert (again["result"]["prospectsQueued"], again["result"]["remaining"]) == (0, 0)
    assert len(lab.waiting()) == 50


async def test_the_next_days_bring_the_others_and_then_nobody(lab: PipelineWorld) -> None:
    await lab.prospects()
    queued = []
    for _ in range(3):
        run = await lab.run()
        queued.append((run["result"]["prospectsQueued"], run["flag"]))
        await lab.clock.run(DAY)
    assert queued == [(50, ""), (25, ""), (0, "empty: nobody is left who fits and was never written to")]
    assert len({job["address"] for job in lab.waiting()}) == 75


async def test_its_schedule_runs_it_at_eight_in_new_york_day_by_day(lab: PipelineWorld) -> None:
    await lab.prospects()
    await lab.call(
        "schedule.add", name="daily-prospects", cron="0 8 * * *", zone="America/New_York", kind=DAILY,
        payload=lab.settings,
    )  # fmt: skip
    await lab.clock.run(3 * DAY)
    history = lab.read(lambda reader: runs(reader, DAILY))
    assert [run["result"]["prospectsQueued"] for run in reversed(history)] == [50, 25, 0]
    assert {run["origin"] for run in history} == {"schedule daily-prospects"}
    assert {(run["started_at"] - EIGHT_IN_NEW_YORK) % DAY for run in history} == {0}


async def test_the_quota_is_of_the_configured_zones_day(lab: PipelineWorld) -> None:
    lab.set_clock("2026-03-01T23:30:00+00:00")
    await lab.prospects()
    assert (await lab.run())["result"]["prospectsQueued"] == 50
    await lab.clock.run(HOUR)
    assert (await lab.run())["result"]["prospectsQueued"] == 25


async def test_two_runs_at_once_share_the_quota(lab: PipelineWorld) -> None:
    await lab.prospects()
    Resting.rest_after = "draft"
    resting = await lab.begin(per_day=60)
    await lab.clock.until(lambda: Resting.resting)
    assert (await lab.run(per_day=60))["result"]["prospectsQueued"] == 50
    await lab.clock.run(HOUR)
    late = lab.run_of(resting)
    assert (late["result"]["prospectsQueued"], late["result"]["known"], late["result"]["over_limit"]) == (0, 10, 40)
    assert late["flag"].startswith("empty: nobody was queued; 40 were over the day's limit")
    assert len(lab.waiting()) == 50


async def test_whoever_was_rejected_expired_or_is_suppressed_is_not_proposed_again(lab: PipelineWorld) -> None:
    await lab.prospects(approval_time=2 * HOUR)
    await lab.run(per_run=10)
    jobs = lab.waiting()
    await lab.call("approval.reject", seen=lab.seen(jobs[:4]), reason="too small")
    await lab.clock.run(3 * HOUR)
    assert {job["reason"] for job in lab.jobs("prospects")} == {"rejected", "expired"}
    next_best = await ranked_next(lab)
    await lab.call("suppression.add", entries=[{"value": next_best}])
    run = await lab.run()
    assert (run["result"]["high_priority"], run["result"]["uncontacted"]) == (75, 64)
    [ranked] = [stage for stage in run["stages"] if stage["name"] == "rank"]
    assert "contacted before: 10" in ranked["note"] and "must not be contacted: 1" in ranked["note"]
    again = {job["address"] for job in lab.waiting()}
    assert len(again) == 40 and not again & {next_best, *(job["address"] for job in jobs)}


async def ranked_next(lab: PipelineWorld) -> str:
    """Who would be proposed next."""
    settings = ProspectSettings.from_payload(lab.settings, EXAMPLE)
    found = await read_prospects(settings.source.source(), columns=settings.columns, bounds=settings.bounds)
    known = {job["address"].lower() for job in lab.jobs("prospects")}
    return rank(found.prospects, settings.criteria, known, 1).selected[0].prospect.address


async def test_whom_a_run_took_in_and_never_wrote_for_is_proposed_by_the_next(
    lab: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its engine died between the people and their messages, and then somebody cancelled it."""
    await lab.prospects()
    add = type(lab.engine.store).add_drafts
    at_messages: list[int] = []

    async def rest(self: Any, *given: Any) -> list[int]:
        at_messages.append(1)
        await lab.clock.sleep(HOUR)
        return await add(self, *given)

    monkeypatch.setattr(type(lab.engine.store), "add_drafts", rest)
    job_id = await lab.begin()
    await lab.clock.until(lambda: bool(at_messages))
    await lab.call("job.end", ids=[job_id])
    await lab.clock.until(lambda: lab.run_of(job_id)["state"] == "skipped")
    monkeypatch.setattr(type(lab.engine.store), "add_drafts", add)
    assert lab.row("prospects")["recipients"] == 50 and lab.jobs("prospects") == []
    assert (await lab.run())["result"]["prospectsQueued"] == 50


@pytest.mark.parametrize("stage", DailyProspects.stages)
async def test_a_run_that_is_cut_goes_on_at_its_stage_and_does_nothing_twice(lab: PipelineWorld, stage: str) -> None:
    """The cut comes when the stage has done its work, and nothing is written of that yet."""
    await lab.prospects()
    Resting.rest_after = stage
    job_id = await lab.begin()
    await lab.clock.until(lambda: Resting.resting)
    before = {one["name"]: one for one in lab.run_of(job_id)["stages"] if one["state"] == "done"}
    await lab.cut()
    assert next(name for name, state in lab.stages(job_id).items() if state != "done") == stage
    await lab.start()
    await lab.clock.until(lambda: lab.run_of(job_id)["state"] == "completed")
    run = lab.run_of(job_id)
    assert {name: run["result"][name] for name in FIGURES} == FIGURES
    assert run["flag"] == ""
    after = {one["name"]: one for one in run["stages"]}
    assert {name: after[name] for name in before} == before, "what was done stays as it was"
    assert events_of(lab, job_id) == {"daily_queue_completed": 1, "email_queued_for_approval": 50}
    assert len(lab.waiting()) == len({job["address"] for job in lab.waiting()}) == 50


async def test_those_that_were_laid_before_a_cut_are_the_runs_own(
    lab: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_prospects, "SLICE", 20)
    lay = daily_prospects._lay
    slices: list[int] = []

    async def twice_then_rest(context: Any, payload: Any, people: Any, course: Any) -> dict[str, Any]:
        if len(slices) == 2:
            slices.append(0)
            await context.clock.sleep(HOUR)
        slices.append(len(people))
        return await lay(context, payload, people, course)

    monkeypatch.setattr(daily_prospects, "_lay", twice_then_rest)
    await lab.prospects()
    job_id = await lab.begin()
    await lab.clock.until(lambda: len(slices) == 3)
    await lab.cut()
    assert len(lab.waiting()) == 40
    await lab.start()
    edited = lab.waiting()[0]["id"]
    await lab.call("approval.edit", job=edited, subject="Another subject", text="Another text")
    await lab.clock.until(lambda: lab.run_of(job_id)["state"] == "completed")
    result = lab.run_of(job_id)["result"]
    assert (result["queued"], result["known"], result["over_limit"]) == (50, 0, 0)
    assert events_of(lab, job_id)["email_queued_for_approval"] == 50
    [letter] = lab.rows("SELECT subject FROM letters WHERE job_id = ?", edited)
    assert letter["subject"] == "Another subject", "what a person wrote meanwhile stays"


async def test_a_stage_that_fails_is_tried_again_with_what_the_others_gave(lab: PipelineWorld) -> None:
    run = await lab.run(Scripted.kind, fails=["second"])
    assert run["state"] == "completed"
    assert run["attempts"] == 2
    assert Scripted.ledger == [
        "first after nothing", "second after first", "second after first", "third after first, second",
    ]  # fmt: skip
    assert run["result"] == {"first": 7, "second": 7, "third": 7}


async def test_a_failed_stage_says_why_while_it_waits(lab: PipelineWorld) -> None:
    job_id = await lab.begin(Scripted.kind, fails=["second"])
    await lab.clock.until(lambda: lab.run_of(job_id)["attempts"] == 1)
    waiting = {stage["name"]: (stage["state"], stage["note"]) for stage in lab.run_of(job_id)["stages"]}
    assert waiting == {"first": ("done", ""), "second": ("failed", "second is broken"), "third": ("waiting", "")}


async def test_a_run_that_a_stage_stopped_stays_so_whenever_it_is_cut(
    lab: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cut comes when the stage that stops the run is written, and the run's own end is not."""
    skip, waited = Scripted._skip, list[str]()

    async def resting(self: Scripted, context: Any, stages: Any, why: str) -> None:
        waited.append(why)
        if len(waited) == 1:
            await context.clock.sleep(HOUR)
        await skip(self, context, stages, why)

    monkeypatch.setattr(Scripted, "_skip", resting)
    job_id = await lab.begin(Scripted.kind, stop="second")
    await lab.clock.until(lambda: bool(waited))
    await lab.cut()
    await lab.start()
    await lab.clock.until(lambda: lab.run_of(job_id)["state"] == "completed")
    assert lab.stages(job_id) == {"first": "done", "second": "done", "third": "skipped"}
    assert lab.run_of(job_id)["flag"] == "empty: there is enough"
    assert Scripted.ledger == ["first after nothing", "second after first"]


async def test_a_run_of_another_version_of_its_pipeline_fails_with_a_sentence(lab: PipelineWorld) -> None:
    job_id = await lab.begin(Scripted.kind, fails=["first"])
    await lab.clock.until(lambda: lab.run_of(job_id)["attempts"] == 1)
    Scripted.stages = ("first", "other", "third")
    try:
        await lab.clock.until(lambda: lab.run_of(job_id)["state"] == "failed")
    finally:
        Scripted.stages = ("first", "second", "third")
    assert "another version of scripted_stages" in lab.run_of(job_id)["last_error"]


async def test_a_cancelled_run_ends_before_its_next_stage(lab: PipelineWorld) -> None:
    job_id = await lab.begin(Scripted.kind)
    await lab.clock.run(2 * SECOND)
    await lab.call("job.end", ids=[job_id])
    await lab.clock.run(MINUTE)
    run = lab.run_of(job_id)
    assert (run["state"], run["last_error"]) == ("skipped", "ended by ana")
    assert lab.stages(job_id) == {"first": "done", "second": "waiting", "third": "waiting"}


async def test_a_stage_that_was_cut_short_says_so_while_its_run_waits_and_when_it_failed(lab: PipelineWorld) -> None:
    made = await lab.call("job.add", kind=Scripted.kind, payload={}, timeout=5 * SECOND, retries=1)
    for state, attempts, stage in (("pending", 1, "waiting"), ("failed", 2, "failed")):
        await lab.clock.until(lambda attempts=attempts: lab.run_of(made["job_id"])["attempts"] == attempts)
        run = lab.run_of(made["job_id"])
        assert (run["state"], run["last_error"]) == (state, "timed out after 5s")
        assert [(one["state"], one["note"]) for one in run["stages"]] == [
            (stage, "cut short"), ("waiting", ""), ("waiting", ""),
        ]  # fmt: skip


async def test_a_run_without_its_campaign_waits_for_a_person_and_goes_on_when_there_is_one(lab: PipelineWorld) -> None:
    run = await lab.run()
    assert (run["state"], run["reason"]) == ("held", "configuration")
    assert "paceline campaign new prospects" in run["last_error"]
    await lab.campaign("prospects", 0, start=False)
    await lab.call("job.retry", seen=lab.seen([lab.job_row(run["id"])]))
    await lab.clock.until(lambda: lab.run_of(run["id"])["state"] == "held" and lab.run_of(run["id"])["attempts"] == 2)
    assert "does not wait for approval" in lab.run_of(run["id"])["last_error"]


async def test_a_campaign_that_is_not_live_holds_the_run_with_its_drafts(lab: PipelineWorld) -> None:
    await lab.prospects(live=False)
    run = await lab.run()
    assert run["state"] == "held"
    assert "paceline campaign live prospects" in run["last_error"]
    assert lab.stages(run["id"]) == {
        **dict.fromkeys(("quota", "discover", "rank", "draft"), "done"), "queue": "failed", "events": "waiting",
    }  # fmt: skip
    assert lab.jobs("prospects") == []
    await lab.call("campaign.live", name="prospects")
    await lab.call("job.retry", seen=lab.seen([lab.job_row(run["id"])]))
    await lab.clock.until(lambda: lab.run_of(run["id"])["state"] == "completed")
    assert lab.run_of(run["id"])["result"]["queued"] == 50


async def test_figures_outside_what_is_expected_are_flagged(lab: PipelineWorld) -> None:
    await lab.prospects()
    run = await lab.run(per_run=20, expect={"discovered": [200, 300], "queued": [25, 50]})
    assert run["state"] == "completed"
    assert run["flag"] == "150 discovered, where 200 to 300 are expected; 20 queued, where 25 to 50 are expected"


async def test_a_service_that_is_busy_is_asked_again_when_it_says(lab: PipelineWorld) -> None:
    await lab.prospects()
    people = [
        {"email": f"p{n}@x.example", "company": "X", "industry": "Healthcare", "size": 50, "region": "US"}
        for n in range(3)
    ]
    busy = answer(503, headers={"Retry-After": "600"})
    async with WebhookServer(busy, answer(200, people)) as server:
        source = {"url": f"http://127.0.0.1:{server.port}/people", "allow_private": True}
        begun = lab.clock.now()
        run = await lab.run(source=source)
        assert len(server.ledger) == 2
    assert run["attempts"] == 2
    assert lab.clock.now() - begun >= 600 * SECOND
    assert (run["result"]["discovered"], run["result"]["queued"]) == (3, 3)


async def test_a_service_that_refuses_waits_for_a_person(lab: PipelineWorld) -> None:
    await lab.prospects()
    async with WebhookServer(answer(401, {"error": "who are you"})) as server:
        source = {"url": f"http://127.0.0.1:{server.port}/people", "allow_private": True}
        run = await lab.run(source=source)
        assert len(server.ledger) == 1
    assert run["state"] == "held"


async def test_whoever_cannot_be_drafted_for_costs_only_themselves(lab: PipelineWorld, tmp_path: Path) -> None:
    await lab.prospects()
    template = tmp_path / "first.txt"
    template.write_text("Subject: Hello\n\nDear {{ first_name }}, about {{ company }}\n")
    run = await lab.run(template=str(template))
    assert run["result"]["not_generated"] == len(run["result"]["errors"]) > 0
    assert run["result"]["queued"] == run["result"]["generated"] == 50 - run["result"]["not_generated"]
    assert "could not be written" in run["flag"]
