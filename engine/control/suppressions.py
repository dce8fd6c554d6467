"""What people do with the list of who must not be contacted: add to it, import into it, remove from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from engine.intake.addresses import AddressError, parse_address
from engine.intake.profiles import ProfileError, parse_profile
from storage.errors import NotFoundError, UsageError
from storage.model import Actor
from storage.suppression_pages import by_ids, ids_of
from storage.suppressions import KINDS, REASONS, Entry

MOST = 1_000
"""Entries of one request: a larger file comes in slices."""
_LIST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class EntryArgs(Args):
    """`value`: an address, `@domain`, or a profile; with a `kind` it is taken as that. `list_name` "" is every
    campaign. `expires_at` in microseconds UTC, None: never."""

    value: str = Field(max_length=500)
    kind: str = ""
    reason: str = "manual"
    list_name: str = ""
    note: str = Field(default="", max_length=500)
    expires_at: int | None = None


class AddArgs(Args):
    entries: list[EntryArgs] = Field(min_length=1, max_length=MOST)
    source: str = Field(default="", max_length=200)
    quiet: bool = False
    """No event of its own: one slice of an import, whose end writes it (`suppression.imported`)."""


class ImportedArgs(Args):
    source: str = Field(max_length=200)
    rows: int
    new: int
    spared: int


class RemoveArgs(Args):
    ids: list[int] = Field(default_factory=list, max_length=MOST)


@dataclass(frozen=True, slots=True)
class Named:
    """What a suppression names: the kind, and the value as it is compared."""

    kind: str
    value: str


def named(text: str, kind: str = "") -> Named:
    """An address, `@domain` or profile as people write it. Raises UsageError that says what is wrong with it."""
    text = text.strip()
    if kind and kind not in KINDS:
        raise UsageError(f"there is no kind '{kind[:40]}'", hint=f"there are: {', '.join(KINDS)}")
    if not text:
        raise UsageError("nothing is named", hint="an address, @domain, or a profile such as linkedin.com/in/ana")
    if kind == "domain" or (not kind and text.startswith("@")):
        return Named("domain", _domain(text.removeprefix("@")))
    if kind == "profile" or (not kind and "@" not in text):
        return Named("profile", _profile(text))
    try:
        return Named("address", parse_address(text).key)
    except AddressError as error:
        raise UsageError(f"{text[:80]!r}: {error.reason}", hint="for a whole domain write @example.org") from None


def _domain(text: str) -> str:
    try:
        return parse_address(f"postmaster@{text}").key.partition("@")[2]
    except AddressError as error:
        raise UsageError(f"'@{text[:80]}' is no domain: {error.reason}", hint="write it as @example.org") from None


def _profile(text: str) -> str:
    try:
        return parse_profile(text)
    except ProfileError as error:
        if "/" in text:
            raise UsageError(f"{text[:80]!r}: {error.reason}", hint=error.hint) from None
        raise UsageError(
            f"{text[:80]!r} is no address and no profile",
            hint="an address holds an @, a domain begins with it (@example.org), a profile is its full link",
        ) from None


def entry_of(args: EntryArgs, source: str, now: int) -> Entry:
    """A suppression as it is stored. Raises UsageError."""
    found = named(args.value, args.kind)
    if args.reason not in REASONS:
        raise UsageError(f"there is no reason '{args.reason[:40]}'", hint=f"there are: {', '.join(REASONS)}")
    check_list(args.list_name)
    if args.expires_at is not None and args.expires_at <= now:
        raise UsageError(f"{args.value[:80]}: the time until which it holds has passed", hint="leave --until out")
    return Entry(found.kind, found.value, args.reason, args.list_name, args.note, source, args.expires_at)


def check_list(name: str) -> None:
    """Raises UsageError for what cannot be a list's name; "" is none."""
    if name and not _LIST.fullmatch(name):
        raise UsageError(
            f"list name {name[:80]!r} cannot be used",
            hint="use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        )


@action("suppression.add", AddArgs)
async def add(context: Context, args: AddArgs, actor: Actor) -> Result:
    """Contact these no more: open messages to them are skipped at once. What stands already is made no weaker."""
    now = context.clock.now()
    entries = [entry_of(one, args.source or "by hand", now) for one in args.entries]
    event = None if args.quiet else audit("suppression.added", f"suppressed {_names(entries)}", actor, n=len(entries))
    before = await context.store.read(lambda reader: ids_of(reader, entries))
    new, spared = await context.store.suppress(entries, event, actor.user)
    ids = await context.store.read(lambda reader: ids_of(reader, entries))
    context.hooks.wake()
    message = f"{_names(entries)} {'is' if len(entries) == 1 else 'are'} suppressed{_scope(entries)}{_spared(spared)}"
    if not new:
        message = f"{_names(entries)} stood on the list already{_spared(spared)}"
    return {
        "success": True, "new": new, "known": len(entries) - new, "skipped": spared,
        "ids": [id for id in ids if id not in before], "message": message,
    }  # fmt: skip


@action("suppression.imported", ImportedArgs)
async def imported(context: Context, args: ImportedArgs, actor: Actor) -> Result:
    """The end of an import: what it came to, as one event."""
    text = f"suppressed {args.new:,} new of {args.rows:,} rows of {args.source}"
    await context.store.add_event(audit("suppression.imported", text, actor, n=args.new))
    return {"success": True, "message": f"{text}{_spared(args.spared)}"}


@action("suppression.remove", RemoveArgs)
async def remove(context: Context, args: RemoveArgs, actor: Actor) -> Result:
    """Take entries off the list. Messages that they spared stay skipped."""
    if not args.ids:
        raise UsageError("nothing is named to be removed", hint="see `paceline suppression list`")
    rows = await context.store.read(lambda reader: by_ids(reader, args.ids))
    if not rows:
        raise NotFoundError("this suppression is gone already", hint="see `paceline suppression list`")
    names = _names([Entry(row["kind"], row["value"], scope=row["scope"]) for row in rows])
    event = audit("suppression.removed", f"took {names} off the suppressions", actor, n=len(rows))
    removed = await context.store.unsuppress([row["id"] for row in rows], event)
    return {
        "success": True,
        "removed": len(removed),
        "entries": [_as_args(row) for row in removed],
        "message": f"{names} may be contacted again; messages that were skipped stay skipped",
    }


def _as_args(row: dict[str, Any]) -> Result:
    """What adds an entry again: for undo."""
    return {
        "value": f"@{row['value']}" if row["kind"] == "domain" else row["value"],
        "kind": row["kind"], "reason": row["reason"], "list_name": row["scope"], "note": row["note"],
        "expires_at": row["expires_at"],
    }  # fmt: skip


def _names(entries: list[Entry]) -> str:
    if len(entries) > 1:
        return f"{len(entries):,} entries"
    one = entries[0]
    return {"domain": f"@{one.value}", "profile": f"profile {one.value}"}.get(one.kind, one.value)


def _scope(entries: list[Entry]) -> str:
    lists = {one.scope for one in entries}
    only = next(iter(lists))
    return f" on list {only}" if len(lists) == 1 and only else ""


def _spared(n: int) -> str:
    return f"; {n:,} open message{'s' if n != 1 else ''} will not be sent" if n else ""
