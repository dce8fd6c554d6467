"""What a terminal would act on in a program's output, read strictly: by an allow-list, never by what looks harmful."""

from __future__ import annotations

import re

MODES = {1049, 25, 1004, 2004, 7, 2026, 2048, 1000, 1003, 1006, 1015}
"""Private modes that a screen sets, resets or asks for: alternate screen, cursor, focus, paste, wrap, sync, size."""
ALLOWED = (
    re.compile(rb"\x1b\[[0-9;]*m"),  # colours and attributes
    re.compile(rb"\x1b\[[0-9]*(;[0-9]*)?[Hf]"),  # the cursor's place
    re.compile(rb"\x1b\[[0-9]*[ABCDJK]"),
    re.compile(rb"\x1b\[\?([0-9;]+)(?:\$p|[hl])"),
    re.compile(rb"\x1b\[[>=<][0-9;]*u"),  # the keyboard protocol, asked for and given back
)
COPY = re.compile(rb"\x1b\]52;c;[A-Za-z0-9+/=]*\x07")
"""The one sequence that carries data, and carries it as base64: a copy that a person asked for."""
BIDI = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u00ad]")


def foreign(raw: bytes, *, copies: bool = False, plain: bool = False) -> list[str]:
    """What `raw` holds beyond text, line ends and the sequences that a screen needs. With `plain` not even those:
    the output of a command."""
    found = []
    place = 0
    text = bytearray()
    while place < len(raw):
        byte = raw[place]
        if byte == 0x1B:
            end = None if plain else _allowed(raw, place, copies)
            if end is None:
                found.append(repr(raw[place : place + 24]))
                place += 1
            else:
                place = end
            continue
        if (byte < 0x20 and byte not in b"\r\n") or byte == 0x7F:
            found.append(repr(raw[max(0, place - 12) : place + 12]))
        text.append(byte)
        place += 1
    shown = text.decode("utf-8", "replace")
    found += [repr(character) for character in shown if "\x80" <= character <= "\x9f" or BIDI.match(character)]
    return found


def _allowed(raw: bytes, place: int, copies: bool) -> int | None:
    """Where the allowed sequence at `place` ends."""
    for pattern in ALLOWED:
        if match := pattern.match(raw, place):
            if match.re.groups and match[0].startswith(b"\x1b[?"):
                return match.end() if {int(n) for n in match[1].split(b";")} <= MODES else None
            return match.end()
    if copies and (match := COPY.match(raw, place)):
        return match.end()
    return None


def links(raw: bytes) -> list[bytes]:
    """Every hyperlink sequence (OSC 8), ended or not."""
    return re.findall(rb"(?:\x1b\]|\xc2\x9d)8;[^\x07]{0,80}", raw)


def colours(raw: bytes) -> set[int]:
    """Every number in a colour sequence: 38 and 48 stand for more than sixteen colours."""
    return {int(number) for found in re.findall(rb"\x1b\[([0-9;]*)m", raw) for number in found.split(b";") if number}
