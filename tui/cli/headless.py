"""An engine without a screen: its event loop, its signals, and what it tells on stderr meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.service import Engine
from storage.reader import Reader
from tui.cli.narration import LogLines, Narrator
from tui.cli.output import Json
from tui.cli.times import now_us
from tui.safe_text import safe_text
from tui.signals import ENDS, Asked

LOOK = 0.2
"""Seconds between two looks at whether a pass is over."""
QUIET = 2.0
"""Seconds without any change after which what is due but held back (a cap, a cooling) no longer keeps a pass."""
TELL = 5.0
"""Seconds between two lines of progress."""
MAX_ERRORS = 100


class Headless:
    """One run of one engine. `done` (asked a few times a second) may end it early."""

    def __init__(
        self,
        database: Path,
        load_config: Callable[[], Config],
        *,
        read_only: bool = False,
        done: Callable[[Reader], bool] | None = None,
    ) -> None:
        self.database = database
        self.engine = Engine(database, load_config, role="engine", read_only=read_only)
        self._done = done
        self._asked = Asked()
        self._last_event = 0
        self.was_cut = False
        """Whether a second signal ended the engine inside the send window."""
        self._narrator = Narrator()

    def run(self, *, until_idle: bool = False, once: bool = False) -> Json:
        """Run to the end; returns what was done: `processed, sent, failed, held, uncertain, errors`.

        Raises PacelineError when it cannot start, or when what ended a loop was one.
        """
        with self._narrator:
            logging.basicConfig(level=logging.WARNING, handlers=[LogLines(self._narrator)], force=True)
            return _with_loop(self._run(until_idle, once))

    async def _run(self, until_idle: bool, once: bool) -> Json:
        await self.engine.start()
        begun = now_us()
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self._signalled, number)
        with Reader(self.database) as reader:
            before = reader.counts()
            self._last_event = max((event["id"] for event in reader.events(limit=1)), default=0)
            self._tell_start(until_idle, once)
            watchers = [asyncio.create_task(self._narrate(reader))]
            if once or self._done is not None:
                watchers.append(asyncio.create_task(self._end_when_done(reader, once)))
            try:
                await self.engine.run(until_idle=until_idle)
            finally:
                for task in watchers:
                    task.cancel()
                await asyncio.gather(*watchers, return_exceptions=True)
            self._tell_events(reader)
            self._tell_needs(reader)
            return _summary(reader, before, begun)

    def _tell_start(self, until_idle: bool, once: bool) -> None:
        how = "for one pass" if once else "until SIGTERM, SIGINT or SIGHUP"
        how = "until nothing can run" if until_idle else how
        self._say(f"engine runs on {self.database} (pid {os.getpid()}) {how}")

    def _signalled(self, number: signal.Signals) -> None:
        waiting = self.engine.in_flight()
        if self._asked.again(number):
            self.was_cut = True
            self._say(f"{number.name} again: cut with {waiting} in flight; what may have left is marked uncertain")
            self.engine.cut(number.name)
            return
        self.engine.drain(number.name)
        self._say(f"{number.name}: draining, waits for {waiting} in flight; a second signal cuts")

    def _say(self, text: str) -> None:
        self._narrator.say(text)

    async def _end_when_done(self, reader: Reader, once: bool) -> None:
        """Drain when `done` says so, or when a pass has sent what was due."""
        seen, since = -1, asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(LOOK)
            if self._done is not None and self._done(reader):
                self.engine.drain("done")
                return
            now = asyncio.get_running_loop().time()
            if (version := reader.data_version()) != seen:
                seen, since = version, now
            if once and not self.engine.in_flight() and (not _anything_due(reader) or now - since > QUIET):
                self.engine.drain("one pass is done")
                return

    async def _narrate(self, reader: Reader) -> None:
        """New events as they happen, and a line of progress now and then."""
        told, told_at = "", asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(1)
            self._tell_events(reader)
            now = asyncio.get_running_loop().time()
            if now - told_at >= TELL:
                told_at = now
                line = _progress_line(reader)
                if line and line != told:
                    self._say(line)
                told = line

    def _tell_events(self, reader: Reader) -> None:
        for event in reader.events(after=self._last_event, limit=50):
            self._last_event = event["id"]
            self._say(event["text"])

    def _tell_needs(self, reader: Reader) -> None:
        """What waits for a person although the run ended well: whoever reads cron's mail must see it."""
        for queue in reader.queues():
            if queue["state"] in ("needs_attention", "restricted"):
                name, reason = safe_text(queue["name"]), safe_text(queue["reason"])
                self._say(f"queue {name} needs you: {reason} - mend it, then: paceline queue resume {name}")


def _progress_line(reader: Reader) -> str:
    from tui.cli.facts import progress

    parts = []
    for row in reader.campaigns():
        if row["state"] == "active":
            steps = progress(row["counts"])
            parts.append(
                f"{row['name']}: Progress: {steps['current']}/{steps['total']} ({steps['percentage']}%) - "
                f"Success: {steps['sent']}, Failed: {steps['failed']}"
            )
    return "; ".join(parts[:5])


def _anything_due(reader: Reader) -> bool:
    if reader.engine()["paused"]:
        return False
    now = now_us()
    for row in reader.campaigns():
        if row["state"] != "active" or row["queue_state"] not in ("ready", "probing"):
            continue
        if (first := reader.due(row["id"])["first"]) is not None and first <= now:
            return True
    return False


def _summary(reader: Reader, before: dict[str, int], begun: int) -> Json:
    after = reader.counts()

    def more(*states: str) -> int:
        return max(0, sum(after[state] - before[state] for state in states))

    sent, failed = more("completed", "bounced"), more("failed")
    return {
        "processed": sent + failed + more("uncertain"),
        "sent": sent,
        "failed": failed,
        "held": after["held"],
        "uncertain": after["uncertain"],
        "pending": after["pending"],
        "errors": _errors(reader, begun) if failed else [],
    }


def _errors(reader: Reader, begun: int) -> list[Json]:
    found: list[Json] = []
    after = 0
    while len(found) < MAX_ERRORS and (page := reader.jobs(states=("failed",), after=after, limit=500)):
        after = page[-1]["id"]
        found += [
            {"queue_id": job["id"], "prospect": job["address"], "campaign": job["campaign"], "error": job["error"]}
            for job in page
            if job["updated_at"] >= begun
        ]
    return found[:MAX_ERRORS]


def _with_loop(work: Coroutine[Any, Any, Json]) -> Json:
    """Run on uvloop where it is installed: it sends about 1.6 times as fast."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
