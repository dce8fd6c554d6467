"""`make crash PROVE=1`: each guard is taken out once, and what stands for it must notice.

A guard's judge is a scenario with a real engine (`crash_guards`) or one of the tests, run in a process where the guard
is missing. The numbers are those of the invariants in docs/guarantees.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crash.crash_guards import SCENARIOS
from tests.crash.crash_world import RelayProcess, relay_process
from tests.support.child import ROOT
from tests.support.guards import GUARDS

LATENCY = 0.01


@dataclass(frozen=True, slots=True)
class Proof:
    """Which invariant a guard holds up, and the test that must fail without it ("": its scenario)."""

    invariant: int
    guard: str
    test: str = ""


_APPROVAL = "tests/storage/test_store_approvals.py::test_"
_CLAIM = "tests/storage/test_store_claim.py::test_"
_GATE = "tests/storage/test_store_gate.py::test_"
_LIMITS = "tests/storage/test_store_limits.py::test_"
_TASKS = "tests/storage/test_store_tasks.py::test_"
_SCHEMA = "tests/storage/test_transitions.py::test_"
_PACING = "tests/planning/test_planning_pacing.py::test_"
_RETRY = "tests/runs/test_run_retry.py::test_"

PROOFS = (
    Proof(1, "one message a person", _SCHEMA + "one_person_and_step_have_one_job_whatever_its_state"),
    Proof(1, "one accepted attempt a message", _SCHEMA + "a_job_has_at_most_one_accepted_attempt"),
    Proof(1, "one attempt a lease", _SCHEMA + "a_lease_has_at_most_one_attempt"),
    Proof(2, "campaign check of the claim"),
    Proof(2, "cap"),
    Proof(2, "calendar cap", _LIMITS + "a_calendar_cap_opens_when_its_period_ends_and_not_before"),
    Proof(2, "warm-up", _LIMITS + "a_warm_up_climbs_by_days_of_sending_over_a_kill"),
    Proof(2, "window at the claim", _LIMITS + "a_closed_window_of_the_queue_lets_nothing_be_claimed"),
    Proof(2, "window at the gate", _LIMITS + "a_window_that_closes_after_the_claim_stops_the_send"),
    Proof(2, "recipient stopped"),
    Proof(
        2, "suppression at the gate", "tests/storage/test_store_suppressions.py::test_a_domain_is_stopped_at_the_gate"
    ),
    Proof(2, "queue check of the claim", _CLAIM + "a_queue_that_waits_for_a_person_takes_nothing"),
    Proof(2, "queue check of the gate", _GATE + "a_queue_that_is_not_ready_stops_the_send"),
    Proof(2, "approval at the gate", _APPROVAL + "a_job_without_any_question_is_held_at_the_gate_too"),
    Proof(2, "approval of this very message", _APPROVAL + "a_message_that_is_not_the_approved_one_is_held_at_the_gate"),
    Proof(2, "approval at the claim", _APPROVAL + "nothing_is_claimed_of_a_campaign_whose_approval_is_void"),
    Proof(
        2,
        "another campaign",
        "tests/runs/test_run_overlaps.py::test_a_resume_that_plans_anew_does_not_bring_two_messages_within_three_days",
    ),
    Proof(
        2,
        "allow-list",
        "tests/runs/test_run_retry.py::test_addresses_added_later_to_a_campaign_that_is_not_live_are_held",
    ),
    Proof(3, "intent gate"),
    Proof(3, "intent of a background job", _TASKS + "one_that_must_not_run_twice_has_its_intent_with_its_claim"),
    Proof(4, "campaign check of the gate"),
    Proof(4, "engine pause at the claim", _CLAIM + "a_paused_engine_takes_nothing"),
    Proof(4, "engine pause at the gate", _GATE + "a_paused_engine_stops_the_send"),
    Proof(5, "minimum gap"),
    Proof(5, "minimum gap at the claim", _CLAIM + "the_minimum_gap_holds_across_a_restart"),
    Proof(5, "minimum gap at the gate", _GATE + "the_minimum_gap_is_asked_again_at_the_gate"),
    Proof(5, "domain gap at the claim", _LIMITS + "one_of_a_domain_is_claimed_and_the_others_stand_in_line"),
    Proof(5, "domain gap at the gate", _LIMITS + "the_gate_keeps_the_gap_of_a_domain_for_two_that_were_claimed"),
    Proof(5, "a clock set back", _CLAIM + "after_the_clock_stepped_back_a_gap_counts_from_now_once"),
    Proof(
        6,
        "a message's own gap at the claim",
        _CLAIM + "overdue_jobs_with_gaps_leave_one_at_a_time_and_never_in_a_burst",
    ),
    Proof(6, "a message's own gap at the gate", _GATE + "a_job_s_own_gap_is_asked_again_at_the_gate"),
    Proof(7, "counters by delta", "tests/storage/test_store_finish.py"),
    Proof(8, "seeded plan", _PACING + "a_plan_has_its_length_in_order_in_whole_microseconds_and_repeats"),
    Proof(9, "lease fence of a completion"),
    Proof(9, "lease fence of the gate"),
    Proof(9, "lease fence of a background job", _TASKS + "an_end_with_an_old_lease_changes_nothing"),
    Proof(10, "epoch check"),
    Proof(10, "owner's lock", "tests/storage/test_store_file.py::test_a_second_engine_is_told_who_holds_the_store"),
    Proof(
        11,
        "a campaign says why",
        "tests/runs/test_run_explain.py::test_no_open_job_is_without_an_answer_and_none_begins_before_it_was_said",
    ),
    Proof(12, "nobody to send to", "tests/runs/test_run_campaign.py::test_a_campaign_without_people_is_refused"),
)
assert {proof.guard for proof in PROOFS} == GUARDS.keys()
assert {proof.guard for proof in PROOFS if not proof.test} == SCENARIOS.keys()


def run_tests(tests: list[str], guard: str = "") -> tuple[int, str]:
    """Run these tests in a process of their own without this guard; pytest's exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider",
         "-p", "tests.support.unguarded", "--unguarded", guard, *tests],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def missed(proof: Proof) -> str:
    """What its test says without the guard; "" when it passes, or could not be run at all."""
    code, said = run_tests([proof.test], proof.guard)
    if code != 1:
        return ""
    reasons = re.findall(r"^E +(.+)", said, re.MULTILINE)
    return reasons[0] if reasons else "it failed"


def _with_scenario(proof: Proof, folder: Path, relay: RelayProcess) -> tuple[str, str]:
    scenario = SCENARIOS[proof.guard]
    try:
        kept = scenario(folder, relay, "")
        if kept:
            return "NOT CLEAN", kept[0]
        said = scenario(folder, relay, proof.guard)
    except AssertionError as error:
        # What was waited for did not come, with the guard or without it: that proves nothing.
        return "NOT RUN", str(error)
    return ("yes", said[0]) if said else ("NO", "")


def _results(folder: Path, relay: RelayProcess) -> Iterator[tuple[Proof, str, str]]:
    tests = [proof.test for proof in PROOFS if proof.test]
    code, said = run_tests(tests)
    for proof in PROOFS:
        if not proof.test:
            yield proof, *_with_scenario(proof, folder, relay)
        elif code:
            yield proof, "NOT CLEAN", said.strip().splitlines()[-1]
        else:
            words = missed(proof)
            yield proof, "yes" if words else "NO", words


def prove() -> int:
    """Each guard off once: its judge must notice. And on once: it must not. 1 when a guard is not proved."""
    print(f"{'':>2} {'guard':<33} {'detected':<9} what was seen without it")
    failed = False
    with tempfile.TemporaryDirectory(prefix="pc-") as name, relay_process(Path(name), LATENCY) as relay:
        for proof, detected, words in _results(Path(name), relay):
            failed = failed or detected != "yes"
            print(f"{proof.invariant:>2} {proof.guard:<33} {detected:<9} {words[:100]}", flush=True)
    print("a guard is not proved" if failed else "every guard is missed when it is off")
    return 1 if failed else 0
