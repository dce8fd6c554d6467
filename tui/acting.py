"""How a key becomes a change: the registry, a question, the engine's control, one message about the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from storage.errors import PacelineError, StoreError
from storage.reader import Reader
from storage.task_facts import task
from tui.actions import Action, Row, Target
from tui.keynames import shown_key
from tui.lookup import action, for_key
from tui.names import load_names
from tui.screens.confirm import ConfirmScreen
from tui.screens.questions import QUESTIONS, Question
from tui.screens.questions import undo as undo_question
from tui.typing_ahead import TypingAhead
from tui.undo import Undo, undo_of, undo_of_act, undo_of_result


class Acting(TypingAhead):
    """The part of the console that changes things. What is done goes through the engine's control only."""

    _asking = False
    names: Mapping[str, Sequence[str]] = MappingProxyType({})
    """What prompts complete, by what it names (`campaign`, `queue`)."""
    counting: Reader | None = None
    """What reads a set that is about to be acted on."""
    _stopped = False

    def press(self, id: str, targets: list[Target]) -> None:
        """Do what the key of this action means for what is under the cursor: another action may share the key."""
        key = self.keymap.key(id)
        found = for_key(key, targets, self.situation(), self.keymap.key)
        if found is None:
            self.say(f"{shown_key(key)}: there is nothing here that it acts on")
            return
        action, target, off = found
        if off:
            self.say(f"{action.title} is off: {off}", "warn")
        else:
            self.begin(action, target.row)

    def begin(self, action: Action, row: Row, more: Row | None = None) -> None:
        """Do an action that is on, with arguments beside those that its row gives."""
        doing = self._guarded(action, row, more)
        # What is typed behind a key that opens a screen is meant for that screen.
        self.run_worker(self.before_keys(doing) if action.opens else doing, group="act", exit_on_error=True)

    async def _guarded(self, action: Action, row: Row, more: Row | None = None) -> None:
        """Do it, with arguments beside those that the row gives; what keeps it from being done is the message."""
        # Only now: the first frame needs nothing of what acts.
        from tui.approving import REJECTS, ask_reason, write_text
        from tui.bulk import FIX, act_on_set
        from tui.resolving import resolve_campaign, sent_marked
        from tui.suppressing import suppress
        from tui.test_sending import test_send
        from tui.tuning import TUNINGS, tune

        try:
            if action.id == "undo":
                await self._take_back(row.get("undo"))
            elif action.id == "job.add" and (more or {}).get("kind"):
                await self._act(action, row, more or {})
            elif action.id in TUNINGS and more:
                await tune(self, action.id, {**action.args(row), **more})
            elif action.id == "approval.edit":
                await write_text(self, row)
            elif action.id in REJECTS and not (more or {}).get("reason"):
                ask_reason(self, action, row)
            elif action.opens:
                await self._open(action, row, more or {})
            elif action.id == "campaign.test":
                await test_send(self, action, row, more or {})
            elif action.id == "campaign.resolve":
                await resolve_campaign(self, row)
            elif action.id == "jobs.sent":
                await sent_marked(self, row)
            elif action.id in ("suppression.add", "recipients.suppress"):
                await suppress(self, action, row, more or {})
            elif action.id in FIX:
                await act_on_set(self, action, row, more or {})
            elif action.id == "engine.start":
                await self._start_engine()
            else:
                await self._act(action, row, more or {})
        except PacelineError as error:
            self.tell(error)
        self.feed.again()

    async def _open(self, action: Action, row: Row, more: Row) -> None:
        # Only now: a console that only looks need not load what reads recipient files.
        from tui.screens.opening import open_screen

        await open_screen(self, action.id, row, more)

    async def _start_engine(self) -> None:
        self.say("starting an engine in this console ...")
        await asyncio.to_thread(self.link.start_here)
        self.link.look_now()
        self.say("ok: an engine runs in this console", "good")

    async def _act(self, action: Action, row: Row, given: Row) -> None:
        args = {**action.args(row), **given}
        build = QUESTIONS.get(action.id)
        if build is not None:
            facts = await self._facts(action, row, given)
            question = build(row, facts, self.situation())
            if question is not None:
                more = await self.ask(question)
                if more is None:
                    self.say(f"{action.title}: nothing was changed")
                    return
                args = {**args, **more}
            if action.id == "campaign.approve":
                # The yes is to who was shown, whatever the configuration says by then.
                args["senders"] = facts["senders"]
        self.say(f"{action.title} {row.get('name', '')} ...")
        result = await asyncio.wrap_future(self.link.call(action.control, args))
        self._tell(action, row, result)

    def _tell(self, action: Action, row: Row, result: Row) -> None:
        """Remember how it is taken back, and say what became of it."""
        now = self.now()
        title = f"{action.title} job {row['id']}" if action.scope in ("job", "approval") else action.title
        self.undos.add(undo_of(action.id, action.title, row, now))
        self.undos.add(undo_of_act(action.id, title, result.get("events", []), now))
        self.undos.add(undo_of_result(action.id, f"{title} {row.get('name', '')}".strip(), result, now))
        if result.get("done") == 0 and result.get("left"):
            self.say(f"job {row['id']} was left alone: {result['left'][0]['why']}", "warn")
        else:
            self.say(f"ok: {result.get('message') or action.title}", "good")

    async def _facts(self, action: Action, row: Row, given: Row) -> Row:
        """What a question must know beyond the row: the plan of a start, the last attempt of an uncertain job."""
        if action.id in ("job.resolve", "work.resolve"):
            job: Row = await self.read_once(lambda reader, now: reader.job(row["id"]))
            return job
        if action.id == "job.again":
            known: Row = await self.read_once(lambda reader, now: task(reader, row["id"]) or {"effect": ""})
            return known
        if action.id == "campaign.approve":
            shown: Row = await asyncio.wrap_future(self.link.call("approval.senders", action.args(row)))
            return shown
        if action.id == "campaign.start":
            plan = {"name": row["name"], "version": row["version"], "dry_run": True, **given}
            facts: Row = await asyncio.wrap_future(self.link.call("campaign.start", plan))
            return facts
        return {}

    async def read_once(self, load: Callable[[Reader, int], Any]) -> Any:
        """What `load` reads, made safe. Raises the PacelineError that kept it from reading."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any) -> None:
            if not future.done():
                future.set_exception(result) if isinstance(result, PacelineError) else future.set_result(result)

        def answer(result: Any) -> None:
            loop.call_soon_threadsafe(settle, result)

        self.feed.ask(load, answer)
        return await future

    def learn_names(self) -> None:
        """Read the names that an open prompt completes; until they are there it completes the rest."""
        self.names = {}
        self.run_worker(self._learn_names(), group="names")

    async def _learn_names(self) -> None:
        try:
            self.names = await self.read_once(load_names)
        except PacelineError:
            return
        if self.view is not None and self.view.prompt.is_open:
            self.view.on_prompt_changed()

    async def read_apart(self, load: Callable[[Reader, int], Row]) -> Row:
        """What `load` reads over a connection of its own, so that what is shown goes on meanwhile; `esc` ends it.
        Texts are as stored, but for control's own keys. Raises PacelineError."""
        with Reader(self.database) as reader:
            self.counting, self._stopped = reader, False
            try:
                return await asyncio.to_thread(load, reader, self.now())
            except StoreError:
                if self._stopped:
                    raise PacelineError(
                        f"nothing was changed: {self.keymap.named('app.back')} ended the count"
                    ) from None
                raise
            finally:
                self.counting = None

    def stop_counting(self) -> bool:
        """End what `read_apart` reads; false when it reads nothing."""
        if self.counting is None:
            return False
        self._stopped = True
        self.counting.interrupt()
        return True

    def show_left(self, title: str, left: list[Row]) -> None:
        """The jobs that an act left alone, each with the reason."""
        from tui.screens.left import LeftScreen

        self.push_screen(LeftScreen(title, left))

    async def ask(self, question: Question) -> dict[str, Any] | None:
        """Put one question; None is No. A second one has to wait for the first."""
        if self._asking:
            raise PacelineError("another question is open", hint="answer it first")
        self._asking = True
        try:
            self.say("waiting for your answer - the list is held still")
            return await self.push_screen_wait(ConfirmScreen(question, self.monotonic))
        finally:
            self._asking = False
            self.say("")

    def take_back(self, undo: Undo) -> None:
        """Ask about one change that can be taken back, and do it."""
        self.run_worker(self._guarded(action("undo"), {"undo": undo}), group="act", exit_on_error=True)

    async def _take_back(self, chosen: Undo | None = None) -> None:
        now = self.now()
        undo = chosen or next(iter(self.undos.open(now)), None)
        if undo is None or await self.ask(undo_question(undo.title, now - undo.at)) is None:
            return
        result = await asyncio.wrap_future(self.link.call(undo.control, undo.args))
        self.undos.drop(undo)
        self.say(f"ok: undid {undo.title}: {result.get('message', '')}", "good")
