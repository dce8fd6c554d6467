"""The registry is the one place where actions and keys are declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.control import actions as control
from engine.control import all_actions
from tests.console.world import NOON
from tests.support.commands import check_command
from tui.actions import ACTIONS, Action, Target
from tui.approving import REJECTS
from tui.looks import LOOKS
from tui.lookup import Situation, available, for_key
from tui.screens.help import markdown
from tui.screens.questions import QUESTIONS
from tui.undo import BY_ANSWER, BY_EVENT, BY_RESULT, REVERSE

DOCS = Path(__file__).parents[2] / "docs" / "console.md"
SAID = {
    "position": 1, "subject": "Hello", "text": "Hi", "html": "", "headers": {}, "attachments": [], "channel": "",
    "wait": {}, "conditions": [], "pacing": {},
}  # fmt: skip
ROW = {
    "id": 7, "name": "letters", "state": "active", "version": 3, "live": True, "raw_key": "x", "error_key": "x",
    "only_campaign": "letters", "campaign": "letters", "failed": 1, "held": 0, "uncertain": 0, "reason": "",
    "counts": {"failed": 1, "held": 0}, "ids": [7], "filter": "state:failed",
    "lease": 1, "seen": [[7, "failed", 1]], "payload": {},
    "step": 2, "channel": "smtp", "steps": [SAID, {**SAID, "position": 2}],
}  # fmt: skip


def test_every_action_calls_a_control_action_with_arguments_that_it_takes() -> None:
    all_actions()
    for action in ACTIONS:
        if action.control:
            control.ACTIONS[action.control].args.model_validate(action.args(ROW) | _more(action))


def _more(action: Action) -> dict[str, str]:
    """What is asked for before it is done."""
    given: dict[str, dict[str, str]] = {
        "job.add": {"kind": "cleanup_old_data"},
        "job.resolve": {"verdict": "sent"},
        "work.resolve": {"verdict": "sent"},
        "campaign.test": {"to": "ana@example.com"},
    }
    return {**given, **{id: {"reason": "wrong tone"} for id in REJECTS}}.get(action.id, {})


def test_every_question_and_every_undo_belongs_to_an_action() -> None:
    ids = {action.id for action in ACTIONS}
    assert set(QUESTIONS) <= ids
    assert set(REVERSE) <= ids
    reversed_by = set(REVERSE) | set(BY_EVENT) | set(BY_ANSWER) | set(BY_RESULT)
    assert reversed_by == {action.id for action in ACTIONS if action.reversible}
    assert {action.id for action in ACTIONS if action.danger} <= set(QUESTIONS) | {"job.retry"}


def test_no_ctrl_key_changes_data_and_no_key_that_terminals_keep_is_bound() -> None:
    assert all(len(action.key) <= 1 for action in ACTIONS)
    bound = {key for look in LOOKS for key in look.keys}
    assert not bound & {"ctrl+a", "ctrl+s", "ctrl+z", "ctrl+i", "ctrl+m", "ctrl+h", "tilde"}


def test_a_key_means_one_thing_in_one_place() -> None:
    looks = [key for look in LOOKS for key in look.keys]
    assert len(looks) == len(set(looks))
    assert not set(looks) & {action.key for action in ACTIONS}


def test_a_shared_key_means_the_action_that_is_on() -> None:
    draft, paused = {**ROW, "state": "draft"}, {**ROW, "state": "paused"}
    assert _meaning("P", draft) == "campaign.start"
    assert _meaning("P", paused) == "campaign.resume"


def _meaning(key: str, row: dict[str, object]) -> str:
    found = for_key(key, [Target("campaign", row)], Situation(now=NOON))
    assert found is not None
    return found[0].id


def test_the_hints_row_leaves_out_what_is_off() -> None:
    shown = {action.id for action in available([Target("campaign", {**ROW, "state": "completed"})], Situation())}
    assert "campaign.pause" not in shown
    assert "campaign.cancel" not in shown


def test_read_only_every_change_is_off_with_one_sentence_and_every_look_is_on() -> None:
    read_only = Situation(read_only=True)
    assert {a.off_here(read_only) for a in ACTIONS if not a.reads} == {
        "read-only: this console was started with --read-only"
    }
    assert {a.off_here(read_only) for a in ACTIONS if a.reads} == {""}
    assert not [a.id for a in ACTIONS if a.reads and (a.control or a.danger or a.reversible)]


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.twin], ids=lambda action: action.id)
def test_the_command_line_twin_of_an_action_exists(action: Action) -> None:
    words = re.sub(r"\{\w+\}|\".*?\"", "X", action.twin).split()[1:]
    check_command(words)


@pytest.mark.parametrize("twin", [look.twin for look in LOOKS if look.twin and "--help" not in look.twin])
def test_the_command_line_twin_of_a_view_exists(twin: str) -> None:
    check_command(twin.split()[1:])


def test_the_key_tables_of_the_docs_are_the_registry() -> None:
    text = DOCS.read_text()
    begin, end = "<!-- keys: made from the registry -->\n", "<!-- end of keys -->"
    assert text[text.index(begin) + len(begin) : text.index(end)].strip() == markdown().strip()
