"""What a screen that others may see leaves out of a payload: values under the names of passwords and keys."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

CUT = "(cut: the command line has it)"
_SECRET = re.compile(
    r"pass(words?|wd|phrases?)?|pwd|secrets?|tokens?|credentials?|authorization|auth|cookies?|"
    r"(api|access|private|secret|signing)[_-]?keys?",
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
    """A JSON value in which all that stands under such names is cut, at any depth; what is empty, and a yes or no,
    stays."""
    if isinstance(value, dict):
        return {
            name: CUT if item and not isinstance(item, bool) and _is_secret(str(name)) else without_secrets(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
