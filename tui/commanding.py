"""How a line of `:` becomes a view or a change: by the same door as the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.alarm_facts import alarm
from storage.errors import NotFoundError, PacelineError, UsageError
from storage.reader import Reader
from tui.acting import Acting
from tui.actions import Row
from tui.going import Going
from tui.looks import Look
from tui.lookup import meant

if TYPE_CHECKING:
    from tui.commands import Do, DoMany


class Commanding(Acting, Going):
    """The part of the console that understands `:`."""

    def action_command(self) -> None:
        from tui.completing import offers  # with the language, which the first frame does not wait for

        view = self.view
        if view is None or view is not self.screen or view.has_class("-small"):
            return
        self.learn_names()
        view.prompt.open(
            ":",
            on_submit=self._submitted,
            completer=lambda line: offers(line, self.names) if line else [],
            history=self.history,
        )

    def _submitted(self, line: str) -> None:
        self.run_worker(self._obey(line), group="act", exit_on_error=True)

    async def _obey(self, line: str) -> None:
        try:
            await self._understood(line)
        except PacelineError as error:
            self.tell(error)

    async def _understood(self, line: str) -> None:
        from tui.commands import Do, DoMany, Go, Help, Leave, Run, Show, parse

        match parse(line, self.now()):
            case Go(mode, narrowed):
                opened = self.go_to(mode)
                if opened is not None:
                    await opened
                if narrowed and self.view is not None:
                    self.view.narrow(narrowed)
            case Show(scope, name):
                await self.show_one(scope, name)
            case Do() as wanted:
                doing = self._do(wanted)
                await (self.before_keys(doing) if wanted.action.opens else doing)
            case DoMany() as wanted:
                await self._do_many(wanted)
            case Run(look, rest):
                await self._run_look(look, rest)
            case Help():
                await self.run_action("help")
            case Leave():
                await self.run_action("ask_quit")

    async def _run_look(self, look: Look, rest: str) -> None:
        """What a word of its own asks for; some take a name behind it."""
        from tui.command_words import TAKE_NAME

        if rest and look.id not in TAKE_NAME:
            raise UsageError(f":{rest[:20]}: nothing may stand behind this word", hint="tab shows what there is")
        await self.run_action(f"{look.does}({rest!r})" if rest else look.does)

    async def _do(self, wanted: Do) -> None:
        action = wanted.action
        if off := action.off_here(self.situation()):
            self.say(f"{action.title} is off: {off}", "warn")
            return
        row = await self._row(action.scope, wanted.name, str(wanted.more.get("campaign", "")))
        if action.id == "campaign.live" and row["live"] == (not wanted.more.get("off", False)):
            raise UsageError(f"{row['name']} is {'live' if row['live'] else 'not live'} already")
        action = meant(action, row, self.situation())
        if off := action.off(row, self.situation()):
            self.say(f"{action.title} is off: {off}", "warn")
            return
        of_row = ("off", "campaign") if action.scope == "step" else ("off",)
        await self._guarded(action, row, {key: value for key, value in wanted.more.items() if key not in of_row})

    async def _do_many(self, wanted: DoMany) -> None:
        from storage.filters import parse as parse_filter
        from storage.jobs_page import Query

        action = wanted.action
        if off := action.off_here(self.situation()):
            self.say(f"{action.title} is off: {off}", "warn")
            return
        row = {
            "all": bool(wanted.filter), "ids": wanted.ids, "filter": wanted.filter,
            "query": Query(parse_filter(wanted.filter)),
        }  # fmt: skip
        await self._guarded(action, row, wanted.more)

    async def _row(self, scope: str, name: str, campaign: str = "") -> Row:
        """What an action is for, by its name; `campaign` is the one that a person or a step is in."""

        from engine.intake.keys import key_of
        from storage.people_page import by_key
        from storage.pipeline_facts import last_run
        from storage.schedule_facts import schedule
        from tui.suppressing import entry_named

        def load(reader: Reader, now: int) -> Row:
            if scope in ("campaign", "letter", "sequence"):
                return reader.campaign(name)
            if scope == "step":
                return {**reader.campaign(campaign), "step": int(name)}
            if scope == "person":
                return {
                    **by_key(reader, reader.campaign(campaign)["id"], key_of(name)),
                    "campaign": campaign,
                }
            if scope == "suppression":
                return entry_named(reader, name)
            if scope == "schedule":
                return schedule(reader, name)
            if scope == "pipeline":
                return last_run(reader, name)
            if scope in ("job", "alarm", "approval") and not name.isdigit():
                raise UsageError(f"'{name}' is no {scope}: it has a number")
            if scope == "alarm":
                if (found := alarm(reader, int(name))) is None:
                    raise NotFoundError(f"there is no alarm {name}", hint=":overview lists what stands")
                return found
            if scope in ("job", "approval"):
                return reader.job(int(name))
            row = next((row for row in reader.queues() if row["name"] == name), None)
            if row is None:
                raise NotFoundError(f"there is no queue '{name}'", hint=":queues lists them")
            return row

        if scope in ("engine", "suppressions", "schedules", "jobs"):
            return {"value": name} if scope == "suppressions" else {}
        found: Row = await self.read_once(load)
        return found

    async def show_one(self, scope: str, name: str) -> None:
        from tui.screens.campaign import CampaignScreen
        from tui.screens.job import JobScreen
        from tui.screens.queues import QueueScreen
        from tui.screens.returned import ReturnedScreen, load
        from tui.screens.schedules import SchedulesScreen

        if scope == "inbox":
            await self.read_once(lambda reader, now: load(reader, int(name)))
            self.push_screen(ReturnedScreen(int(name)))
            return
        row = await self._row(scope, name)
        if scope == "campaign":
            self.action_view("campaigns")
            self.push_screen(CampaignScreen(name))
        elif scope == "queue":
            self.action_view("queues")
            self.push_screen(QueueScreen(name))
        elif scope == "schedule":
            self.action_view("schedules")
            if isinstance(self.view, SchedulesScreen):
                self.view.go_to(row["id"])
        else:
            self.push_screen(JobScreen(int(name), "Jobs"))
