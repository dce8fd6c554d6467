"""What the screen reads: one reader in one thread, which looks for changes and publishes snapshots.

`data_version` is asked 4 times a second, and a snapshot made at most as often; only what differs from the last one is
published, so that an idle store writes nothing to the screen. A heartbeat of the engine, every five seconds, is not
read for: that was a third of what a console at rest cost.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import PacelineError
from storage.health_facts import newest
from storage.model import HOUR, MINUTE
from storage.queue_facts import add_shares
from storage.reader import Reader
from tui.later import add_due
from tui.link import LinkState
from tui.safe_rows import Cleaner, clean
from tui.safe_text import safe_text

log = logging.getLogger("paceline.feed")

LOOK_EVERY = 0.25
"""Seconds between two looks, and so the least between two frames: 20 looks a second were half of what an idle console
cost. What a person asks for is read at once."""
LINK_EVERY = 1.0
REST = 8
"""A read is followed by this many times its own length without one, unless it is asked for."""
NEWS = 20
"""The newest events that every snapshot carries: what other people did is told from them."""

Load = Callable[[Reader, int], Any]
Pulse = tuple[int, int, int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one view shows at `at`. `token` names the view that asked; `error` stands for data that cannot be read."""

    token: Hashable
    frame: dict[str, Any]
    data: Any
    link: LinkState
    at: int
    error: str = ""


def load_frame(reader: Reader, now: int) -> dict[str, Any]:
    """What the frame and every action need, whichever view is open."""
    campaigns = reader.campaigns()
    add_due(reader, campaigns)
    add_shares(reader, campaigns)
    return {
        "engine": reader.engine(),
        "counts": reader.counts(),
        "campaigns": campaigns,
        "rates": reader.rates(now - HOUR),
        "news": reader.events(limit=NEWS),
        "newest": newest(reader),
    }


class Feed:
    """Reads in a thread of its own. `publish` is called there and must only hand the snapshot over."""

    def __init__(
        self,
        database: Path,
        *,
        now: Callable[[], int],
        look: Callable[[int], LinkState],
        publish: Callable[[Snapshot], None],
    ) -> None:
        self._database = database
        self._now = now
        self._look = look
        self._publish = publish
        self._watched: tuple[Hashable, Load] | None = None
        self._asked: queue.SimpleQueue[tuple[Load, Callable[[Any], None]]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._again = threading.Event()
        self._stopping = False
        self._frames, self._rows = Cleaner(), Cleaner()
        self._reader: Reader | None = None
        self._loading: Hashable | None = None
        """Whose rows are being read: a superseded read is ended."""
        self._thread = threading.Thread(target=self._run, name="paceline-reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(5)

    def watch(self, token: Hashable, load: Load) -> None:
        """From now on publish what `load` reads, beginning at once."""
        self._watched = (token, load)
        reader, loading = self._reader, self._loading
        if reader is not None and loading is not None and loading != token:
            reader.interrupt()
        self.again()

    def again(self) -> None:
        """Read now, whether or not something changed, and publish even when nothing did."""
        self._again.set()
        self._wake.set()

    def ask(self, load: Load, answer: Callable[[Any], None]) -> None:
        """Read something once; `answer` is called in the reader's thread with the result or the PacelineError."""
        self._asked.put((load, answer))
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            try:
                with Reader(self._database) as self._reader:
                    self._follow(self._reader)
            except PacelineError as error:
                self._tell(error)
            except Exception:
                log.exception("the reader met a fault")
                self._tell(PacelineError("the store could not be read: see the log"))
            if not self._stopping:
                self._wake.wait(1.0)
                self._wake.clear()

    def _tell(self, error: PacelineError) -> None:
        watched = self._watched
        now = self._now()
        token = watched[0] if watched else None
        self._publish(Snapshot(token, {}, None, self._look(now), now, safe_text(error.message)))

    def _follow(self, reader: Reader) -> None:
        version, minute, link, looked, rested = -1, -1, None, -1.0, -1.0
        last: tuple[Any, ...] = ()
        pulse: Pulse = (0, 0, 0, {})
        waiting = True
        while not self._stopping:
            self._answer(reader)
            moment, now = time.monotonic(), self._now()
            if moment - looked >= LINK_EVERY or self._again.is_set():
                link, looked = self._look(now), moment
            asked = self._again.is_set()
            seen = reader.data_version()
            if seen != version and not waiting:
                engine = reader.engine()
                if (engine.get("heartbeat_at") or 0) != pulse[0]:
                    before, pulse = pulse, _pulse(engine, newest(reader), reader.counts())
                    if pulse[1:] == before[1:]:
                        version = seen
                waiting = seen != version
            told = _steady(link.status) if link is not None else {}
            changed = seen != version or now // MINUTE != minute or (last and (link, told) != last[-2:])
            watched = self._watched
            if watched is not None and link is not None and (asked or (changed and moment >= rested)):
                self._again.clear()
                version, minute, waiting = seen, now // MINUTE, False
                token, load = watched
                try:
                    self._loading = token
                    with reader.moment():
                        frame, data = self._frames.clean(load_frame(reader, now)), self._rows.clean(load(reader, now))
                    pulse = _pulse(frame["engine"], frame["newest"], frame["counts"])
                except PacelineError:
                    if self._watched is watched:
                        raise
                    continue
                finally:
                    self._loading = None
                # A read that takes long (a sort without an index) is not made so often that it fills a core.
                took = time.monotonic() - moment
                rested = moment + took * REST
                read = (token, _without_heartbeat(frame), data, link, told)
                if asked or read != last:
                    last = read
                    self._publish(Snapshot(token, frame, data, link, now))
            self._wake.wait(LOOK_EVERY)
            self._wake.clear()

    def _answer(self, reader: Reader) -> None:
        while not self._asked.empty():
            load, answer = self._asked.get()
            try:
                result = clean(load(reader, self._now()))
            except PacelineError as error:
                result = error
            answer(result)


def _steady(status: dict[str, Any]) -> dict[str, Any]:
    """What the engine tells, without the clocks and counts that move while nothing happens."""
    return {name: status.get(name) for name in ("queues", "attached", "draining", "store_trouble")}


def _pulse(engine: dict[str, Any], grown: dict[str, int], counts: dict[str, int]) -> Pulse:
    """The last heartbeat, and what moves with nearly everything else that is written: what people and the engine do,
    attempts, the states of jobs. What moves none of these and shares its look with a heartbeat shows by the minute."""
    return engine.get("heartbeat_at") or 0, grown["events"], grown["attempts"], counts


def _without_heartbeat(frame: dict[str, Any]) -> dict[str, Any]:
    return {**frame, "engine": {k: v for k, v in frame["engine"].items() if k != "heartbeat_at"}}
