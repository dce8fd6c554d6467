"""Jobs by command: narrowed by the filter language, in three orders, retried as a set that is fixed when asked."""

from __future__ import annotations

from typing import Any

import pytest

from storage.model import MINUTE
from tests.cli.conftest import Home
from tests.console.world import DOUBT, FIELD, SENT, UNKNOWN, World
from tui.cli.times import now_us


@pytest.fixture
def worked(empty: Home) -> Home:
    """Twelve letters: 5 sent, 3 failed, 1 held, 1 uncertain, 2 still to come."""
    world = World(empty.folder)
    world.clock.at = now_us() - 30 * MINUTE
    world.campaign("letters", 12)
    world.send("smtp-eu-1", [SENT] * 5 + [UNKNOWN] * 3 + [FIELD, DOUBT], step=90_000_000)
    world.close()
    return empty


def listed(home: Home, *args: object) -> list[dict[str, Any]]:
    done = home("job", "list", "--json", *args)
    assert done.code == 0, done.err
    jobs: list[dict[str, Any]] = done.json["jobs"]
    return jobs


def states(home: Home) -> list[str]:
    return [job["state"] for job in listed(home)]


def test_a_filter_narrows_the_list(worked: Home) -> None:
    assert [job["state"] for job in listed(worked, "--filter", "state:failed,uncertain")] == ["failed"] * 3 + [
        "uncertain"
    ]
    assert len(listed(worked, "--filter", "-state:SENT", "--campaign", "letters", "--state", "open")) == 3
    assert len(listed(worked, "--error", "550 5.1.1 user unknown")) == 3
    assert listed(worked, "--error", "550*") == []
    assert listed(worked, "--batch", "77") == []


@pytest.mark.parametrize("sort", ["id", "due", "changed"])
@pytest.mark.parametrize("way", [(), ("--descending",)])
def test_pages_follow_each_other_in_every_order(worked: Home, sort: str, way: tuple[str, ...]) -> None:
    seen: list[int] = []
    after: Any = ""
    while after is not None:
        page = worked("job", "list", "--json", "--sort", sort, *way, "--limit", 5, "--after", after).json
        seen += [job["id"] for job in page["jobs"]]
        after = page["next_after"]
    assert sorted(seen) == list(range(1, 13))
    if sort == "id":
        assert seen == sorted(seen, reverse=bool(way))


@pytest.mark.parametrize("after", ["x", "1:2", "1:", "-1"])
def test_a_place_that_is_none_is_refused(worked: Home, after: str) -> None:
    assert worked("job", "list", f"--after={after}").code == 2


@pytest.mark.parametrize("verb", [("list",), ("retry", "--yes")])
def test_a_filter_that_does_not_parse_names_the_place_and_changes_nothing(worked: Home, verb: tuple[str, ...]) -> None:
    before = states(worked)
    done = worked("job", *verb, "--filter", "state:fialed")
    assert done.code == 5
    assert "column 7: there is no state 'fialed'" in done.err
    assert "did you mean 'failed'?" in done.err
    assert states(worked) == before


def test_a_retry_by_filter_says_first_how_many_it_takes_and_leaves(worked: Home) -> None:
    done = worked("job", "retry", "--filter", "campaign:letters", "--yes", "--json")
    assert done.code == 0, done.err
    assert "4 to retry: 3 failed, 1 held; left: 1 uncertain (never in bulk), 7 neither failed nor held" in done.err
    assert (done.json["retried"], done.json["refused"]) == (4, 0)
    assert states(worked).count("pending") == 6
    assert states(worked).count("uncertain") == 1


def test_a_retry_that_finds_nothing_changes_nothing(worked: Home) -> None:
    done = worked("job", "retry", "--filter", "state:uncertain", "--yes")
    assert done.code == 0
    assert "nothing to retry" in done.out
    assert "left: 1 uncertain" in done.err


def test_a_retry_wants_ids_or_a_filter_and_not_both(worked: Home) -> None:
    assert worked("job", "retry").code == 2
    assert worked("job", "retry", "6", "--filter", "state:failed").code == 2
    assert worked("job", "retry", "6").code == 0


def test_a_large_set_goes_in_slices_and_tells_what_changed_meanwhile(
    worked: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.cli import job_acts
    from tui.client import LocalControl

    monkeypatch.setattr(job_acts, "PART", 2)
    asked: list[list[int]] = []

    def call(self: LocalControl, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        assert args is not None
        asked.append([id for id, _, _ in args["seen"]])
        left = [{"job": asked[-1][1], "changed": True, "why": "it is pending now"}]
        return {"done": 1, "changed": 1, "refused": 0, "left": left, "events": [len(asked)]}

    monkeypatch.setattr(LocalControl, "call", call)
    done = worked("job", "retry", "--filter", "state:failed,held", "--yes")
    assert done.code == 1
    assert asked == [[6, 7], [8, 9]]
    assert "2 will be tried again; 2 changed meanwhile" in done.out
    assert "job 9: it is pending now" in done.err
    assert "paceline job undo 1 2" in done.err


def test_read_only_refuses_a_retry_by_filter(worked: Home) -> None:
    done = worked("--read-only", "job", "retry", "--filter", "state:failed", "--yes")
    assert done.code == 4
    assert states(worked).count("failed") == 3


def test_waiting_jobs_are_cancelled_by_filter_and_taken_back(worked: Home) -> None:
    before = states(worked)
    done = worked("job", "cancel", "--filter", "state:pending", "--yes", "--json")
    assert (done.code, done.json["done"]) == (0, before.count("pending"))
    assert states(worked).count("pending") == 0
    back = worked("job", "undo", *map(str, done.json["events"]), "--json")
    assert (back.code, back.json["done"]) == (0, before.count("pending"))
    assert states(worked) == before


def test_what_is_over_is_not_cancelled_and_the_exit_code_says_so(worked: Home) -> None:
    done = worked("job", "cancel", "1", "--yes")
    assert done.code == 1
    assert "nothing to cancel" in done.out
    assert "1 not open" in done.err


def test_a_job_that_is_not_there_is_told(worked: Home) -> None:
    done = worked("job", "retry", "6", "999", "--yes")
    assert done.code == 1
    assert "1 to retry: 1 failed; left: 1 not there" in done.err


def test_a_reason_names_a_set_as_well(worked: Home) -> None:
    rows = worked("job", "list", "--state", "failed", "--json").json["jobs"]
    key = rows[0]["error_key"]
    done = worked("job", "retry", "--error", key, "--yes", "--json")
    assert done.json["done"] == sum(row["error_key"] == key for row in rows)
    assert worked("job", "retry", "6", "--error", key).code == 2


def test_a_retry_in_a_paused_campaign_says_that_it_waits(worked: Home) -> None:
    assert worked("campaign", "pause", "letters").code == 0
    done = worked("campaign", "retry", "letters", "--class", "all", "--yes")
    assert (done.code, done.out.strip()) == (
        0, "4 will be tried again; letters is paused: they wait for its resume",
    )  # fmt: skip


def test_nothing_of_a_cancelled_campaign_is_retried(worked: Home) -> None:
    assert worked("campaign", "cancel", "letters", "--yes").code == 0
    before = states(worked)
    done = worked("campaign", "retry", "letters", "--class", "all", "--yes")
    assert (done.code, "campaign 'letters' is cancelled" in done.err) == (4, True)
    done = worked("job", "retry", "--filter", "state:failed", "--yes")
    assert (done.code, "its campaign is cancelled" in done.err) == (1, True)
    assert states(worked) == before


def test_what_is_no_act_cannot_be_undone(worked: Home) -> None:
    done = worked("job", "undo", "1")
    assert done.code == 4
    assert "nothing that can be undone" in done.err


def test_all_that_is_known_of_an_uncertain_message_is_shown_with_the_question(worked: Home) -> None:
    (job,) = listed(worked, "--state", "uncertain")
    (attempt,) = worked("job", "show", job["id"], "--json").json["attempts_log"]
    done = worked("job", "show", job["id"])
    for known in (attempt["server"], attempt["phase"], attempt["reply"], job["message_id"]):
        assert known and known in done.out
    assert f"sent or not? paceline campaign resolve letters {job['id']} --sent|--again" in done.err


def test_failures_are_grouped_and_narrowed_by_the_filter_of_the_console(worked: Home) -> None:
    done = worked("job", "failures", "--json")
    assert (done.json["count"], done.json["total"], done.json["jobs"]) == (3, 3, 5)
    assert [(row["kind"], row["n"]) for row in done.json["failures"]] == [("hard", 3), ("uncertain", 1), ("held", 1)]
    chosen = worked("job", "failures", "--filter", "kind:hard campaign:let* since:25m", "--json").json["failures"]
    # They failed 9, 10.5 and 12 minutes after the start, half an hour ago.
    assert [(row["error_key"], row["n"], row["campaigns"]) for row in chosen] == [
        ("550 5.1.1 user unknown", 3, {"letters": 3})
    ]
    assert len(listed(worked, "--filter", chosen[0]["filter"])) == 3
    part = worked("job", "failures", "--filter", "error:~5.1.1 since:20m", "--json").json["failures"]
    assert part[0]["n"] == len(listed(worked, "--filter", part[0]["filter"])) == 2
    assert "no failure matches" in worked("job", "failures", "--filter", "queue:other").err


def test_campaigns_are_narrowed_by_the_filter_of_the_console(worked: Home) -> None:
    done = worked("campaign", "list", "--filter", "state:running name:LET*", "--json")
    assert (done.json["count"], done.json["total"]) == (1, 1)
    assert worked("campaign", "list", "--filter", "-state:running", "--json").json["campaigns"] == []
    assert "no campaign matches" in worked("campaign", "list", "--filter", "account:other").err


@pytest.mark.parametrize(
    ("command", "text", "sentence"),
    [
        (("campaign", "list"), "try:>3", "campaigns have no field 'try' - there are: state, name, account, channel"),
        (("job", "failures"), "state:failed", "failures have no field 'state' - there are: since, age, campaign"),
    ],
)
def test_a_field_that_the_list_has_not_is_refused(
    worked: Home, command: tuple[str, ...], text: str, sentence: str
) -> None:
    done = worked(*command, "--filter", text)
    assert done.code == 5
    assert sentence.partition(" - ")[0] in done.err and sentence.partition(" - ")[2] in done.err
