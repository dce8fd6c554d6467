"""Values out of a payload, each of the type that is expected or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.inbound.mail import addresses_of
from engine.inbound.model import MAX_ADDRESSES, MAX_DIAGNOSTIC, MAX_EXCERPT, MAX_SUBJECT, Inbound, Kind, Raw
from engine.inbound.quoting import own_words
from engine.inbound.replies import find_reply
from storage.model import DAY, SECOND

Payload = dict[str, Any]


def text(payload: Payload, *path: str, limit: int = 1_000) -> str:
    """The text or number at this path as text, "" where there is none."""
    value: Any = payload
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)[:limit].encode("utf-8", "replace").decode()
    return ""


def table(payload: Payload, *path: str) -> Payload:
    """The object at this path, empty where there is none."""
    value: Any = payload
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def addresses(payload: Payload, name: str) -> tuple[str, ...]:
    """The addresses of an array of texts, as many as an event has; empty where there is none."""
    value = payload.get(name)
    found = (one_address(text({name: one}, name)) for one in value) if isinstance(value, list) else ()
    return tuple(one for one in found if one)[:MAX_ADDRESSES]


def items(payload: Payload, name: str) -> list[Payload]:
    """The objects of an array, empty where there is none."""
    value = payload.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def moment(value: str, arrived: int) -> int:
    """A time as ISO 8601 or as seconds since 1970, in microseconds; `arrived` for anything else, and for the future."""
    try:
        at = int(float(value) * SECOND) if value.replace(".", "", 1).isdigit() else _iso(value)
    except (ValueError, OverflowError):
        return arrived
    return at if 0 < at < arrived + DAY else arrived


def message_ids(*found: str) -> tuple[str, ...]:
    """Identifiers without brackets, those that are given."""
    bare = (one.strip().strip("<>") for one in found)
    return tuple(dict.fromkeys(one[:250] for one in bare if one))


def event(
    kind: Kind,
    raw: Raw,
    *,
    at: str = "",
    ids: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
    words: str = "",
    status: str = "",
    code: str = "",
    subject: str = "",
    body: str = "",
    action: str = "",
    **reported: str,
) -> Inbound:
    """An event of a payload. `words` are the server's, `status` and `code` what the provider says beside them."""
    reply = find_reply(words, status)
    number = int(code) if code.isdigit() and 400 <= int(code) <= 599 else 0
    return Inbound(
        kind,
        "",
        moment(at, raw.arrived),
        message_ids=ids,
        addresses=tuple(dict.fromkeys(one for one in addresses if one)),
        code=reply.code or number,
        enhanced=reply.enhanced,
        diagnostic=words[:MAX_DIAGNOSTIC],
        subject=subject[:MAX_SUBJECT],
        text=own_words(body)[:MAX_EXCERPT],
        action=action[:40],
        reported={key: value[:250] for key, value in reported.items() if value},
    )


def one_address(value: str) -> str:
    """The address of `Name <address>`, "" without one."""
    return next(iter(addresses_of(value)), "")


def _iso(value: str) -> int:
    found = datetime.fromisoformat(value)
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * SECOND)
