"""A filter's patterns and words against texts that are in memory, as `storage.filter_sql` asks the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storage.filter_terms import pieces


def is_like(value: str, patterns: Iterable[str]) -> bool:
    """Whether the whole of a value is like one of these patterns, whatever the case."""
    folded = value.casefold()
    return any(_fits(folded, pattern) for pattern in patterns)


def holds(values: Sequence[str], texts: Iterable[str]) -> bool:
    """Whether one of the values holds one of the texts, whatever the case."""
    folded = [value.casefold() for value in values]
    return any(text.casefold() in value for text in texts for value in folded)


def _fits(value: str, pattern: str) -> bool:
    """Each text at the first place behind the one before it: one pass, however many `*` there are."""
    parts = [piece if piece is None else piece.casefold() for piece in pieces(pattern)]
    at, floating = 0, False
    for i, part in enumerate(parts):
        if part is None:
            floating = True
            continue
        if floating and i == len(parts) - 1:
            return len(value) - len(part) >= at and value.endswith(part)
        found = value.find(part, at) if floating else at if value.startswith(part, at) else -1
        if found < 0:
            return False
        at, floating = found + len(part), False
    return floating or at == len(value)
