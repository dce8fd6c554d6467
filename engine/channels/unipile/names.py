"""Whether two names can be one person's: a profile that was typed wrongly belongs to somebody else."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORD = re.compile(r"[^\W_]+")
_UNCOMPOSED: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ħ": "h"}
)
"""Letters that Unicode does not take apart into a base and a mark."""


def could_be_same(known: str, found: str) -> bool:
    """Whether the operator's name for a person and a profile's have a word in common, without case and accents.

    True as well when they cannot be compared: one is empty, or they are written in different scripts.
    """
    ours, theirs = _words(known), _words(found)
    if not ours or not theirs or ours & theirs:
        return True
    return not {_script(word) for word in ours} & {_script(word) for word in theirs}


def _words(name: str) -> set[str]:
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_UNCOMPOSED))
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return set(_WORD.findall(bare))


def _script(word: str) -> str:
    """The first word of its first letter's Unicode name: LATIN, CYRILLIC, CJK, ..."""
    letter = next((character for character in word if character.isalpha()), word[0])
    return unicodedata.name(letter, "UNKNOWN").split()[0]
