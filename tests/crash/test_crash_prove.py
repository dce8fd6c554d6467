"""The proofs of `make crash PROVE=1` themselves: every guard is where they look for it, and their judge can say no."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from tests.crash.crash_prove import PROOFS, missed
from tests.support.child import ROOT

BY_TEST = [proof for proof in PROOFS if proof.test]


ALL_OFF = """\
import sqlite3
from storage import dispatch, migrate
from tests.support.guards import GUARDS, switch_off
for guard in GUARDS:
    switch_off(guard)
store = sqlite3.connect(":memory:", isolation_level=None)
migrate.apply(store, 0)
for sql in (dispatch._LANES, dispatch._QUEUE, dispatch._HEADS):
    store.execute("EXPLAIN " + sql, (None,) * sql.count("?"))
"""
"""A statement that is no SQL any more without its guard stops the engine: that would prove anything."""


def test_every_guard_can_still_be_taken_out() -> None:
    done = subprocess.run([sys.executable, "-c", ALL_OFF], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_proof_names_tests_that_exist() -> None:
    for proof in BY_TEST:
        path, _, name = proof.test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text("utf-8"), proof.test


def test_every_invariant_has_a_guard_that_is_proved() -> None:
    assert {proof.invariant for proof in PROOFS} == set(range(1, 13))


def test_a_guard_that_is_missed_is_told_from_one_that_is_not() -> None:
    gate = next(proof for proof in BY_TEST if proof.guard == "queue check of the gate")
    assert missed(gate) == "AssertionError: assert '' == 'queue paused'"
    assert missed(replace(gate, guard="seeded plan")) == ""
