"""Every action of the console, declared once; the keys that only look stand in `tui.looks`.

The registry feeds the key bindings, the hints row, the help screen, the tables of `docs/console.md` and the refusals:
an action knows why it is off for a row, and that sentence is the same wherever it is shown. Lower-case keys look or
can be undone, upper-case ones are consequential, no ctrl key changes data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from tui import refusals
from tui.sequence_steps import without_step

if TYPE_CHECKING:
    from tui.lookup import Situation

Row = dict[str, Any]
NAMED = (
    "campaign", "letter", "sequence", "step", "queue", "alarm", "job", "approval", "person", "suppression",
    "suppressions", "jobs", "schedule", "schedules", "pipeline", "engine",
)  # fmt: skip
"""Scopes of what a line of `:` can name; a group of failures or a set of marks it cannot."""
_WORD = re.compile(r"[a-z]+(-[a-z]+)*")


class Target(NamedTuple):
    """A thing that an action is for: `scope` names its kind, `row` is what the screen knows of it."""

    scope: str
    row: Row


def _always(row: Row, situation: Situation) -> str:
    return ""


class Action(NamedTuple):
    """`key` is "" for what only `:` can ask for. `control` is the action of the engine's control ("" when the console
    does it by itself), `args` builds its arguments from the row. `why_off` says why it cannot be done now ("" when it
    can). `twin` is the same thing as a command line, with the row's fields in braces."""

    id: str
    title: str
    key: str
    scope: str
    control: str
    args: Callable[[Row], dict[str, Any]]
    twin: str
    why_off: Callable[[Row, Situation], str] = _always
    danger: bool = False
    reversible: bool = False
    without_engine: bool = False
    """For when there is no engine, and only then."""
    opens: bool = False
    """Opens a screen (`tui.screens.opening`) in which it is done; a tuning whose values stand behind its name at `:` is
    done at once."""
    reads: bool = False
    """Changes nothing: also for a read-only console, and without an engine."""
    answers: bool = False
    """Of several on one key, the one whose reason is given when all are off; else the first."""
    beside: str = ""
    """Without a twin: what the command line has in its place, for help only."""

    def off_here(self, situation: Situation) -> str:
        """Why nothing of this kind can be done in these surroundings, whatever it is for."""
        if self.reads:
            return ""
        if situation.read_only:
            return "read-only: this console was started with --read-only"
        if situation.lost and not self.without_engine:
            return f"no engine: {situation.lost}"
        return ""

    def off(self, row: Row, situation: Situation) -> str:
        """Why this cannot be done now: the surroundings first, then the list that the row stands in (`off`: its filter
        does not parse), then the row; "" when it can."""
        in_list = "" if self.reads else str(row.get("off", ""))
        return self.off_here(situation) or in_list or self.why_off(row, situation)

    @property
    def shell(self) -> str:
        """What help says about the command line."""
        return self.twin or self.beside or "in the console only"

    @property
    def words(self) -> tuple[str, ...]:
        """What it is called at `:`, as on the command line; () where only a key asks for it."""
        if self.scope not in NAMED:
            return ()
        return tuple(takewhile(_WORD.fullmatch, self.twin.split()[1:])) or ((self.id,) if self.id == "undo" else ())

    def command(self, row: Row) -> str:
        """The command line for this row; a row that is narrowed by its list brings its own (`twin`)."""
        if self.twin and "twin" in row:
            return str(row["twin"])
        known = {name: value for name, value in row.items() if isinstance(value, str | int)}
        if "ids" in row:
            known["chosen"] = _chosen(row)
        try:
            return self.twin.format(**known)
        except KeyError:
            return self.twin


def _name(row: Row) -> dict[str, Any]:
    return {"name": row["name"]}


def _named_version(row: Row) -> dict[str, Any]:
    return {"name": row["name"], "version": row["version"]}


def _run_again(row: Row) -> dict[str, Any]:
    """A run with what the last one was given."""
    return {"kind": row["name"], "payload": row["payload"]}


def _as_seen(row: Row) -> dict[str, Any]:
    """The one job as the screen shows it: the engine compares."""
    return {"seen": [[row["id"], row["state"], row["lease"]]]}


def _as_looked_at(row: Row) -> dict[str, Any]:
    """The same, when the message was read, and who it was shown to come from: one that was written anew since, or comes
    from somebody else, is left."""
    return {**_as_seen(row), "looked_at": row.get("looked_at"), "senders": row.get("senders")}


def _fixed_set(row: Row) -> dict[str, Any]:
    """The jobs of a set, which `tui.bulk` fixes before it asks."""
    return {"seen": row["seen"]}


def _chosen(row: Row) -> str:
    """How a command line names the marked jobs: by their ids, or by the filter that all of them match."""
    if not row["all"]:
        return " ".join(map(str, row["ids"]))
    from shlex import quote  # not for the first frame

    from storage.filter_terms import render

    return f"--filter {quote(render(row['query'].filter) or 'id:>0')}"


def _no_args(row: Row) -> dict[str, Any]:
    return {}


def _test_args(row: Row) -> dict[str, Any]:
    """For the person who is looked at, or nobody in particular."""
    person = row.get("person") or {}
    return {"name": row["name"], "fields": person.get("fields", {})}


def _suppression(row: Row) -> dict[str, Any]:
    given = {name: row[name] for name in ("reason", "list_name", "note") if row.get(name) and "value" in row}
    return {"entries": [{"value": row.get("value") or row.get("address", ""), **given}], "source": "console"}


ACTIONS: tuple[Action, ...] = (
    Action(
        "alarm.ack", "acknowledge", "d", "alarm", "alarm.ack", lambda row: {"id": row["id"]},
        "paceline alarm ack {id}", refusals.alarm_ack, reversible=True,
    ),
    Action(
        "step.add", "one more message", "A", "sequence", "", _name, "paceline campaign step add {name}",
        refusals.add_step, opens=True,
    ),
    Action(
        "step.remove", "take it out", "X", "step", "campaign.edit",
        lambda row: {**_named_version(row), "steps": without_step(row, row["step"])},
        "paceline campaign step remove {name} {step}", refusals.remove_step, danger=True, reversible=True,
    ),
    Action(
        "campaign.pause", "pause", "p", "campaign", "campaign.pause", _name, "paceline campaign pause {name}",
        refusals.state_is("active", verb="paused"), reversible=True,
    ),
    Action(
        "campaign.start", "start", "P", "campaign", "campaign.start", _named_version, "paceline campaign start {name}",
        refusals.start, danger=True,
    ),
    Action(
        "campaign.resume", "resume", "P", "campaign", "campaign.resume", _named_version,
        "paceline campaign resume {name}", refusals.resume, reversible=True, answers=True,
    ),
    Action(
        "campaign.approve", "approve as a whole", "P", "campaign", "approval.approve_campaign", _named_version,
        "paceline campaign approve {name}", refusals.approve_campaign, danger=True,
    ),
    Action(
        "campaign.retry", "retry failed", "R", "campaign", "job.retry", _fixed_set, "paceline campaign retry {name}",
        refusals.retry_campaign, danger=True, reversible=True,
    ),
    Action(
        "campaign.cancel", "cancel", "X", "campaign", "campaign.cancel", _named_version,
        "paceline campaign cancel {name}", refusals.cancel, danger=True, reversible=True,
    ),
    Action(
        "campaign.live", "live", "L", "campaign", "campaign.live",
        lambda row: {"name": row["name"], "live": not row["live"]}, "paceline campaign live {name}", refusals.live,
        danger=True, reversible=True,
    ),
    Action(
        "campaign.preview", "message", "m", "campaign", "", _name, "paceline campaign preview {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.recipients", "recipients", "r", "campaign", "", _name, "paceline campaign recipients {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.check", "before a start: check", "b", "campaign", "", _name, "paceline campaign preflight {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.pace", "pacing", "e", "campaign", "", _name, "paceline campaign pace {name}", refusals.pacing,
        opens=True,
    ),
    Action(
        "campaign.tune", "share and window", "e", "campaign", "campaign.tune", _name, "paceline campaign tune {name}",
        refusals.pacing, opens=True, reversible=True,
    ),
    Action(
        "recipients.import", "import people", "I", "campaign", "", _name,
        "paceline recipients import FILE --campaign {name}", refusals.import_people, opens=True,
    ),
    Action(
        "campaign.continue", "continue this draft", "C", "campaign", "", _name, "", refusals.continue_draft, opens=True,
    ),
    Action(
        "campaign.test", "send a test", "T", "campaign", "campaign.test_send", _test_args,
        "paceline campaign test-send {name} --to ADDRESS",
    ),
    Action(
        "campaign.resolve", "decide what is uncertain", "U", "campaign", "", _name, "", refusals.resolve_campaign,
        beside="paceline campaign resolve {name} JOB --sent",
    ),
    Action(
        "campaign.forecast", "outlook: forecast", "o", "campaign", "", _name, "paceline campaign forecast {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.explain", "why it waits", "x", "campaign", "", _name, "paceline campaign explain {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.report", "report: rates", "%", "campaign", "", _name, "paceline campaign report {name}",
        opens=True, reads=True,
    ),
    Action(
        "campaign.edit", "edit the message", "e", "letter", "", _name, "paceline campaign edit {name}",
        refusals.message, opens=True,
    ),
    Action(
        "recipients.forget", "take it back", "X", "import", "recipients.forget",
        lambda row: {"campaign": row["campaign"], "import_id": row["id"]},
        "paceline recipients forget {id} --campaign {campaign}", refusals.forget, danger=True,
    ),
    Action(
        "failures.retry", "retry group", "R", "group", "job.retry", _fixed_set,
        "paceline job retry --error \"{error_key}\"", refusals.retry_group, danger=True, reversible=True,
    ),
    Action(
        "jobs.retry", "retry marked", "R", "marked", "job.retry", _fixed_set,
        "paceline job retry {chosen}", danger=True, reversible=True,
    ),
    Action(
        "jobs.cancel", "cancel marked", "X", "marked", "job.cancel", _fixed_set,
        "paceline job cancel {chosen}", danger=True, reversible=True,
    ),
    Action(
        "jobs.sent", "were sent", "U", "marked", "job.sent", lambda row: {"ids": row["ids"]},
        "paceline job sent {chosen}", danger=True,
    ),
    Action(
        "approvals.approve", "approve marked", "A", "asked", "approval.approve", _fixed_set,
        "paceline approval approve {chosen}", danger=True, reversible=True,
    ),
    Action(
        "approvals.reject", "reject marked", "X", "asked", "approval.reject", _fixed_set,
        "paceline approval reject {chosen} --reason WHY", danger=True,
    ),
    Action(
        "approval.approve", "approve", "A", "approval", "approval.approve", _as_looked_at,
        "paceline approval approve {id}", refusals.decide, reversible=True,
    ),
    Action(
        "approval.reject", "reject", "X", "approval", "approval.reject", _as_seen,
        "paceline approval reject {id} --reason WHY", refusals.decide,
    ),
    Action(
        "approval.edit", "edit the text", "e", "approval", "", lambda row: {"job": row["id"]},
        "paceline approval edit {id}", refusals.decide, opens=True,
    ),
    Action(
        "job.retry", "retry", "R", "job", "job.retry", _as_seen, "paceline job retry {id}", refusals.retry_job,
        danger=True, reversible=True,
    ),
    Action(
        "job.cancel", "cancel", "X", "job", "job.cancel", _as_seen, "paceline job cancel {id}", refusals.cancel_job,
        danger=True, reversible=True,
    ),
    Action(
        "job.end", "ask to end", "X", "job", "job.end", lambda row: {"ids": [row["id"]]}, "paceline job cancel {id}",
        refusals.end_job,
    ),
    Action(
        "job.again", "run again", "R", "job", "job.again", lambda row: {"job": row["id"]}, "paceline job again {id}",
        refusals.again,
    ),
    Action(
        "job.resolve", "was it sent?", "U", "job", "job.resolve", lambda row: {"job": row["id"]},
        "paceline campaign resolve {campaign} {id} --sent", refusals.resolve, danger=True,
    ),
    Action(
        "work.resolve", "was it done?", "U", "job", "job.resolve", lambda row: {"job": row["id"]},
        "paceline job resolve {id} --done", refusals.resolve_work, danger=True,
    ),
    Action(
        "job.explain", "why it waits", "x", "job", "", lambda row: {"id": row["id"]}, "paceline job explain {id}",
        opens=True, reads=True,
    ),
    Action(
        "recipients.edit", "edit person", "e", "person", "",
        lambda row: {"campaign": row["campaign"], "address": row["address"]},
        "paceline recipients edit {address} --campaign {campaign}", refusals.person, opens=True,
    ),
    Action(
        "recipients.suppress", "mute: contact no more", "M", "person", "suppression.add", _suppression, "",
        reversible=True, beside="paceline suppression add ADDRESS",
    ),
    Action(
        "suppression.add", "suppress", "A", "suppressions", "suppression.add", _suppression,
        "paceline suppression add {value}", reversible=True,
    ),
    Action(
        "suppression.remove", "take off the list", "X", "suppression", "suppression.remove",
        lambda row: {"ids": row.get("ids") or [row["id"]]}, "paceline suppression remove {id}", danger=True,
        reversible=True,
    ),
    Action(
        "queue.pause", "pause queue", "p", "queue", "queue.pause", _name, "paceline queue pause {name}",
        refusals.queue_pause, reversible=True,
    ),
    Action(
        "queue.resume", "resume queue", "P", "queue", "queue.resume", _name, "paceline queue resume {name}",
        refusals.queue_resume, danger=True,
    ),
    Action(
        "queue.probe", "probe: try one now", "R", "queue", "queue.probe", _name, "paceline queue probe {name}",
        refusals.queue_probe,
    ),
    Action(
        "queue.tune", "tune limits", "e", "queue", "queue.tune", _name, "paceline queue tune {name}",
        refusals.queue_tune, opens=True, reversible=True,
    ),
    Action(
        "queue.explain", "why it waits", "x", "queue", "", _name, "paceline queue explain {name}", opens=True,
        reads=True,
    ),
    Action(
        "schedule.run", "run now", "R", "schedule", "schedule.run", _name, "paceline schedule run {name}",
    ),
    Action(
        "schedule.disable", "disable", "p", "schedule", "schedule.disable", _named_version,
        "paceline schedule disable {name}", refusals.schedule_disable, reversible=True,
    ),
    Action(
        "schedule.enable", "enable", "P", "schedule", "schedule.enable", _named_version,
        "paceline schedule enable {name}", refusals.schedule_enable, reversible=True,
    ),
    Action(
        "schedule.edit", "edit", "e", "schedule", "schedule.edit", _name, "paceline schedule edit {name}", opens=True,
    ),
    Action(
        "schedule.remove", "remove", "X", "schedule", "schedule.remove", _named_version,
        "paceline schedule remove {name}", danger=True,
    ),
    Action("job.add", "new job", "A", "jobs", "job.add", _no_args, "paceline job add KIND", opens=True),
    Action("schedule.add", "new schedule", "A", "schedules", "", _no_args, "paceline schedule add NAME", opens=True),
    Action(
        "pipeline.run", "run now", "R", "pipeline", "job.add", _run_again, "paceline pipeline run {name}",
        refusals.pipeline_run,
    ),
    Action("campaign.new", "new campaign", "A", "engine", "", _no_args, "paceline campaign new", opens=True),
    Action("undo", "undo", "z", "engine", "", _no_args, "", refusals.undo, beside="paceline job undo EVENT"),
    Action(
        "engine.pause", "pause all", "E", "engine", "engine.pause", _no_args, "paceline engine pause",
        refusals.engine_pause, reversible=True,
    ),
    Action(
        "engine.resume", "resume all", "E", "engine", "engine.resume", _no_args, "paceline engine resume",
        refusals.engine_resume, danger=True, reversible=True,
    ),
    Action(
        "engine.start", "start an engine here", "E", "engine", "", _no_args, "paceline engine run",
        refusals.engine_start, without_engine=True,
    ),
    Action(
        "engine.drain", "drain and end the engine", "", "engine", "engine.drain", _no_args, "paceline engine drain",
        danger=True,
    ),
    Action(
        "engine.reload", "reload the configuration", "", "engine", "engine.reload", _no_args,
        "paceline engine reload",
    ),
)  # fmt: skip
