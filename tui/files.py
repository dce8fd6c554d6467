"""Small files that the console writes for itself: what it keeps between two runs."""

from __future__ import annotations

from pathlib import Path

from engine.whole_files import whole_file
from storage.errors import UsageError


def write_private(path: Path, text: str) -> bool:
    """Put `text` into a file for its owner alone, in a folder that is made where it is missing.

    Answers whether that went well: what is written so (preferences, a copied name) must never stop the console.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(path, durable=False) as file:
            file.write(text)
    except (OSError, UsageError):
        return False
    return True
