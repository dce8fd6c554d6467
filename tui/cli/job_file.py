"""`paceline job add --from-file`: a file of jobs, streamed in slices under one batch; all of it, or nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from storage.errors import PacelineError, UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import Json, say
from tui.cli.payloads import json_object
from tui.cli.session import Session

if TYPE_CHECKING:
    from tui.client import Control

SLICE_ROWS = 1_000
SLICE_BYTES = 900_000
"""A request of the control socket may have 1 MB."""
LONGEST_LINE = 600_000
"""Characters: a job's payload has at most 256 KiB, and each may stand as an escape."""
SHOWN = 20
"""Mistakes that are named; the file of rejects has them all."""
_REJECTED = ("reject_row", "reject_reason")
"""What an earlier file of rejects said of a line."""


@dataclass(frozen=True, slots=True)
class Source:
    """`path`: a file, or - for the standard input. `name`: what the batch is called, "" for the file's name. `rejects`:
    where wrong lines go (None: beside the file)."""

    path: str
    name: str = ""
    skip_bad: bool = False
    rejects: Path | None = None
    go_on: bool = False

    @property
    def shown(self) -> str:
        return "the input" if self.path == "-" else Path(self.path).name


@dataclass(slots=True)
class _Row:
    """One line: its number, its text as it stood, and the job in it, or why there is none."""

    number: int
    text: str
    job: Json = field(default_factory=dict)
    wrong: str = ""


@dataclass(slots=True)
class _Sums:
    read: int = 0
    known: int = 0
    ids: list[int] = field(default_factory=list)
    problems: list[Json] = field(default_factory=list)
    wrong: int = 0

    def add_problem(self, number: int, words: str) -> None:
        self.wrong += 1
        if len(self.problems) < SHOWN:
            self.problems.append({"row": number, "error": words})


def add_file(session: Session, source: Source) -> int:
    """Make every job of a file. Returns the exit code: 1 when some lines were left out, or none made a job. Raises
    UsageError when a line is wrong and `skip_bad` was not asked for: nothing is made then."""
    sums = _Sums()
    target = source.rejects or Path(f"{source.path}.rejects.jsonl")
    if source.skip_bad and source.path == "-" and source.rejects is None:
        raise UsageError("--skip-bad needs --rejects FILE when the jobs come from the input")
    with _opened(source) as lines, session.control() as control, _Rejects(target) as rejects:
        batch = control.call("job.begin", {"name": source.name or source.shown[:200]})["batch_id"]
        try:
            for part in _slices(_rows(lines, _times(session))):
                _send(control, batch, part, source, sums, rejects)
                _count(sums)
            control.call("job.commit", {"batch_id": batch, "go_on": source.go_on})
        except BaseException:
            _discard(control, batch)
            raise
        finally:
            _count(sums, last=True)
        rejects.keep()
    made = len(sums.ids) - sums.known
    for problem in sums.problems:
        say(f"{source.shown}, row {problem['row']}: {problem['error']}")
    if sums.wrong:
        say(f"{sums.wrong:,} lines were left out: {target}")
    message = f"{made:,} jobs queued" if made else "nothing was made"
    message += f", {sums.known:,} were open already" if sums.known else ""
    tell(
        session,
        {
            "success": True, "message": message, "batch_id": batch if made else None, "rows": sums.read, "added": made,
            "known": sums.known, "rejected": sums.wrong, "rejects": str(target) if sums.wrong else None,
            "problems": sums.problems, "ids": sums.ids, "statusUrl": f"paceline batch show {batch}" if made else None,
        },
    )  # fmt: skip
    return 1 if sums.wrong or not made else 0


def _send(control: Control, batch: int, part: list[_Row], source: Source, sums: _Sums, rejects: _Rejects) -> None:
    """One slice into the batch. Raises UsageError for a wrong line that may not be skipped."""
    sums.read += len(part)
    good = [row for row in part if not row.wrong]
    wrong = {row.number: row.wrong for row in part if row.wrong}
    if good and (source.skip_bad or not wrong):
        numbers = [row.number for row in good]
        args = {"batch_id": batch, "rows": [row.job for row in good], "numbers": numbers, "skip_bad": source.skip_bad}
        answer = control.call("job.rows", args)
        wrong |= {one["row"]: one["error"] for one in answer["errors"]}
        sums.known += answer["known"]
        sums.ids += answer["ids"]
    for row in part:
        if row.number in wrong:
            sums.add_problem(row.number, wrong[row.number])
            if source.skip_bad:
                rejects.write(row, wrong[row.number])
    if wrong and not source.skip_bad:
        raise _refused(source, sums)


def _refused(source: Source, sums: _Sums) -> UsageError:
    first, *others = sums.problems
    for problem in others:
        say(f"{source.shown}, row {problem['row']}: {problem['error']}")
    return UsageError(
        f"{source.shown}, row {first['row']}: {first['error']}",
        hint="nothing was made: mend the line, or let --skip-bad make the others",
    )


def _discard(control: Control, batch: int) -> None:
    """Best effort: an engine that went away takes the unfinished batch back at its next start."""
    try:
        control.call("job.discard", {"batch_id": batch})
    except PacelineError:
        pass


def _opened(source: Source) -> AbstractContextManager[TextIO]:
    if source.path == "-":
        return nullcontext(sys.stdin)
    try:
        return Path(source.path).open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise UsageError(f"{source.path}: {(error.strerror or 'cannot be read').lower()}") from None


def _times(session: Session) -> Callable[[Json], Json]:
    """Gives a job's times as control takes them: `at`, `in` and `timeout` as people write them. Raises UsageError."""
    from engine.planning.durations import parse_duration
    from tui.cli.times import now_us, parse_time

    zone = session.zone

    def timed(job: Json) -> Json:
        found = {name: value for name, value in job.items() if name not in ("at", "in", *_REJECTED)}
        for name in ("at", "in"):
            if name in job and not isinstance(job[name], str):
                raise UsageError(f"{name}: must be text", hint='"at": "2026-03-01 10:20", or "in": "5m"')
        if "at" in job:
            found["due_at"] = parse_time(job["at"], zone, now=now_us(), option="at")
        if "in" in job:
            found["due_at"] = now_us() + parse_duration(job["in"], field="in")
        if isinstance(job.get("timeout"), str):
            found["timeout"] = parse_duration(job["timeout"], field="timeout")
        return found

    return timed


def _rows(lines: TextIO, timed: Callable[[Json], Json]) -> Iterator[_Row]:
    number = 0
    while text := lines.readline(LONGEST_LINE):
        number += 1
        if len(text) == LONGEST_LINE:
            raise UsageError(f"row {number}: longer than {LONGEST_LINE:,} characters", hint="one JSON object a line")
        if text.strip():
            yield _row(number, text.strip(), timed)


def _row(number: int, text: str, timed: Callable[[Json], Json]) -> _Row:
    job: Json = {}
    try:
        text.encode()
        job = json_object(text, "line")
        return _Row(number, text, timed(job))
    except UnicodeEncodeError:
        return _Row(number, text, wrong="the line is not UTF-8 text")
    except UsageError as error:
        return _Row(number, text, job, error.message)


def _slices(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """At most `SLICE_ROWS` lines, and `SLICE_BYTES` of JSON as the socket writes it (6 bytes for an escape)."""
    part: list[_Row] = []
    size = 0
    for row in rows:
        cost = 40 + (len(row.text) if row.text.isascii() else 6 * len(row.text))
        if part and (len(part) == SLICE_ROWS or size + cost > SLICE_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += cost
    if part:
        yield part


def _count(sums: _Sums, *, last: bool = False) -> None:
    """How far it is, on a terminal."""
    if sys.stderr.isatty() and sums.read:
        sys.stderr.write(f"\r{sums.read:,} lines read" + ("\n" if last else ""))
        sys.stderr.flush()


class _Rejects:
    """Wrong lines as JSON with their number and reason, for their owner alone: to be mended and given again. The file
    takes its place when the batch is made, and is gone when nothing is."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def write(self, row: _Row, why: str) -> None:
        if self._file is None:
            self._file = self._create()
        # As it stood: the times of a job that was read are not those of its line.
        try:
            kept: dict[str, Any] = json_object(row.text, "line")
        except UsageError:
            kept = {"line": row.text.encode("utf-8", "replace").decode()}
        self._file.write(json.dumps({**kept, "reject_row": row.number, "reject_reason": why}) + "\n")

    def keep(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.replace(self._target)

    def _create(self) -> TextIO:
        try:
            self._part.unlink(missing_ok=True)
            handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            why = (error.strerror or "unknown reason").lower()
            raise UsageError(f"{self._target} cannot be written: {why}", hint="name a file with --rejects") from None
        return os.fdopen(handle, "w", encoding="utf-8")
