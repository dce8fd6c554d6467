"""Which screen an action of the registry opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.actions import Row
from tui.lookup import action
from tui.screens.view import ViewScreen
from tui.screens.wizard import Making, StepScreen, first_open

if TYPE_CHECKING:
    from tui.acting import Acting


def step_screen(step: str, making: Making) -> StepScreen:
    """The screen of one step."""
    from tui.screens.wizard_check import CheckScreen
    from tui.screens.wizard_letter import LetterScreen
    from tui.screens.wizard_name import NameScreen
    from tui.screens.wizard_pacing import PacingScreen
    from tui.screens.wizard_people import PeopleScreen

    screens: tuple[type[StepScreen], ...] = (NameScreen, PeopleScreen, LetterScreen, PacingScreen, CheckScreen)
    return next(screen for screen in screens if step == screen.STEP)(making)


def _alone(step: str) -> Callable[[Row], ViewScreen]:
    return lambda row: step_screen(step, Making(row["name"], alone=True))


def _check(row: Row) -> ViewScreen:
    from tui.screens.wizard_check import CheckScreen

    return CheckScreen(Making(row["name"], alone=True), connect=bool(row.get("connect")))


def _preview(row: Row) -> ViewScreen:
    from tui.screens.preview import PreviewScreen

    return PreviewScreen(row["name"])


def _recipients(row: Row) -> ViewScreen:
    from tui.screens.recipients import RecipientsScreen

    return RecipientsScreen(row["name"], row["id"])


def _person(row: Row) -> ViewScreen:
    from tui.screens.recipient_edit import RecipientEditScreen

    return RecipientEditScreen(row["campaign"], row["id"], row["address"])


def _why(scope: str) -> Callable[[Row], ViewScreen]:
    def opened(row: Row) -> ViewScreen:
        from tui.screens.explain import ExplainScreen

        return ExplainScreen(scope, row)

    return opened


def _limits(row: Row) -> ViewScreen:
    from tui.screens.queue_limits import QueueLimitsScreen

    return QueueLimitsScreen(row["name"])


def _forecast(row: Row) -> ViewScreen:
    from tui.screens.forecast import ForecastScreen

    return ForecastScreen(row["name"])


def _report(row: Row) -> ViewScreen:
    from tui.screens.report import ReportScreen

    return ReportScreen(row["name"])


def _import(row: Row) -> ViewScreen:
    making = Making(row["name"], alone=True)
    making.file.path = row.get("path", "")
    return step_screen("people", making)


def _schedule(row: Row) -> ViewScreen:
    from tui.screens.schedule_form import ScheduleFormScreen

    return ScheduleFormScreen(row.get("name", ""), row.get("wanted", ""))


def _job(row: Row) -> ViewScreen:
    from tui.screens.enqueue import EnqueueScreen

    return EnqueueScreen(row.get("wanted", ""))


def _step(row: Row) -> ViewScreen:
    from tui.screens.step_new import NewStepScreen

    return NewStepScreen(row, row.get("place"))


OPENS: dict[str, Callable[[Row], ViewScreen]] = {
    "campaign.new": lambda row: step_screen("name", Making(wanted=row.get("wanted", ""))),
    "campaign.continue": lambda row: step_screen(first_open(row), Making(row["name"])),
    "campaign.check": _check,
    "campaign.pace": _alone("pacing"),
    "campaign.tune": _alone("pacing"),
    "campaign.edit": _alone("letter"),
    "step.add": _step,
    "recipients.import": _import,
    "recipients.edit": _person,
    "campaign.preview": _preview,
    "campaign.recipients": _recipients,
    "campaign.explain": _why("campaign"),
    "campaign.forecast": _forecast,
    "campaign.report": _report,
    "queue.explain": _why("queue"),
    "queue.tune": _limits,
    "job.explain": _why("job"),
    "job.add": _job,
    "schedule.add": _schedule,
    "schedule.edit": _schedule,
}
"""By the action's id: a screen made from the row that it is for (of a campaign all that `Reader.campaign` gives)."""


async def open_screen(console: Acting, id: str, row: Row, more: Row | None = None) -> None:
    """Open the screen of an action; `more` is what was said beside its name. Raises PacelineError for a campaign that
    is gone."""
    of_campaign = "name" in row and action(id).scope not in ("queue", "schedule")
    whole = await console.read_once(lambda reader, now: reader.campaign(row["name"])) if of_campaign else row
    await console.push_screen(OPENS[id]({**whole, **(more or {})}))
