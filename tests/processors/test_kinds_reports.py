"""The kinds that count and offer: reports, days, opportunities."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engine.processors.opportunities import OfferRules, Opportunity, offer_of, urgency_of
from storage.errors import UsageError
from storage.model import DAY, MINUTE
from tests.processors.kinds_world import KindsWorld

OPPORTUNITIES = """\
ID,Customer ID,Status,Estimated Value,Tier,Urgency,Close Date,Currency
o1,c1,new,"15,000.00",vip,high,,EUR
o2,c2,qualified,800,standard,,2026-01-03,
o3,c3,won,99999,vip,critical,,
o4,c4,proposal,6000.50,premium,,2026-06-01,
o5,c5,new,much,standard,,,
o6,c6,new,5,,,,
o6,c6,new,6,,,,
"""


@pytest.fixture
async def desk(kinds: KindsWorld) -> KindsWorld:
    kinds.write("opportunities.csv", OPPORTUNITIES)
    await kinds.start()
    return kinds


def offers(world: KindsWorld) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (world.work / "offers").glob("*.json")}


async def test_open_opportunities_become_jobs_by_value_with_the_priority_of_the_formula(desk: KindsWorld) -> None:
    job = await desk.run_job("process_opportunities")
    assert job["last_error"] == ""
    assert job["result"]["success"] is True
    assert (job["result"]["queued"], job["result"]["rejected"]) == (3, 3)
    assert job["flag"] == "3 rows were rejected: row 6: opportunity o5: value 'much' is no number such as 12500.00"
    made = desk.rows(
        "SELECT json_extract(t.payload, '$.opportunity_id') AS id, j.priority, j.state, t.origin FROM jobs j "
        "JOIN tasks t ON t.job_id = j.id WHERE j.kind = 'process_opportunity_offer' ORDER BY j.id"
    )
    # o1: high, vip and 15,000; o4: premium and 6,000.50 in five months: 5 + 2 + 2 - 2; o2: 800 in two days: 5 + 5.
    assert [(row["id"], row["priority"]) for row in made] == [("o1", 10), ("o4", 7), ("o2", 10)]
    assert {(row["state"], row["origin"]) for row in made} == {("completed", f"job {job['id']}")}
    assert {ident: offer["total"] for ident, offer in offers(desk).items()} == {
        "o1": "12450.00", "o2": "760.00", "o4": "5400.45",
    }  # fmt: skip


async def test_what_has_its_offer_is_not_queued_again(desk: KindsWorld) -> None:
    await desk.run_job("process_opportunities")
    again = await desk.run_job("process_opportunities")
    assert again["flag"].startswith("empty: no opportunity of opportunities.csv is new, qualified, proposal")
    assert again["result"]["queued"] == 0


async def test_the_limit_takes_those_worth_most_and_says_how_many_are_left(desk: KindsWorld) -> None:
    job = await desk.run_job("process_opportunities", {"most": 1})
    assert (job["result"]["queued"], job["result"]["left"]) == (1, 2)
    assert set(offers(desk)) == {"o1"}


async def test_as_items_of_one_job_the_offers_are_the_same(desk: KindsWorld) -> None:
    job = await desk.run_job("process_opportunities", {"way": "items"})
    assert (job["result"]["made"], job["result"]["failed"]) == (3, 0)
    assert {ident: offer["total"] for ident, offer in offers(desk).items()} == {
        "o1": "12450.00", "o2": "760.00", "o4": "5400.45",
    }  # fmt: skip
    assert len(desk.rows("SELECT 1 FROM jobs WHERE kind <> 'process_opportunities'")) == 0
    assert len(desk.rows("SELECT 1 FROM task_items WHERE done = 1")) == 3


async def test_an_offer_is_made_once_unless_it_is_asked_for_again(desk: KindsWorld) -> None:
    first = await desk.run_job("process_opportunity_offer", {"opportunity_id": "o1"})
    second = await desk.run_job("process_opportunity_offer", {"opportunity_id": "o1"})
    third = await desk.run_job("process_opportunity_offer", {"opportunity_id": "o1", "again": True})
    assert second["flag"] == f"empty: opportunity o1 has its offer, by job {first['id']}"
    assert (third["flag"], third["result"]["total"]) == ("", "12450.00")
    assert offers(desk)["o1"]["valid_until"] == "2026-01-15"


async def test_the_rules_of_an_offer_are_settings_and_a_wrong_one_is_named(kinds: KindsWorld) -> None:
    kinds.write("opportunities.csv", OPPORTUNITIES)
    options: dict[str, Any] = {"discounts": {"vip": 50}, "large_discount": 0, "days": 1}
    kinds.work_settings = {"kinds": {"process_opportunity_offer": {"options": options}}}
    await kinds.start()
    await kinds.run_job("process_opportunity_offer", {"opportunity_id": "o1"})
    assert offers(kinds)["o1"]["total"] == "7500.00"
    options["discounts"] = {"vip": 500}
    kinds.write_config()
    await kinds.call("engine.reload")
    job = await kinds.run_job("process_opportunity_offer", {"opportunity_id": "o2"})
    assert job["state"] == "held"
    assert "[jobs.kinds.process_opportunity_offer] options: discounts" in job["last_error"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"opportunity_id": "o9"}, "there is no opportunity 'o9'"),
        ({"opportunity_id": "o5"}, "value 'much' is no number"),
        ({"opportunity_id": "o6"}, "several rows of opportunity 'o6'"),
    ],
)
async def test_an_opportunity_that_cannot_be_offered_fails_at_once(
    desk: KindsWorld, payload: dict[str, Any], words: str
) -> None:
    job = await desk.run_job("process_opportunity_offer", payload)
    assert (job["state"], job["attempts"]) == ("failed", 1)
    assert words in job["last_error"]


@pytest.mark.parametrize("ident", ["../evil", "a/b", ".hidden", "", "x" * 101])
def test_an_id_that_could_name_another_file_is_refused(ident: str) -> None:
    with pytest.raises(Exception, match="its id may hold"):
        Opportunity.of(ident, {"value": "1"})


def test_halves_of_a_cent_are_rounded_up() -> None:
    offer = offer_of(Opportunity("o", "new", Decimal("10.10"), tier="standard"), OfferRules(), date(2026, 1, 1))
    assert (offer["discount"], offer["total"]) == ("0.51", "9.59")


@pytest.mark.parametrize(
    ("days", "word"), [(-1, "critical"), (2, "critical"), (3, "high"), (7, "high"), (30, "medium"), (31, "low")]
)
def test_urgency_follows_from_the_days_that_are_left(days: int, word: str) -> None:
    today = date(2026, 1, 10)
    opportunity = Opportunity("o", "new", Decimal(1), closes=date.fromordinal(today.toordinal() + days))
    assert urgency_of(opportunity, {"critical": 5, "high": 3, "medium": 0, "low": -2}, today) == word


@pytest.mark.parametrize("payload", [{"most": 0}, {"way": "threads"}, {"statuses": []}, {"limit": 5}])
async def test_a_wrong_field_is_named(kinds: KindsWorld, payload: dict[str, Any]) -> None:
    await kinds.start()
    with pytest.raises(UsageError, match=f"payload.{next(iter(payload))}"):
        await kinds.call("job.add", kind="process_opportunities", payload=payload)


@pytest.mark.parametrize("format", ["md", "csv", "json"])
async def test_a_report_of_campaigns_holds_their_figures(kinds: KindsWorld, format: str) -> None:
    await kinds.start()
    await kinds.campaign("spring", 5)
    await kinds.clock.run(MINUTE)
    job = await kinds.run_job("generate_report", {"format": format, "file": f"out/report.{format}"})
    text = (kinds.work / "out" / f"report.{format}").read_text()
    assert job["result"] == {"file": f"out/report.{format}", "rows": 1, "bytes": len(text.encode())}
    row = {
        "md": lambda: next(line for line in text.splitlines() if line.startswith("| spring |")),
        "csv": lambda: next(csv.DictReader(text.splitlines())),
        "json": lambda: json.loads(text)["rows"][0],
    }[format]()
    if format == "md":
        assert row == "| spring | completed | one | 5 | 5 | 0 | 0 | 0 | 0 | 0 | 100.0% | 5 | 5 |"
    else:
        assert {name: str(row[name]) for name in ("campaign", "sent", "attempts", "success_rate")} == {
            "campaign": "spring", "sent": "5", "attempts": "5", "success_rate": "1.0",
        }  # fmt: skip


async def test_a_report_of_jobs_tells_how_runs_ended_and_how_long_they_took(kinds: KindsWorld) -> None:
    await kinds.start()
    for ends in (["done"], ["done"], ["permanent"]):
        await kinds.ended(await kinds.add("x", takes=2, ends=ends))
    job = await kinds.run_job("generate_report", {"of": "jobs", "format": "json"})
    assert job["result"]["file"] == "reports/jobs-2026-01-01.json"
    rows = {row["kind"]: row for row in json.loads((kinds.work / job["result"]["file"]).read_text())["rows"]}
    assert (rows["scripted"]["completed"], rows["scripted"]["failed"], rows["scripted"]["p95_us"]) == (2, 1, 2_000_000)
    assert rows["scripted"]["success_rate"] == 0.6667


async def test_a_report_of_nothing_is_flagged_and_writes_no_file(kinds: KindsWorld) -> None:
    await kinds.start()
    job = await kinds.run_job("generate_report", {"days": 7})
    assert job["flag"] == "empty: there is nothing to report of the last 7 days"
    assert not (kinds.work / "reports").exists()


async def test_a_report_is_never_written_outside_of_the_folder(kinds: KindsWorld) -> None:
    await kinds.start()
    await kinds.campaign("spring", 1)
    for name in ("../out.md", "/etc/out.md", "."):
        job = await kinds.run_job("generate_report", {"file": name})
        assert (job["state"], "leads out of [jobs] folder" in job["last_error"]) == ("failed", True)


async def days(world: KindsWorld, file: str = "analytics.csv", **payload: Any) -> list[tuple[str, ...]]:
    job = await world.run_job("update_analytics", {"file": file, **payload})
    assert job["state"] == "completed", job["last_error"]
    text = (world.work / file).read_text()
    rows = json.loads(text) if file.endswith(".json") else list(csv.DictReader(text.splitlines()))
    return [(row["day"], row["name"], str(row["succeeded"])) for row in rows if row["name"] != "update_analytics"]


@pytest.mark.parametrize("file", ["analytics.csv", "days/all.json"])
async def test_days_are_added_up_and_outlive_what_they_were_counted_from(kinds: KindsWorld, file: str) -> None:
    await kinds.start()
    await kinds.campaign("spring", 3)
    await kinds.add("x")
    await kinds.clock.run(MINUTE)
    first = [("2026-01-01", "scripted", "1"), ("2026-01-01", "spring", "3")]
    assert await days(kinds, file) == first
    kinds.clock.step_wall(50 * DAY)
    await kinds.add("y")
    await kinds.clock.run(MINUTE)
    assert await days(kinds, file, days=7) == [*first, ("2026-02-20", "scripted", "1")]


async def test_a_day_is_the_one_of_the_configured_zone(kinds: KindsWorld) -> None:
    kinds.set_clock("2026-01-01T23:30:00+00:00")
    await kinds.start()
    kinds.config.write_text('zone = "Asia/Kolkata"\n' + kinds.config.read_text())
    await kinds.call("engine.reload")
    await kinds.campaign("spring", 1)
    await kinds.clock.run(MINUTE)
    assert await days(kinds) == [("2026-01-02", "spring", "1")]


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "a,b\n1,2\n"), ("a.json", "{}"), ("a.json", '[{"day": "x"}]'), ("a.txt", "")]
)
async def test_a_file_of_something_else_is_left_alone(kinds: KindsWorld, name: str, text: str) -> None:
    kinds.write(name, text)
    await kinds.start()
    await kinds.campaign("spring", 1)
    await kinds.clock.run(MINUTE)
    job = await kinds.run_job("update_analytics", {"file": name})
    assert job["state"] == "failed"
    assert (kinds.work / name).read_text() == text


async def test_what_is_no_file_is_not_read_as_days(kinds: KindsWorld) -> None:
    (kinds.work / "days.csv").mkdir(parents=True)
    await kinds.start()
    await kinds.campaign("spring", 1)
    await kinds.clock.run(MINUTE)
    for name, why in (("days.csv", "days.csv is no file"), ("a\0.csv", "zero character")):
        job = await kinds.run_job("update_analytics", {"file": name})
        assert (job["state"], why in job["last_error"], job["attempts"]) == ("failed", True, 1)
