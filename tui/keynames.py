"""How keys are written: by people (`^d`, `?`), and by the toolkit (`ctrl+d`, `question_mark`). Pure.

Textual names a character by its Unicode name; see `textual.keys`.
"""

from __future__ import annotations

import unicodedata

_UNICODE = {
    "solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at", "hyphen_minus": "minus",
    "plus_sign": "plus", "low_line": "underscore",
}  # fmt: skip
_NAMED = {
    "space": "space", "enter": "enter", "return": "enter", "esc": "escape", "escape": "escape", "tab": "tab",
    "up": "up", "down": "down", "left": "left", "right": "right", "home": "home", "end": "end", "insert": "insert",
    "delete": "delete", "del": "delete", "backspace": "backspace", "pgup": "pageup", "pageup": "pageup",
    "pgdn": "pagedown", "pagedown": "pagedown", **{f"f{n}": f"f{n}" for n in range(1, 13)},
}  # fmt: skip
_SHOWN = {
    "escape": "esc", "pagedown": "PgDn", "pageup": "PgUp", "home": "Home", "end": "End", "down": "Down", "up": "Up",
    "left": "Left", "right": "Right", "insert": "Ins", "delete": "Del", **{f"f{n}": f"F{n}" for n in range(1, 13)},
}  # fmt: skip


def name_of(character: str) -> str:
    """The toolkit's name of the key that types one character."""
    if character == " ":
        return "space"
    if character.isalnum():
        return character
    name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    return _UNICODE.get(name, name)


_CHARACTERS = {name_of(chr(code)): chr(code) for code in range(0x21, 0x7F)}


def shown_key(key: str) -> str:
    """A key as an operator reads it: `^d`, `?`, `esc`."""
    return "^" + key[5:] if key.startswith("ctrl+") else _SHOWN.get(key) or _CHARACTERS.get(key, key)


def read_key(text: str) -> str:
    """The toolkit's name of what a person wrote; "" where that is no key which every terminal can send."""
    text = text.strip() or text[:1]
    if len(text) == 1:
        return name_of(text) if text.isascii() and text.isprintable() else ""
    low = text.lower()
    if low in _NAMED:
        return _NAMED[low]
    if text in _CHARACTERS:
        return text
    control = low.removeprefix("^").removeprefix("ctrl+").removeprefix("c-")
    if control != low and len(control) == 1 and control.isascii() and control.isalpha():
        return f"ctrl+{control}"
    return ""
