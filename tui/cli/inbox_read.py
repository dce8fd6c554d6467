"""Mails and payloads on their way to the holder of the lock: read and parsed here, streamed in slices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from engine.control.inbound import wire_form
from engine.inbound.file import events, read_path
from engine.inbound.imap import Cursor, ImapSettings, read_imap
from engine.inbound.model import Inbound, Raw
from engine.inbound.replies import bounce_outcome
from tui.cli.output import Json, emit, out, say, table
from tui.cli.session import Session
from tui.client import Control

SLICE_ITEMS = 100
SLICE_BYTES = 900_000
"""A request of the control socket may have 1 MB."""
RAW_SENT = 48 * 1024
"""Octets of a mail that travel with it, for what cannot be matched."""
Item = tuple[Inbound, Raw]


@dataclass(slots=True)
class Sums:
    """What a reading came to."""

    read: int = 0
    new: int = 0
    left_out: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> Json:
        return {
            "success": True,
            "read": self.read,
            "new": self.new,
            "left_out": self.left_out,
            "kinds": dict(self.kinds),
            "effects": dict(self.effects),
            "empty": not self.read,
        }


def read_paths(session: Session, paths: tuple[str, ...], kinds: frozenset[str], *, form: str, dry_run: bool) -> None:
    """Read what stands at these paths. Raises UsageError, OSError; slices that were taken in stay so."""
    raws = chain.from_iterable(read_path(Path(path), form=form) for path in paths)
    found = ((event, raw) for raw in raws for event in events(raw))
    if dry_run:
        _look(session, found, kinds)
        return
    sums = Sums()
    with session.control() as control:
        _take(control, paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more", found, kinds, sums)
    _tell(session, sums)


def read_mailbox(session: Session, name: str, kinds: frozenset[str], *, dry_run: bool) -> None:
    """Read a mailbox from where the last reading ended, which the store remembers. A look, or a choice of kinds, goes
    over the whole folder and leaves that as it is."""
    sums = Sums()
    if dry_run or kinds:
        settings = session.config().mailbox(name).settings()
        found = ((event, raw) for raw in _whole_folder(settings) for event in events(raw))
        if dry_run:
            _look(session, found, kinds)
            return
        with session.control() as control:
            _take(control, f"imap:{name}", found, kinds, sums)
    else:
        with session.control() as control:
            more = True
            while more:
                answer = control.call("inbox.poll", {"mailbox": name})
                _count(sums, answer)
                more = answer["more"]
    _tell(session, sums)


def _whole_folder(settings: ImapSettings) -> Iterator[Raw]:
    cursor, more = Cursor(), True
    while more:
        reading = read_imap(settings, cursor)
        yield from reading.mails
        cursor, more = reading.cursor, reading.more


def _take(control: Control, source: str, found: Iterator[Item], kinds: frozenset[str], sums: Sums) -> None:
    batch: list[Json] = []
    size = 0
    for event, raw in found:
        if kinds and event.kind.value not in kinds:
            sums.left_out += 1
            continue
        item = wire_form(event, raw.data, RAW_SENT)
        cost = len(json.dumps(item))
        if batch and (len(batch) == SLICE_ITEMS or size + cost > SLICE_BYTES):
            _count(sums, control.call("inbox.read", {"source": source, "items": batch}))
            batch, size = [], 0
        batch.append(item)
        size += cost
    if batch:
        _count(sums, control.call("inbox.read", {"source": source, "items": batch}))


def _count(sums: Sums, answer: Json) -> None:
    sums.read += answer["read"]
    sums.new += answer["new"]
    sums.kinds.update(item["kind"] for item in answer["items"])
    sums.effects.update(answer["effects"])


def _tell(session: Session, sums: Sums) -> None:
    if session.json:
        emit(sums.to_json())
        return
    if not sums.read:
        say("nothing to read" + (f": {sums.left_out:,} of other kinds" if sums.left_out else ""))
        return
    table(("kind", "n"), sorted(sums.kinds.items()))
    told = ", ".join(f"{n:,} {effect}" for effect, n in sorted(sums.effects.items()))
    say(f"read {sums.read:,}, {sums.new:,} of them new: {told}")
    if sums.effects["kept"]:
        say("what could not be matched is kept: paceline inbox list --unmatched")


def _look(session: Session, found: Iterator[Item], kinds: frozenset[str]) -> None:
    """Say what each would be taken for."""
    shown = [(event, raw) for event, raw in found if not kinds or event.kind.value in kinds]
    if session.json:
        emit({"count": len(shown), "inbox": [_public(event, raw) for event, raw in shown]})
        return
    rows = [
        (
            raw.name,
            event.kind.value,
            ", ".join(event.addresses[:3]),
            " ".join(str(part) for part in (event.code or "", event.enhanced) if part),
            _class(event),
            event.diagnostic or event.subject,
        )
        for event, raw in shown
    ]
    table(("from", "kind", "address", "reply", "class", "words"), rows, empty="nothing to read")
    out()


def _public(event: Inbound, raw: Raw) -> Json:
    form = wire_form(event, b"", 0)
    del form["raw"]
    return {"from": raw.name, "class": _class(event), **form}


def _class(event: Inbound) -> str:
    return bounce_outcome(event).cls.value if event.kind.value in ("bounce", "delayed") else ""
