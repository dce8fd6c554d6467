"""What a screen that others may see leaves out of a payload: values under the names of passwords and keys."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

CUT = "(cut: the command line has it)"
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|token|credentials?|authorization|auth|cookie|"
    r"(api|access|private|secret|signing)[_-]?key",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


def _is_secret(name: str) -> bool:
    """Whether a name, or a word of it (`smtp_password`, `apiKey`), says that its value is to be kept secret."""
    if _SECRET.fullmatch(name):
        return True
    words = [word.lower() for word in _WORDS.split(name) if word]
    return any(_SECRET.fullmatch(word) for word in words) or any(
        _SECRET.fullmatch(f"{one}_{other}") for one, other in pairwise(words)
    )


def without_secrets(value: Any) -> Any:
    """A JSON value whose texts and numbers under such names are cut, at any depth; what is empty stays."""
    if isinstance(value, dict):
        return {
            name: CUT
            if item and not isinstance(item, bool | dict | list) and _is_secret(str(name))
            else without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
