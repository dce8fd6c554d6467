"""How a key becomes a change: the registry, a question, the engine's control, one message about the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.outcomes import is_retryable
from storage.errors import PacelineError
from storage.reader import Reader
from tui.actions import Action, Row, Target, for_key
from tui.base import ConsoleBase
from tui.bulk import retry_marked
from tui.keynames import shown_key
from tui.screens.confirm import ConfirmScreen
from tui.screens.questions import QUESTIONS, RETRY_COUNT_LIMIT, Question
from tui.screens.questions import undo as undo_question
from tui.undo import undo_of


class Acting(ConsoleBase):
    """The part of the console that changes things. What is done goes through the engine's control only."""

    _asking = False

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
            self.run_worker(self._guarded(action, target.row), group="act", exit_on_error=True)

    async def _guarded(self, action: Action, row: Row, more: Row | None = None) -> None:
        """Do it, with arguments beside those that the row gives; what keeps it from being done is the message."""
        try:
            if action.id == "undo":
                await self._take_back()
            elif action.id == "jobs.retry":
                await retry_marked(self, row)
            elif action.id == "engine.start":
                await self._start_engine()
            else:
                await self._act(action, row, more or {})
        except PacelineError as error:
            self.say(f"{error.message}{f' - {error.hint}' if error.hint else ''}", "bad")
        self.feed.again()

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
        self.say(f"{action.title} {row.get('name', '')} ...")
        result = await asyncio.wrap_future(self.link.call(action.control, args))
        self.undos.add(undo_of(action.id, action.title, row, self.now()))
        self.say(f"ok: {result.get('message') or action.title}", "good")

    async def _facts(self, action: Action, row: Row, given: Row) -> Row:
        """What a question must know beyond the row: the plan of a start, the exact set of a retry."""
        if action.id == "campaign.start":
            plan = {"name": row["name"], "version": row["version"], "dry_run": True, **given}
            facts: Row = await asyncio.wrap_future(self.link.call("campaign.start", plan))
            return facts
        if action.id == "campaign.retry":
            facts = await self.read_once(lambda reader, now: retry_facts(reader, row["id"]))
            if not facts["transient"] and not facts["held"]:
                raise PacelineError(
                    f"all {facts['left']:,} that failed were refused for good", hint="4 Failures retries them by group"
                )
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

    async def _take_back(self) -> None:
        now = self.now()
        undo = next(iter(self.undos.open(now)), None)
        if undo is None or await self.ask(undo_question(undo.title, now - undo.at)) is None:
            return
        result = await asyncio.wrap_future(self.link.call(undo.control, undo.args))
        self.undos.drop(undo)
        self.say(f"ok: undid {undo.title}: {result.get('message', '')}", "good")


def retry_facts(reader: Reader, campaign_id: int) -> Row:
    """Exactly what "retry failed" of a campaign takes: `transient`, `held`; `left`: refused for good."""
    facts = {"transient": 0, "held": 0, "left": 0}
    after = seen = 0
    while rows := reader.jobs(states=("failed", "held"), campaign_id=campaign_id, after=after, limit=1_000):
        for row in rows:
            if row["state"] == "held":
                facts["held"] += row["reason"] != "approval"
            else:
                facts["transient" if is_retryable(row["outcome"]) else "left"] += 1
        after, seen = rows[-1]["id"], seen + len(rows)
        if seen >= RETRY_COUNT_LIMIT:
            break
    return facts
