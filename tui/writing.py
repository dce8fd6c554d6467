"""`w`: the rows of the open view, as far as its filter lets them through, in a CSV, JSONL or XLSX file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.errors import PacelineError, RefusedError, UsageError
from storage.reader import Reader
from tui.actions import Row
from tui.base import ConsoleBase
from tui.exporting.writer import KINDS, format_of, refuse_existing, write_rows
from tui.format import count
from tui.screens.view import Written


def target_of(text: str) -> Path:
    """The file that was named. Raises UsageError for another ending, RefusedError for a file that exists."""
    target = Path(text.strip()).expanduser()
    if not target.suffix:
        raise UsageError(f"{target.name or 'no name'}: only {KINDS} can be written", hint="name the file so")
    format_of(target)
    refuse_existing(target)
    return target


def rows_in(data: Any) -> list[Row]:
    """The rows of what a view shows: its list, or the longest of its lists."""
    lists = [data] if isinstance(data, list) else list(data.values()) if isinstance(data, dict) else []
    found = [entry for entry in lists if isinstance(entry, list) and entry and isinstance(entry[0], dict)]
    return max(found, key=len, default=[])


class Writing(ConsoleBase):
    """The part of the console that writes rows to files."""

    def action_write(self, name: str = "") -> None:
        """Ask for a file's name, or write to the one that was named."""
        if name:
            self.write(name)
            return
        view = self.view
        if view is None or view is not self.screen or view.has_class("-small"):
            return
        day = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.now() / 1_000_000))
        view.prompt.open("write to ", f"paceline-{view.MODE}-{day}.csv", on_submit=self.write)

    def write(self, name: str) -> None:
        """Write the open view's rows to this file, beside what else goes on."""
        self.run_worker(self._write(name), group="write", exit_on_error=True)

    async def _write(self, name: str) -> None:
        view = self.view
        if view is None:
            return
        try:
            target = target_of(name)
            if view.filter_off():
                raise RefusedError(f"nothing is written: {view.filter_off()}")
            load = view.written() or _as_shown(view.data)
            n = await asyncio.to_thread(self._write_apart, target, load, asyncio.get_running_loop())
        except PacelineError as error:
            self.tell(error)
        except OSError as error:
            self.say(f"{name}: {(error.strerror or 'it could not be written').lower()}", "bad")
        else:
            self.say(f"written: {count(n)} rows to {target.absolute()}", "good")

    def _write_apart(self, target: Path, load: Written, loop: asyncio.AbstractEventLoop) -> int:
        """In a thread, over a connection of its own: a large set keeps no screen waiting."""
        from tui.cli.output import dated

        def told(n: int) -> None:
            if not self.is_running:
                raise RefusedError("the console ended")
            loop.call_soon_threadsafe(self.say, f"writing: {count(n)} rows ...")

        with Reader(self.database) as reader:
            return write_rows(target, map(dated, load(reader, self.now())), format_of(target), told=told)


def _as_shown(data: Any) -> Written:
    def load(reader: Reader, now: int) -> Iterator[Row]:
        return iter(rows_in(data))

    return load
