"""`paceline campaign report`: figures that say what they are parts of, judged by a recount of the jobs."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage import report_facts
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.cli.conftest import Home
from tests.console.world import DOUBT, FULL, NOON, SENT, UNKNOWN, World, busy
from tui.reporting.pages import markdown, page
from tui.reporting.report import rate, report
from tui.reporting.words import Section, sections, share

NAME = "newsletter-38"


@pytest.fixture
def full(empty: Home) -> Home:
    """A store with six campaigns, and one of every outcome."""
    busy(empty.folder).close()
    return empty


@pytest.fixture
def judged(empty: Home) -> Home:
    """`letters` to ten people, eight of them tried; one message bounced, one person replied and one unsubscribed."""
    world = World(empty.folder)
    world.clock.at = NOON
    world.campaign("letters", 0, start=False, pacing={"mode": "steady", "rate": "60/h", "jitter": 0})
    world.people("letters", [f"p{i}@{'big.example' if i < 6 else f'small{i}.example'}" for i in range(10)])
    world.call("campaign.live", name="letters")
    world.call("campaign.start", name="letters")
    world.send("smtp-eu-1", [SENT, SENT, UNKNOWN, SENT, FULL, DOUBT, SENT, SENT], step=2 * MINUTE)
    world.close()
    with sqlite3.connect(empty.database) as raw:
        raw.execute("UPDATE jobs SET state = 'bounced' WHERE id = 1")
        raw.execute("UPDATE counters SET n = n - 1 WHERE state = 'completed'")
        raw.execute(
            "INSERT INTO counters SELECT campaign_id, batch_id, queue_id, 'bounced', '', 1 FROM jobs WHERE id = 1"
        )
        raw.execute("UPDATE recipients SET stopped = 'bounced' WHERE id = 1")
        raw.execute("UPDATE recipients SET stopped = 'replied' WHERE id = 2")
        raw.execute("UPDATE recipients SET stopped = 'unsubscribed' WHERE id = 4")
    return empty


def told(home: Home, name: str = "letters", *, now: int = NOON + DAY, **options: Any) -> dict[str, Any]:
    with Reader(home.database) as reader:
        return report(reader, name, UTC, now, **options)


def test_every_rate_says_of_how_many(judged: Home) -> None:
    rates = told(judged)["rates"]
    assert {name: (found["n"], found["of"]) for name, found in rates.items()} == {
        "sent": (5, 10), "accepted": (5, 8), "failed": (2, 10), "bounced": (1, 5), "replied": (1, 5),
        "unsubscribed": (1, 5), "uncertain": (1, 10), "on_time": (1, 5),
    }  # fmt: skip
    assert rates["accepted"]["percent"] == 62.5


def test_the_sums_of_the_parts_are_the_whole(full: Home) -> None:
    for name in ("winback", "spring-sale", NAME, "receipts", "test-ana"):
        found = told(full, name)
        with Reader(full.database) as reader:
            n = reader.rows(
                "SELECT count(*) AS n FROM jobs j JOIN campaigns c ON c.id = j.campaign_id WHERE c.name = ?", (name,)
            )[0]["n"]
        assert found["total"] == n == sum(found["counts"].values()) == found["looked_through"]
        for parts in (found["steps"], found["accounts"], found["domains"]):
            assert sum(part["total"] for part in parts) == n
            assert sum(part["sent"]["n"] for part in parts) == found["rates"]["sent"]["n"]
        timeline = found["timeline"]["parts"]
        assert sum(p["sent"] + p["failed"] + p["other"] for p in timeline) == found["attempts"]["total"]
        assert sum(p["sent"] for p in timeline) == found["rates"]["sent"]["n"]


def test_domains_are_ranked_and_the_rest_is_counted(judged: Home) -> None:
    found = told(judged)
    assert found["domains"][0]["name"] == "big.example"
    assert (found["domains"][0]["total"], found["domains"][0]["sent"]["n"]) == (6, 3)
    assert found["domains_in_all"] == 5


def test_the_pace_is_told_beside_the_plan(judged: Home) -> None:
    pace = told(judged)["pace"]
    assert pace["wanted_per_hour"] == 60
    # Five were accepted, the first after two minutes and the last after sixteen.
    assert pace["sent_per_hour"] == round(4 * 60 / 14, 1)
    assert pace["latest_by_seconds"] >= pace["mean_late_seconds"] > 0


def test_what_is_uncertain_is_named(judged: Home) -> None:
    found = told(judged)
    assert [(job["id"], job["address"]) for job in found["uncertain"]] == [(6, "p5@big.example")]
    done = judged("campaign", "report", "letters")
    assert "paceline campaign resolve letters JOB --sent" in done.out


def test_slices_change_no_sum(judged: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = told(judged)
    monkeypatch.setattr(report_facts, "SLICE", 3)
    assert told(judged) == whole


def test_a_part_of_a_long_campaign_says_so(judged: Home) -> None:
    found = told(judged, most=4)
    assert found["looked_through"] == 4
    assert found["rates"]["sent"]["of"] == 10
    assert any("of the first 4 messages" in section.note for section in sections(found, UTC))


@pytest.mark.parametrize(("days", "unit", "parts"), [(1, "hour", 2), (3, "day", 2)])
def test_a_short_run_is_told_by_hours_and_a_long_one_by_days(empty: Home, days: int, unit: str, parts: int) -> None:
    world = World(empty.folder)
    world.clock.at = NOON
    world.campaign("letters", 2)
    world.send("smtp-eu-1", [SENT], step=MINUTE)
    world.clock.at += days * DAY
    world.send("smtp-eu-1", [SENT], step=MINUTE)
    world.close()
    timeline = told(empty)["timeline"]
    assert (timeline["unit"], len(timeline["parts"])) == (unit, parts)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"])
def test_hours_and_days_are_those_of_the_zone(empty: Home, zone: str) -> None:
    world = World(empty.folder)
    world.clock.at = NOON
    world.campaign("letters", 3)
    world.send("smtp-eu-1", [SENT], step=13 * MINUTE)
    world.clock.at += 3 * DAY
    world.send("smtp-eu-1", [SENT], step=11 * HOUR)
    ends = [NOON + 13 * MINUTE, NOON + 13 * MINUTE + 3 * DAY + 11 * HOUR]
    world.close()
    with Reader(empty.database) as reader:
        parts = report(reader, "letters", ZoneInfo(zone), NOON + 9 * DAY)["timeline"]["parts"]
    shown = [datetime.fromtimestamp(part["at"] / SECOND, ZoneInfo(zone)) for part in parts]
    assert [at.isoformat()[:10] for at in shown] == [
        datetime.fromtimestamp(at / SECOND, ZoneInfo(zone)).date().isoformat() for at in ends
    ]
    assert {at.strftime("%H:%M") for at in shown} == {"00:00"}


def test_a_draft_has_a_report_too(full: Home) -> None:
    done = full("campaign", "report", "reminder-q3")
    assert done.code == 0
    assert "people" in done.out and "12" in done.out
    assert full("campaign", "report", "nowhere").code == 2


def test_json_has_the_figures_and_iso_times(judged: Home) -> None:
    found = judged("campaign", "report", "letters", "--json").json
    assert found["rates"]["sent"] == {"n": 5, "of": 10, "percent": 50.0}
    assert found["times"]["first_sent_at"] == "2026-01-01T14:04:00.000000Z"
    assert found["timeline"]["parts"][0]["at"] == "2026-01-01T14:00:00.000000Z"


def test_files_are_written_beside_each_other_and_never_over_another(judged: Home) -> None:
    web, text = judged.folder / "r.html", judged.folder / "r.md"
    assert judged("campaign", "report", "letters", "--html", web, "--markdown", text).code == 0
    assert "5 of 10 (50.0 %)" in web.read_text() and "5 of 10 (50.0 %)" in text.read_text()
    assert web.stat().st_mode & 0o777 == 0o600
    assert judged("campaign", "report", "letters", "--html", web).code == 4
    assert judged("campaign", "report", "letters", "--html", web, "--overwrite").code == 0
    assert judged("campaign", "report", "letters", "--markdown", "-").out.startswith("# Report of letters")
    assert judged("campaign", "report", "letters", "--markdown", "-", "--json").code == 2


HOSTILE = Section(
    "<script>alert(1)</script>", (("a", "[x](http://evil.example) | \x1b[2J"),), ("h",), (("*b* | `c`",),)
)


def test_hostile_words_are_text_in_a_page() -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[str] = set()
            self.text = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.add(tag)

        def handle_data(self, data: str) -> None:
            self.text += data

    found = Tags()
    found.feed(page("t", [HOSTILE]))
    assert not found.seen & {"script", "a", "img", "link"}
    assert "<script>alert(1)</script>" in found.text
    assert "\x1b" not in found.text


def test_hostile_words_are_text_in_markdown() -> None:
    text = markdown([HOSTILE])
    assert r"\[x\](http://evil.example) \|" in text
    assert r"| \*b\* \| \`c\` |" in text
    assert "\x1b" not in text and "<script" not in text.replace(r"\<script", "")


def test_a_part_of_nothing_is_no_percentage() -> None:
    assert share(rate(0, 0)) == "0 of 0 (-)"
    assert share(rate(194, 200)) == "194 of 200 (97.0 %)"
    assert share(rate(3, None)) == "3"
